/* SPDX-License-Identifier: MIT */
/* mm-caption: a caption for every photo that lacks one. Where they come from is a row of table
 * method; without any source the image blocks stay empty and the report says so. */
#include "base/util.h"
#include "caption.h"
#include "db/db.h"
#include "db/method.h"
#include "db/models.h"
#include "db/setting.h"
#include <stdlib.h>
#include <string.h>

static const struct opts_about about = {
    "mm-caption", "[options] [--image FILE...]",
    "Gives every photo a caption; --image works without a database."};

/* ---- captions that came with the data ---- */

static const char sql_count[] =
    "SELECT CASE WHEN c.id IS NULL THEN 'new' ELSE 'the caption changed' END, count(*)\n"
    "FROM image i LEFT JOIN caption c ON c.image_id = i.id AND c.method_id = :method\n"
    "WHERE i.caption IS NOT NULL AND i.business_id IS NOT NULL AND c.text IS NOT i.caption\n"
    "GROUP BY 1";
static const char sql_pending[] =
    "SELECT i.id, i.caption, i.key FROM image i\n"
    "LEFT JOIN caption c ON c.image_id = i.id AND c.method_id = :method\n"
    "WHERE i.id > :after AND i.caption IS NOT NULL AND i.business_id IS NOT NULL\n"
    "AND c.text IS NOT i.caption ORDER BY i.id LIMIT :chunk";

static void bind(void *ctx, sqlite3_stmt *q)
{
    struct job *j = ctx;
    db_int(q, ":method", j->method);
}

static void load(void *ctx, struct stage_item *item, sqlite3_stmt *row)
{
    struct work *w = xcalloc(1, sizeof *w);
    (void)ctx;
    w->text = xstrdup(db_col_text(row, 1));
    w->key = xstrdup(db_col_text(row, 2));
    item->data = w;
}

static int compute(void *ctx, struct stage_item *item)
{
    (void)ctx, (void)item; /* the data set's own caption needs no work */
    return 0;
}

static void store(void *ctx, struct stage_item *item)
{
    caption_put(ctx, item->id, ((struct work *)item->data)->text, 0, NULL);
}

static const struct stage_task task = {
    .what = "captions", .sql_count = sql_count, .sql_pending = sql_pending, .chunk = 1024,
    .load = load, .compute = compute, .store = store, .label = caption_label,
    .release = caption_release, .bind = bind};

static void run_dataset(struct job *j, struct stage *s)
{
    struct method m = {"caption", "dataset", 1, "{}", 0, "captions that came with the data"};
    j->method = method_id(j->db, &m, s->opts->plan);
    stage_loop(s, &task, j);
    buf_adds(&s->note, "captions of the data set");
}

/* ---- the tool ---- */

static void drop_orphans(struct db *db)
{
    static const char sql_orphans[] =
        "DELETE FROM caption WHERE image_id NOT IN (SELECT id FROM image)";
    db_begin(db);
    db_run(db_use(db, sql_orphans));
    db_commit(db);
}

/* As asked for: auto and the like. */
static char *source_of(struct db *db, const struct given *g)
{
    return g->caption ? xstrdup(g->caption) : setting_value(db, "CAPTION");
}

/* A folder that was named is meant; the usual one may be there or not, or in parts. */
static int has_blip2(struct db *db, const struct given *g)
{
    struct err e;
    char *own = models_own(db, "BLIP2_MODEL"), *dir = blip2_folder(db, &g->blip2);
    const char *given = g->blip2.precision; /* --plan has not remembered it */
    char *precision = given ? xstrdup(given) : setting_value(db, "CAPTION_PRECISION");
    int named = own || (g->blip2.model && strcmp(g->blip2.model, "auto"));
    enum engine_precision p;
    int known = engine_precision_of(&p, precision) == 0; /* else opening it says so */
    int there = named || !known ? 1 : blip2_there(dir, p, &e);
    if (there < 0)
        warn("going on without BLIP-2, as if it were not there: %s", e.text);
    free(own);
    free(dir);
    free(precision);
    return there > 0;
}

/* auto: BLIP-2 where its files are, else the data set's own captions, else none. */
static char *choose(struct db *db, const struct given *g)
{
    static const char sql_any[] = "SELECT EXISTS (SELECT 1 FROM image WHERE caption IS NOT NULL)";
    char *v = source_of(db, g);
    if (strcmp(v, "auto") != 0)
        return v;
    free(v);
    return xstrdup(has_blip2(db, g)                        ? "blip2"
                   : db_one_int(db_use(db, sql_any), 0) ? "dataset" : "none");
}

static void run_source(struct job *j, struct stage *s, const char *source)
{
    if (strcmp(source, "dataset") == 0) {
        run_dataset(j, s);
    } else if (strcmp(source, "http") == 0) {
        caption_http_run(j, s, s->opts);
    } else if (strcmp(source, "blip2") == 0) {
        caption_blip2_run(j, s);
    } else {
        if (!s->opts->plan)
            method_none(j->db, "caption");
        buf_adds(&s->note, "no captions: the image blocks stay empty");
    }
}

static int run(struct db *db, const struct opts *o, const struct given *g)
{
    struct job j = {.db = db};
    struct stage s;
    char *source = choose(db, g);
    int http = strcmp(source, "http") == 0, blip2 = strcmp(source, "blip2") == 0;
    int status = EXIT_INTERRUPTED;
    j.root = db_setting(db, "images_root");
    if (http)
        caption_http_open(&j, o, g);
    if (!blip2 || caption_blip2_open(&j, o, g) == 0) {
        stage_begin(&s, db, "caption", o);
        if (!o->plan)
            drop_orphans(db);
        run_source(&j, &s, source);
        status = stage_end(&s);
    }
    free(source);
    if (http)
        client_close(&j.client);
    free(j.recipe);
    free(j.root);
    free(j.who);
    free(j.prompt);
    return status;
}

/* --model is the service's with http. */
static void give_model(struct given *g, struct db *db, const char *model)
{
    char *source = source_of(db, g);
    *(strcmp(source, "http") ? &g->blip2.model : &g->client.model) = model;
    free(source);
}

/* What was given is remembered, but not by --plan. */
static int remember(struct db *db, const struct given *g, struct err *e)
{
    char number[32];
    snprintf(number, sizeof number, "%lld", (long long)g->side);
    if ((g->caption && setting_change(db, "CAPTION", g->caption, e) < 0) ||
        (g->api && setting_change(db, "CAPTION_API", g->api, e) < 0) ||
        (g->side >= 0 && setting_change(db, "CAPTION_SIDE", number, e) < 0))
        return -1;
    return client_remember(db, &g->client, CLIENT_CAPTIONS, e) < 0
               ? -1 : blip2_remember(db, &g->blip2, e);
}

static void check_use(const struct given *g, const struct opts *o, char **rest)
{
    if (g->ids && !g->image)
        die_usage("--ids belongs to --image");
    if (g->image && !*rest)
        die_usage("--image needs at least one FILE");
    if (!g->image && *rest)
        die_usage("no arguments are taken, got '%s'", *rest);
    if (g->image && (o->plan || o->limit >= 0))
        die_usage("--plan and --limit are of the database, not of --image");
    if (g->image && g->caption && strcmp(g->caption, "blip2"))
        die_usage("--image is captioned by blip2 alone");
}

int main(int argc, char **argv)
{
    struct opts o = opts_default;
    struct given g = {.side = -1, .client = client_opts_none, .blip2 = blip2_given_none};
    const char *model = NULL;
    const struct opt_def defs[] = {
        {"caption", OPT_STRING, &g.caption, 0, 0, "NAME", "auto, blip2, http, dataset or none"},
        {"model", OPT_STRING, &model, 0, 0, "NAME", "blip2: its folder; http: the model's name"},
        {"image", OPT_FLAG, &g.image, 0, 0, NULL, "filter: FILE... in, JSON lines out (blip2)"},
        {"ids", OPT_FLAG, &g.ids, 0, 0, NULL, "with --image: the token ids, too"},
        BLIP2_OPTS(g.blip2),
        {"api", OPT_STRING, &g.api, 0, 0, "NAME", "http: chat or image-to-text (default chat)"},
        {"side", OPT_INT, &g.side, 0, 30000, "N", "http: longer side sent, 0 = as it is (512)"},
        CLIENT_SERVICE_OPTS(g.client), {0}};
    int first = opts_parse(argc, argv, &about, defs, &o);
    struct err e;
    check_use(&g, &o, argv + first);
    if (g.image) {
        g.blip2.model = model;
        return close_stdout(caption_blip2_filter(&o, &g, argv + first));
    }
    struct db *db = stage_open(&o, 0);
    if (!db)
        return close_stdout(EXIT_FAILED);
    give_model(&g, db, model);
    if (!o.plan && remember(db, &g, &e) < 0)
        die_usage("%s", e.text);
    int status = run(db, &o, &g);
    db_close(db);
    return close_stdout(status);
}
