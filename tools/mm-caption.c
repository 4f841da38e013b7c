/* SPDX-License-Identifier: MIT */
/* mm-caption: a caption for every photo that lacks one. Where they come from is a row of table
 * method; without any source the image blocks stay empty and the report says so. */
#include "base/opts.h"
#include "base/sha256.h"
#include "base/util.h"
#include "db/db.h"
#include "db/method.h"
#include "db/setting.h"
#include "db/stage.h"
#include <stdlib.h>
#include <string.h>

static const struct opts_about about = {
    "mm-caption", "[options]", "Gives every photo a caption."};

struct job {
    struct db *db;
    int64_t method;
};

struct work {
    char *text, *key;
};

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
    static const char sql_put[] =
        "INSERT INTO caption (image_id, method_id, content_id, text)\n"
        "VALUES (:image, :method, :content, :text) ON CONFLICT (image_id, method_id)\n"
        "DO UPDATE SET content_id = excluded.content_id, text = excluded.text";
    struct job *j = ctx;
    struct work *w = item->data;
    unsigned char digest[SHA256_BYTES];
    size_t n = strlen(w->text);
    sha256_of(digest, w->text, n);
    int64_t content = db_content(j->db, digest, (int64_t)n);
    sqlite3_stmt *q = db_use(j->db, sql_put);
    db_int(q, ":image", item->id);
    db_int(q, ":method", j->method);
    db_int(q, ":content", content);
    db_text(q, ":text", w->text);
    db_run(q);
}

static void label(void *ctx, const struct stage_item *item, struct buf *name)
{
    const struct work *w = item->data;
    (void)ctx;
    buf_addf(name, "photo %s", w->key);
}

static void release(void *ctx, struct stage_item *item)
{
    struct work *w = item->data;
    (void)ctx;
    free(w->text);
    free(w->key);
    free(w);
}

static const struct stage_task task = {
    .what = "captions", .sql_count = sql_count, .sql_pending = sql_pending, .chunk = 1024,
    .load = load, .compute = compute, .store = store, .label = label, .release = release,
    .bind = bind};

static void drop_orphans(struct db *db)
{
    static const char sql_orphans[] =
        "DELETE FROM caption WHERE image_id NOT IN (SELECT id FROM image)";
    db_begin(db);
    db_run(db_use(db, sql_orphans));
    db_commit(db);
}

/* auto: the data set's own captions where it has any, else none. */
static char *choose(struct db *db)
{
    static const char sql_any[] = "SELECT EXISTS (SELECT 1 FROM image WHERE caption IS NOT NULL)";
    char *v = setting_value(db, "CAPTION");
    if (strcmp(v, "auto") != 0)
        return v;
    free(v);
    return xstrdup(db_one_int(db_use(db, sql_any), 0) ? "dataset" : "none");
}

static int run(struct db *db, const struct opts *o)
{
    struct job j = {.db = db};
    struct stage s;
    char *source = choose(db);
    if (strcmp(source, "dataset") && strcmp(source, "none"))
        die_usage("CAPTION=%s: this build has dataset and none", source);
    stage_begin(&s, db, "caption", o);
    if (!o->plan)
        drop_orphans(db);
    if (strcmp(source, "dataset") == 0) {
        struct method m = {"caption", "dataset", 1, "{}", 0, "captions that came with the data"};
        j.method = method_id(db, &m, o->plan);
        stage_loop(&s, &task, &j);
        buf_adds(&s.note, "captions of the data set");
    } else {
        if (!o->plan)
            method_none(db, "caption");
        buf_adds(&s.note, "no captions: the image blocks stay empty");
    }
    free(source);
    return stage_end(&s);
}

int main(int argc, char **argv)
{
    struct opts o = opts_default;
    const char *caption = NULL;
    const struct opt_def defs[] = {
        {"caption", OPT_STRING, &caption, 0, 0, "NAME", "auto, dataset or none (remembered)"}, {0}};
    int first = opts_parse(argc, argv, &about, defs, &o);
    struct err e;
    if (argv[first])
        die_usage("no arguments are taken, got '%s'", argv[first]);
    struct db *db = stage_open(&o, 0);
    if (!db)
        return close_stdout(EXIT_FAILED);
    if (caption && !o.plan && setting_change(db, "CAPTION", caption, &e) < 0)
        die_usage("%s", e.text);
    int status = run(db, &o);
    db_close(db);
    return close_stdout(status);
}
