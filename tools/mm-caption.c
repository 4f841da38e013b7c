/* SPDX-License-Identifier: MIT */
/* mm-caption: a caption for every photo that lacks one. Where they come from is a row of table
 * method; without any source the image blocks stay empty and the report says so. */
#include "base/opts.h"
#include "base/sha256.h"
#include "base/util.h"
#include "db/db.h"
#include "db/method.h"
#include "db/pilot.h"
#include "db/setting.h"
#include "db/stage.h"
#include "image/shrink.h"
#include "llm/client.h"
#include "llm/drive.h"
#include "llm/plan.h"
#include "source/photos.h"
#include <stdlib.h>
#include <string.h>

static const struct opts_about about = {
    "mm-caption", "[options]", "Gives every photo a caption."};

/* As given: NULL or < 0 is what the database remembers. */
struct given {
    const char *caption, *api;
    int64_t side;
    struct client_opts client;
};

struct job {
    struct db *db;
    int64_t method;
    /* captions of a service: */
    struct client client;
    char *recipe, *root, *who;
    int side;
};

struct work {
    char *text, *key; /* text: of the data set */
    char *path;
    unsigned char digest[SHA256_BYTES];
    char *name; /* what the request calls the photo */
    char *recipe;
    struct ask *ask;
};

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

static void put(struct job *j, int64_t image, const char *text, int64_t answer,
                const char *recipe)
{
    static const char sql_put[] =
        "INSERT INTO caption (image_id, method_id, content_id, text, answer_id, recipe)\n"
        "VALUES (:image, :method, :content, :text, nullif(:answer, 0), :recipe)\n"
        "ON CONFLICT (image_id, method_id) DO UPDATE SET content_id = excluded.content_id,\n"
        "text = excluded.text, answer_id = excluded.answer_id, recipe = excluded.recipe";
    unsigned char digest[SHA256_BYTES];
    size_t n = strlen(text);
    sha256_of(digest, text, n);
    int64_t content = db_content(j->db, digest, (int64_t)n);
    sqlite3_stmt *q = db_use(j->db, sql_put);
    db_int(q, ":image", image);
    db_int(q, ":method", j->method);
    db_int(q, ":content", content);
    db_text(q, ":text", text);
    db_int(q, ":answer", answer);
    db_text(q, ":recipe", recipe);
    db_run(q);
}

static void store(void *ctx, struct stage_item *item)
{
    put(ctx, item->id, ((struct work *)item->data)->text, 0, NULL);
}

static void label(void *ctx, const struct stage_item *item, struct buf *name)
{
    const struct work *w = item->data;
    const struct job *j = ctx;
    buf_addf(name, "photo %s", w->key);
    if (j->who) /* the digest in upper case, as SQLite's hex() */
        buf_addf(name, " %s%s", strrchr(w->recipe, ' ') + 1, j->who);
}

static void release(void *ctx, struct stage_item *item)
{
    struct work *w = item->data;
    (void)ctx;
    ask_free(w->ask);
    free(w->text);
    free(w->key);
    free(w->path);
    free(w->name);
    free(w->recipe);
    free(w);
}

static const struct stage_task task = {
    .what = "captions", .sql_count = sql_count, .sql_pending = sql_pending, .chunk = 1024,
    .load = load, .compute = compute, .store = store, .label = label, .release = release,
    .bind = bind};

/* ---- captions of a service ---- */

/* A row's recipe ends with the photo's digest: another picture under the same name is asked
 * about anew. */
#define FROM_PHOTOS \
    "FROM image i JOIN content b ON b.id = i.content_id\n" \
    "LEFT JOIN caption c ON c.image_id = i.id AND c.method_id = :method\n" \
    "WHERE i.state = 'ok' AND i.business_id IS NOT NULL\n" \
    "AND c.recipe IS NOT :recipe || ' ' || hex(b.digest)\n" \
    "AND " PILOT_SQL("'business'", "i.business_id") "\n" \
    "AND NOT EXISTS (SELECT 1 FROM failure f WHERE f.stage = 'caption'\n" \
    "AND f.item = 'photo ' || i.key || ' ' || hex(b.digest) || :who\n" \
    "AND (f.permanent = 1 OR f.attempts >= 3))\n"
static const char sql_asked_count[] =
    "SELECT CASE WHEN c.id IS NULL THEN 'new' ELSE 'the prompt or the photo changed' END,\n"
    "count(*) " FROM_PHOTOS "GROUP BY 1";
static const char sql_asked_pending[] =
    "SELECT i.id, i.path, i.key, b.digest, :recipe || ' ' || hex(b.digest)\n"
    FROM_PHOTOS "AND i.id > :after ORDER BY i.id LIMIT :chunk";

static void bind_asked(void *ctx, sqlite3_stmt *q)
{
    struct job *j = ctx;
    db_int(q, ":method", j->method);
    db_text(q, ":recipe", j->recipe);
    db_text(q, ":who", j->who);
}

static void load_asked(void *ctx, struct stage_item *item, sqlite3_stmt *row)
{
    struct work *w = xcalloc(1, sizeof *w);
    char hex[SHA256_HEX];
    w->path = xstrdup(db_col_text(row, 1));
    w->key = xstrdup(db_col_text(row, 2));
    memcpy(w->digest, sqlite3_column_blob(row, 3), SHA256_BYTES);
    w->recipe = xstrdup(db_col_text(row, 4));
    sha256_hex(hex, w->digest);
    w->name = xasprintf("%s@%d", hex, ((const struct job *)ctx)->side);
    item->data = w;
}

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

static void store_asked(void *ctx, struct stage_item *item)
{
    const struct work *w = item->data;
    const struct llm_result *r = ask_result(w->ask);
    put(ctx, item->id, buf_str(&r->summary), w->ask->root->answer_id, w->recipe);
}

static const struct stage_task asking = {
    .what = "captions", .sql_count = sql_asked_count, .sql_pending = sql_asked_pending,
    .chunk = 256, .load = load_asked, .store = store_asked, .label = label, .release = release,
    .bind = bind_asked};
static const struct drive_task driving = {&asking, question, attach};

/* Failures of another photo, source of captions, model or prompt say nothing of this one. */
static void drop_failures(struct job *j)
{
    static const char sql_drop[] =
        "DELETE FROM failure WHERE stage = 'caption' AND item NOT IN (SELECT 'photo ' || i.key\n"
        "|| ' ' || hex(b.digest) || :who FROM image i JOIN content b ON b.id = i.content_id)";
    db_begin(j->db);
    sqlite3_stmt *q = db_use(j->db, sql_drop);
    db_text(q, ":who", j->who);
    db_run(q);
    db_commit(j->db);
}

static void open_client(struct job *j, const struct opts *o, const struct given *g)
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
    j->root = db_setting(j->db, "images_root");
    free(api);
}

static void run_http(struct job *j, struct stage *s, const struct opts *o)
{
    char *note = xasprintf("captions of the model %s", j->client.model);
    struct drive d = {.transport = &transport_openai, .options = &j->client.options};
    j->method = method_id(j->db, &(struct method){"caption", j->client.name, 1,
                                                  "{\"kind\":\"http\"}", 0, note}, o->plan);
    pilot_fill(j->db, -1);
    if (o->plan) {
        plan_asking(s, &driving, j, &j->client);
    } else {
        drop_failures(j);
        drive_loop(s, &driving, j, &d);
        buf_adds(&s->note, note);
        plan_spent(&s->note, j->db, &j->client);
        if (d.note.len)
            buf_addf(&s->note, "; learnt: %s", buf_str(&d.note));
    }
    buf_release(&d.note);
    free(note);
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

/* auto: the data set's own captions where it has any, else none. */
static char *choose(struct db *db, const char *given)
{
    static const char sql_any[] = "SELECT EXISTS (SELECT 1 FROM image WHERE caption IS NOT NULL)";
    char *v = given ? xstrdup(given) : setting_value(db, "CAPTION");
    if (strcmp(v, "auto") != 0)
        return v;
    free(v);
    return xstrdup(db_one_int(db_use(db, sql_any), 0) ? "dataset" : "none");
}

static int run(struct db *db, const struct opts *o, const struct given *g)
{
    struct job j = {.db = db};
    struct stage s;
    char *source = choose(db, g->caption);
    int http = strcmp(source, "http") == 0;
    if (!http && strcmp(source, "dataset") && strcmp(source, "none"))
        die_usage("CAPTION=%s: this build has dataset, http and none", source);
    if (http)
        open_client(&j, o, g);
    stage_begin(&s, db, "caption", o);
    if (!o->plan)
        drop_orphans(db);
    if (strcmp(source, "dataset") == 0) {
        struct method m = {"caption", "dataset", 1, "{}", 0, "captions that came with the data"};
        j.method = method_id(db, &m, o->plan);
        stage_loop(&s, &task, &j);
        buf_adds(&s.note, "captions of the data set");
    } else if (http) {
        run_http(&j, &s, o);
    } else {
        if (!o->plan)
            method_none(db, "caption");
        buf_adds(&s.note, "no captions: the image blocks stay empty");
    }
    free(source);
    if (http)
        client_close(&j.client);
    free(j.recipe);
    free(j.root);
    free(j.who);
    return stage_end(&s);
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
    return client_remember(db, &g->client, CLIENT_CAPTIONS, e);
}

int main(int argc, char **argv)
{
    struct opts o = opts_default;
    struct given g = {.side = -1, .client = client_opts_none};
    const struct opt_def defs[] = {
        {"caption", OPT_STRING, &g.caption, 0, 0, "NAME", "auto, dataset, http or none"},
        {"api", OPT_STRING, &g.api, 0, 0, "NAME", "http: chat or image-to-text (default chat)"},
        {"side", OPT_INT, &g.side, 0, 30000, "N", "http: longer side sent, 0 = as it is (512)"},
        CLIENT_OPTS(g.client), {0}};
    int first = opts_parse(argc, argv, &about, defs, &o);
    struct err e;
    if (argv[first])
        die_usage("no arguments are taken, got '%s'", argv[first]);
    struct db *db = stage_open(&o, 0);
    if (!db)
        return close_stdout(EXIT_FAILED);
    if (!o.plan && remember(db, &g, &e) < 0)
        die_usage("%s", e.text);
    int status = run(db, &o, &g);
    db_close(db);
    return close_stdout(status);
}
