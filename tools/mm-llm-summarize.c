/* SPDX-License-Identifier: MIT */
/* mm-llm-summarize: a summary of every visible set of reviews, and for businesses the price
 * tag and the categories. What a worker read is recorded in table reading. */
#include "base/buf.h"
#include "base/embed.h"
#include "base/opts.h"
#include "base/sha256.h"
#include "base/util.h"
#include "db/db.h"
#include "db/member.h"
#include "db/method.h"
#include "db/setting.h"
#include "db/stage.h"
#include "llm/backend.h"
#include <stdlib.h>
#include <string.h>

static const struct opts_about about = {
    "mm-llm-summarize", "[options]",
    "Summarises the visible reviews of every user and business; tags price and categories."};

struct job {
    struct db *db;
    const struct backend *backend;
    void *self;
    int64_t summary_method, price_method, category_method;
    int by_time; /* fold k sees only folds before k */
};

struct work {
    int64_t visible_id;
    unsigned char set_digest[SHA256_BYTES];
    enum llm_kind what;
    struct buf bytes;           /* all texts, one after the other */
    struct llm_text *text;  /* [n] into bytes */
    int n;
    struct buf review_ids;      /* JSON array of what was read */
    struct buf label;
    struct llm_result out;
};

static const char sql_count[] =
    "SELECT CASE WHEN s.id IS NULL THEN 'new' ELSE 'its reviews changed' END, count(*)\n"
    "FROM visible v LEFT JOIN summary s ON s.visible_id = v.id AND s.method_id = :method\n"
    "LEFT JOIN price_tag p ON p.visible_id = v.id AND p.method_id = :price\n"
    "LEFT JOIN category c ON c.visible_id = v.id AND c.method_id = :category AND c.position = 0\n"
    "WHERE v.n_text > 0 AND (s.set_digest IS NOT v.text_digest OR (v.kind = 'business' AND\n"
    "(p.set_digest IS NOT v.text_digest OR c.set_digest IS NOT v.text_digest)))\n"
    "AND NOT EXISTS (SELECT 1 FROM failure f WHERE f.stage = 'summarize'\n"
    "AND f.item = 'set ' || v.id || ' ' || hex(v.text_digest)\n"
    "AND (f.permanent = 1 OR f.attempts >= 3)) GROUP BY 1";

static const char sql_pending[] =
    "SELECT v.id, v.kind, v.entity_id, v.fold, v.text_digest\n"
    "FROM visible v LEFT JOIN summary s ON s.visible_id = v.id AND s.method_id = :method\n"
    "LEFT JOIN price_tag p ON p.visible_id = v.id AND p.method_id = :price\n"
    "LEFT JOIN category c ON c.visible_id = v.id AND c.method_id = :category AND c.position = 0\n"
    "WHERE v.id > :after AND v.n_text > 0 AND (s.set_digest IS NOT v.text_digest OR\n"
    "(v.kind = 'business' AND (p.set_digest IS NOT v.text_digest\n"
    "OR c.set_digest IS NOT v.text_digest)))\n"
    "AND NOT EXISTS (SELECT 1 FROM failure f WHERE f.stage = 'summarize'\n"
    "AND f.item = 'set ' || v.id || ' ' || hex(v.text_digest)\n"
    "AND (f.permanent = 1 OR f.attempts >= 3)) ORDER BY v.id LIMIT :chunk";

/* The members of a set, in content order. */
static const char sql_user_texts[] =
    "SELECT r.id, r.text FROM review r JOIN content c ON c.id = r.content_id\n"
    "WHERE r.user_id = :entity AND " MEMBER_SQL " ORDER BY c.digest, r.id";
static const char sql_business_texts[] =
    "SELECT r.id, r.text FROM review r JOIN content c ON c.id = r.content_id\n"
    "WHERE r.business_id = :entity AND " MEMBER_SQL " ORDER BY c.digest, r.id";

static void bind(void *ctx, sqlite3_stmt *q)
{
    struct job *j = ctx;
    db_int(q, ":method", j->summary_method);
    db_int(q, ":price", j->price_method);
    db_int(q, ":category", j->category_method);
}

static void read_texts(struct job *j, struct work *w, int64_t entity, int fold)
{
    sqlite3_stmt *q = db_use(j->db, w->what == LLM_USER ? sql_user_texts : sql_business_texts);
    size_t *end = NULL;
    int cap = 0;
    db_int(q, ":entity", entity);
    db_int(q, ":fold", fold);
    db_int(q, ":by_time", j->by_time);
    buf_addc(&w->review_ids, '[');
    while (db_step(q)) {
        if (w->n == cap) {
            cap = cap * 2 + 16;
            end = xrealloc(end, (size_t)cap, sizeof *end);
        }
        buf_addf(&w->review_ids, "%s%lld", w->n ? "," : "", (long long)sqlite3_column_int64(q, 0));
        buf_add(&w->bytes, sqlite3_column_text(q, 1), (size_t)sqlite3_column_bytes(q, 1));
        end[w->n++] = w->bytes.len;
    }
    buf_addc(&w->review_ids, ']');
    w->text = xcalloc((size_t)w->n, sizeof *w->text);
    for (int i = 0; i < w->n; i++) {
        size_t from = i ? end[i - 1] : 0;
        w->text[i] = (struct llm_text){w->bytes.data + from, end[i] - from};
    }
    free(end);
}

static void load(void *ctx, struct stage_item *item, sqlite3_stmt *row)
{
    struct job *j = ctx;
    struct work *w = xcalloc(1, sizeof *w);
    item->data = w;
    w->visible_id = item->id;
    w->what = strcmp(db_col_text(row, 1), "user") == 0 ? LLM_USER : LLM_BUSINESS;
    memcpy(w->set_digest, sqlite3_column_blob(row, 4), SHA256_BYTES);
    char hex[SHA256_HEX];
    sha256_hex(hex, w->set_digest);
    for (char *p = hex; *p; p++)
        *p = (char)(*p >= 'a' ? *p - 32 : *p); /* as SQLite's hex() */
    buf_addf(&w->label, "set %lld %s", (long long)item->id, hex);
    read_texts(j, w, sqlite3_column_int64(row, 2), sqlite3_column_int(row, 3));
}

static int compute(void *ctx, struct stage_item *item)
{
    struct job *j = ctx;
    struct work *w = item->data;
    item->permanent = j->backend->permanent;
    return j->backend->run(&w->out, j->self, w->text, w->n, w->what, &item->err);
}

static void put_reading(struct job *j, const struct work *w)
{
    static const char sql_reading[] =
        "INSERT INTO reading (visible_id, what, method_id, set_digest, review_ids)\n"
        "VALUES (:visible, 'summary', :method, :digest, :ids)\n"
        "ON CONFLICT (visible_id, what, method_id) DO UPDATE SET\n"
        "set_digest = excluded.set_digest, review_ids = excluded.review_ids";
    sqlite3_stmt *q = db_use(j->db, sql_reading);
    db_int(q, ":visible", w->visible_id);
    db_int(q, ":method", j->summary_method);
    db_blob(q, ":digest", w->set_digest, SHA256_BYTES);
    db_text(q, ":ids", buf_str(&w->review_ids));
    db_run(q);
}

static void put_summary(struct job *j, const struct work *w)
{
    static const char sql_summary[] =
        "INSERT INTO summary (visible_id, method_id, set_digest, content_id, text)\n"
        "VALUES (:visible, :method, :digest, :content, :text)\n"
        "ON CONFLICT (visible_id, method_id) DO UPDATE SET set_digest = excluded.set_digest,\n"
        "content_id = excluded.content_id, text = excluded.text";
    unsigned char digest[SHA256_BYTES];
    sha256_of(digest, w->out.summary.data, w->out.summary.len);
    int64_t content = db_content(j->db, digest, (int64_t)w->out.summary.len);
    sqlite3_stmt *q = db_use(j->db, sql_summary);
    db_int(q, ":visible", w->visible_id);
    db_int(q, ":method", j->summary_method);
    db_blob(q, ":digest", w->set_digest, SHA256_BYTES);
    db_int(q, ":content", content);
    db_text(q, ":text", w->out.summary.data);
    db_run(q);
}

static void put_price(struct job *j, const struct work *w)
{
    static const char sql_price[] =
        "INSERT INTO price_tag (visible_id, method_id, set_digest, tag, evidence)\n"
        "VALUES (:visible, :method, :digest, :tag, nullif(:evidence, ''))\n"
        "ON CONFLICT (visible_id, method_id) DO UPDATE SET set_digest = excluded.set_digest,\n"
        "tag = excluded.tag, evidence = excluded.evidence";
    sqlite3_stmt *q = db_use(j->db, sql_price);
    db_int(q, ":visible", w->visible_id);
    db_int(q, ":method", j->price_method);
    db_blob(q, ":digest", w->set_digest, SHA256_BYTES);
    db_text(q, ":tag", w->out.price);
    db_text(q, ":evidence", buf_str(&w->out.evidence));
    db_run(q);
}

static void put_categories(struct job *j, const struct work *w)
{
    static const char sql_clear[] =
        "DELETE FROM category WHERE visible_id = :visible AND method_id = :method";
    static const char sql_category[] =
        "INSERT INTO category (visible_id, method_id, set_digest, position, name)\n"
        "VALUES (:visible, :method, :digest, :position, :name)";
    sqlite3_stmt *q = db_use(j->db, sql_clear);
    db_int(q, ":visible", w->visible_id);
    db_int(q, ":method", j->category_method);
    db_run(q);
    int n = w->out.n_categories ? w->out.n_categories : 1; /* a NULL row: looked, none found */
    for (int i = 0; i < n; i++) {
        q = db_use(j->db, sql_category);
        db_int(q, ":visible", w->visible_id);
        db_int(q, ":method", j->category_method);
        db_blob(q, ":digest", w->set_digest, SHA256_BYTES);
        db_int(q, ":position", i);
        db_text(q, ":name", w->out.n_categories ? w->out.category[i] : NULL);
        db_run(q);
    }
}

static void store(void *ctx, struct stage_item *item)
{
    struct job *j = ctx;
    struct work *w = item->data;
    put_reading(j, w);
    put_summary(j, w);
    if (w->what == LLM_BUSINESS) {
        put_price(j, w);
        put_categories(j, w);
    }
}

static void label(void *ctx, const struct stage_item *item, struct buf *name)
{
    const struct work *w = item->data;
    (void)ctx;
    buf_adds(name, buf_str(&w->label));
}

static void release(void *ctx, struct stage_item *item)
{
    struct work *w = item->data;
    (void)ctx;
    llm_result_release(&w->out);
    buf_release(&w->bytes);
    buf_release(&w->review_ids);
    buf_release(&w->label);
    free(w->text);
    free(w);
}

static const struct stage_task task = {
    .what = "summaries", .sql_count = sql_count, .sql_pending = sql_pending, .chunk = 256,
    .load = load, .compute = compute, .store = store, .label = label, .release = release,
    .bind = bind};

/* Results of sets that are no longer what they were, and what hangs on them: nothing stale may
 * stay in use, not even when the new set turns out to hold no sentence. */
static void drop_orphans(struct db *db)
{
#define OF_THE_SET(t) \
    "DELETE FROM " t " WHERE NOT EXISTS (SELECT 1 FROM visible v\n" \
    "WHERE v.id = " t ".visible_id AND v.n_text > 0 AND v.text_digest = " t ".set_digest)"
    static const char *const sql[] = {
        OF_THE_SET("summary"), OF_THE_SET("price_tag"), OF_THE_SET("category"),
        "DELETE FROM reading WHERE what = 'summary' AND NOT EXISTS (SELECT 1 FROM summary s\n"
        "WHERE s.visible_id = reading.visible_id AND s.method_id = reading.method_id)",
        "DELETE FROM failure WHERE stage = 'summarize' AND NOT EXISTS (SELECT 1 FROM visible v\n"
        "WHERE v.id = CAST(substr(item, 5) AS INTEGER)\n"
        "AND item = 'set ' || v.id || ' ' || hex(v.text_digest))"};
    db_begin(db);
    for (size_t i = 0; i < ARRAY_LEN(sql); i++)
        db_run(db_use(db, sql[i]));
    db_commit(db);
}

/* The backend's method for one of its tasks; the digest of the file behind it is part of the
 * method's identity. */
static int64_t method_for(struct job *j, int task_index, int plan)
{
    const struct backend *b = j->backend;
    const struct embed_file *f = embed_find(b->inputs[task_index]);
    unsigned char digest[SHA256_BYTES];
    char hex[SHA256_HEX];
    sha256_of(digest, f->text, f->bytes);
    sha256_hex(hex, digest);
    char *params = xasprintf("{\"input\":\"%.16s\"}", hex);
    int64_t id = method_id(j->db, &(struct method){backend_tasks[task_index], b->name, b->version,
                                                   params, 0, b->note}, plan);
    free(params);
    return id;
}

static int run(struct db *db, const struct opts *o)
{
    struct job j = {.db = db};
    struct stage s;
    struct err e;
    char *by_time = db_setting(db, "split_by_time");
    j.by_time = by_time && *by_time == '1';
    char *llm = setting_value(db, "LLM");
    if (!(j.backend = backend_choose(llm, &e)))
        die_usage("%s", e.text);
    if (!(j.self = j.backend->open(&e)))
        die("%s", e.text);
    free(llm);
    stage_begin(&s, db, "summarize", o);
    j.summary_method = method_for(&j, 0, o->plan);
    j.price_method = method_for(&j, 1, o->plan);
    j.category_method = method_for(&j, 2, o->plan);
    if (!o->plan)
        drop_orphans(db);
    stage_loop(&s, &task, &j);
    buf_addf(&s.note, "%s summaries (%s)", j.backend->name, j.backend->note);
    j.backend->close(j.self);
    free(by_time);
    return stage_end(&s);
}

int main(int argc, char **argv)
{
    struct opts o = opts_default;
    const char *backend = NULL;
    const struct opt_def defs[] = {
        {"backend", OPT_STRING, &backend, 0, 0, "NAME", "extractive (remembered as LLM)"}, {0}};
    int first = opts_parse(argc, argv, &about, defs, &o);
    struct err e;
    if (argv[first])
        die_usage("no arguments are taken, got '%s'", argv[first]);
    struct db *db = stage_open(&o, 0);
    if (!db)
        return close_stdout(EXIT_FAILED);
    if (backend && !o.plan && setting_change(db, "LLM", backend, &e) < 0)
        die_usage("%s", e.text);
    int status = run(db, &o);
    db_close(db);
    return close_stdout(status);
}
