/* SPDX-License-Identifier: MIT */
/* mm-caption: captions of a service. */
#include "base/util.h"
#include "caption.h"
#include "db/db.h"
#include "db/method.h"
#include "db/setting.h"
#include "image/shrink.h"
#include "llm/drive.h"
#include "llm/plan.h"
#include "source/photos.h"
#include <stdlib.h>
#include <string.h>

static const char sql_count[] = CAPTION_REASONS CAPTION_FROM_PHOTOS "GROUP BY 1";
static const char sql_pending[] =
    CAPTION_COLUMNS CAPTION_FROM_PHOTOS "AND i.id > :after ORDER BY i.id LIMIT :chunk";

static int question(void *ctx, const struct stage_item *item, struct ask **out)
{
    struct job *j = ctx;
    struct work *w = item->data;
    out[0] = w->ask = ask_new_photo(&j->client.prompts.caption, w->name, &j->client.limits);
    return 1;
}

static int attach(void *ctx, const struct stage_item *item, struct service_request *r,
                  struct err *e)
{
    struct job *j = ctx;
    const struct work *w = item->data;
    struct buf bytes = {0}, small = {0};
    struct err why;
    int rc = photos_read(&bytes, j->root, w->path, w->digest, e);
    if (rc == 0 && image_shrink(&small, &r->image_type, bytes.data, bytes.len, j->side, &why) < 0) {
        err_set(e, "%s: %s", w->path, why.text);
        rc = DRIVE_PERMANENT;
    }
    buf_release(&bytes);
    r->image = small.data;
    r->image_bytes = small.len;
    if (rc < 0) {
        buf_release(&small);
        r->image = NULL;
    }
    return rc;
}

static void store(void *ctx, struct stage_item *item)
{
    const struct work *w = item->data;
    const struct llm_result *r = ask_result(w->ask);
    caption_put(ctx, item->id, buf_str(&r->summary), w->ask->root->answer_id, w->recipe);
}

static const struct stage_task asking = {
    .what = "captions", .sql_count = sql_count, .sql_pending = sql_pending, .chunk = 256,
    .load = caption_load, .store = store, .label = caption_label, .release = caption_release,
    .bind = caption_bind};
static const struct drive_task driving = {&asking, question, attach};

void caption_http_open(struct job *j, const struct opts *o, const struct given *g)
{
    struct err e;
    char made[17], *api = g->api ? xstrdup(g->api) : setting_value(j->db, "CAPTION_API");
    if (client_open(&j->client, j->db, &g->client, CLIENT_CAPTIONS, !o->plan, &e) < 0)
        die_usage("%s", e.text);
    if (strcmp(api, "image-to-text") == 0)
        j->client.options.service.kind = SERVICE_IMAGE_TO_TEXT;
    client_recipe(made, &j->client, &j->client.prompts.caption);
    j->side = g->side >= 0 ? (int)g->side : setting_int(j->db, "CAPTION_SIDE");
    j->recipe = xasprintf("%s@%d", made, j->side);
    j->who = xasprintf(" %s@%.8s", j->client.name, j->recipe);
    free(api);
}

void caption_http_run(struct job *j, struct stage *s, const struct opts *o)
{
    char *note = xasprintf("captions of the model %s", j->client.model);
    struct drive d = {.transport = &transport_openai, .options = &j->client.options};
    j->method = method_id(j->db, &(struct method){"caption", j->client.name, 1,
                                                  "{\"kind\":\"http\"}", 0, note}, o->plan);
    pilot_fill(j->db, -1);
    if (o->plan) {
        plan_asking(s, &driving, j, &j->client);
    } else {
        caption_tidy(j);
        drive_loop(s, &driving, j, &d);
        buf_adds(&s->note, note);
        plan_spent(&s->note, j->db, &j->client);
        if (d.note.len)
            buf_addf(&s->note, "; learnt: %s", buf_str(&d.note));
    }
    buf_release(&d.note);
    free(note);
}
