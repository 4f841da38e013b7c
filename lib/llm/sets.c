/* SPDX-License-Identifier: MIT */
#include "llm/sets.h"
#include "base/util.h"
#include "db/db.h"
#include "db/member.h"
#include <stdlib.h>
#include <string.h>

/* The members of a set, in content order. */
static const char sql_user_texts[] =
    "SELECT r.id, r.text, c.digest, coalesce(r.fold, -1) FROM review r\n"
    "JOIN content c ON c.id = r.content_id\n"
    "WHERE r.user_id = :entity AND " MEMBER_SQL " ORDER BY c.digest, r.id";
static const char sql_business_texts[] =
    "SELECT r.id, r.text, c.digest, coalesce(r.fold, -1) FROM review r\n"
    "JOIN content c ON c.id = r.content_id\n"
    "WHERE r.business_id = :entity AND " MEMBER_SQL " ORDER BY c.digest, r.id";

static void add_text(struct set *w, sqlite3_stmt *q, int *cap)
{
    if (w->n == *cap) {
        *cap = *cap * 2 + 16;
        w->text = xrealloc(w->text, (size_t)*cap, sizeof *w->text);
    }
    struct ask_text *t = &w->text[w->n];
    buf_addf(&w->review_ids, "%s%lld", w->n ? "," : "", (long long)sqlite3_column_int64(q, 0));
    t->bytes = (size_t)sqlite3_column_bytes(q, 1);
    buf_add(&w->bytes, sqlite3_column_text(q, 1), t->bytes);
    memcpy(t->digest, sqlite3_column_blob(q, 2), SHA256_BYTES);
    t->fold = sqlite3_column_int(q, 3);
    w->n++;
}

static void read_texts(struct db *db, struct set *w, int by_time)
{
    sqlite3_stmt *q = db_use(db, w->kind == LLM_USER ? sql_user_texts : sql_business_texts);
    int cap = 0;
    db_int(q, ":entity", w->entity);
    db_int(q, ":fold", w->fold);
    db_int(q, ":by_time", by_time);
    buf_addc(&w->review_ids, '[');
    while (db_step(q))
        add_text(w, q, &cap);
    buf_addc(&w->review_ids, ']');
    size_t at = 0;
    for (int i = 0; i < w->n; i++) {
        w->text[i].text = w->bytes.data + at;
        at += w->text[i].bytes;
    }
}

struct set *set_load(struct db *db, sqlite3_stmt *row, int by_time)
{
    struct set *w = xcalloc(1, sizeof *w);
    char hex[SHA256_HEX];
    w->visible_id = sqlite3_column_int64(row, 0);
    w->kind = strcmp(db_col_text(row, 1), "user") == 0 ? LLM_USER : LLM_BUSINESS;
    w->entity = sqlite3_column_int64(row, 2);
    w->fold = sqlite3_column_int(row, 3);
    memcpy(w->digest, sqlite3_column_blob(row, 4), SHA256_BYTES);
    w->needs = sqlite3_column_int(row, 5);
    sha256_hex(hex, w->digest);
    for (char *p = hex; *p; p++)
        *p = (char)(*p >= 'a' ? *p - 32 : *p); /* as SQLite's hex() */
    buf_addf(&w->label, "set %lld %s", (long long)w->visible_id, hex);
    read_texts(db, w, by_time);
    return w;
}

void set_free(struct set *w)
{
    buf_release(&w->bytes);
    buf_release(&w->review_ids);
    buf_release(&w->label);
    free(w->text);
    free(w);
}

/* ---- by fold or not ---- */

enum { FOLDS_MAX = 50 };

/* Bytes of the entity's texts by fold, those of no fold first. */
static int fold_bytes(struct db *db, const struct set *w, int64_t bytes[FOLDS_MAX + 1])
{
    static const char sql_user[] =
        "SELECT coalesce(fold, -1), sum(length(CAST(text AS BLOB))) FROM review\n"
        "WHERE user_id = :entity AND split IN ('train', 'none') AND content_id IS NOT NULL\n"
        "GROUP BY 1";
    static const char sql_business[] =
        "SELECT coalesce(fold, -1), sum(length(CAST(text AS BLOB))) FROM review\n"
        "WHERE business_id = :entity AND split IN ('train', 'none') AND content_id IS NOT NULL\n"
        "GROUP BY 1";
    sqlite3_stmt *q = db_use(db, w->kind == LLM_USER ? sql_user : sql_business);
    int folds = 0;
    db_int(q, ":entity", w->entity);
    while (db_step(q)) {
        int f = sqlite3_column_int(q, 0);
        if (f >= FOLDS_MAX)
            continue;
        bytes[f + 1] = sqlite3_column_int64(q, 1);
        folds = f + 1 > folds ? f + 1 : folds;
    }
    return folds;
}

int set_by_fold(struct db *db, const struct set *w, int by_time)
{
    static const char sql_sets[] =
        "SELECT fold FROM visible WHERE kind = :kind AND entity_id = :entity AND n_text > 0";
    int64_t bytes[FOLDS_MAX + 1] = {0};
    unsigned char sees[(FOLDS_MAX + 1) * (FOLDS_MAX + 1)];
    int folds = fold_bytes(db, w, bytes), sets = 0;
    sqlite3_stmt *q = db_use(db, sql_sets);
    db_text(q, ":kind", w->kind == LLM_USER ? "user" : "business");
    db_int(q, ":entity", w->entity);
    while (db_step(q) && sets <= FOLDS_MAX) {
        int k = sqlite3_column_int(q, 0);
        for (int f = -1; f < folds; f++)
            sees[sets * (folds + 1) + f + 1] =
                f < 0 || k < 0 || (by_time ? f < k : f != k);
        sets++;
    }
    sqlite3_reset(q);
    return ask_by_fold(bytes, sees, sets, folds);
}

/* ---- rows ---- */

void set_put_reading(struct db *db, const struct set *w, int64_t method)
{
    static const char sql_reading[] =
        "INSERT INTO reading (visible_id, what, method_id, set_digest, review_ids)\n"
        "VALUES (:visible, 'summary', :method, :digest, :ids)\n"
        "ON CONFLICT (visible_id, what, method_id) DO UPDATE SET\n"
        "set_digest = excluded.set_digest, review_ids = excluded.review_ids";
    sqlite3_stmt *q = db_use(db, sql_reading);
    db_int(q, ":visible", w->visible_id);
    db_int(q, ":method", method);
    db_blob(q, ":digest", w->digest, SHA256_BYTES);
    db_text(q, ":ids", buf_str(&w->review_ids));
    db_run(q);
}

static void bind_from(sqlite3_stmt *q, const struct set *w, int64_t method,
                      const struct set_from *from)
{
    db_int(q, ":visible", w->visible_id);
    db_int(q, ":method", method);
    db_blob(q, ":digest", w->digest, SHA256_BYTES);
    db_int(q, ":answer", from->answer_id);
    db_text(q, ":recipe", from->recipe);
}

void set_put_summary(struct db *db, const struct set *w, int64_t method,
                     const struct llm_result *r, const struct set_from *from)
{
    static const char sql_summary[] =
        "INSERT INTO summary (visible_id, method_id, set_digest, content_id, text, answer_id,\n"
        "recipe) VALUES (:visible, :method, :digest, :content, :text, nullif(:answer, 0),\n"
        ":recipe) ON CONFLICT (visible_id, method_id) DO UPDATE SET\n"
        "set_digest = excluded.set_digest, content_id = excluded.content_id,\n"
        "text = excluded.text, answer_id = excluded.answer_id, recipe = excluded.recipe";
    unsigned char digest[SHA256_BYTES];
    sha256_of(digest, r->summary.data, r->summary.len);
    int64_t content = db_content(db, digest, (int64_t)r->summary.len);
    sqlite3_stmt *q = db_use(db, sql_summary);
    bind_from(q, w, method, from);
    db_int(q, ":content", content);
    db_text(q, ":text", r->summary.data);
    db_run(q);
}

void set_put_price(struct db *db, const struct set *w, int64_t method,
                   const struct llm_result *r, const struct set_from *from)
{
    static const char sql_price[] =
        "INSERT INTO price_tag (visible_id, method_id, set_digest, tag, evidence, answer_id,\n"
        "recipe) VALUES (:visible, :method, :digest, :tag, nullif(:evidence, ''),\n"
        "nullif(:answer, 0), :recipe) ON CONFLICT (visible_id, method_id) DO UPDATE SET\n"
        "set_digest = excluded.set_digest, tag = excluded.tag, evidence = excluded.evidence,\n"
        "answer_id = excluded.answer_id, recipe = excluded.recipe";
    sqlite3_stmt *q = db_use(db, sql_price);
    bind_from(q, w, method, from);
    db_text(q, ":tag", r->price);
    db_text(q, ":evidence", buf_str(&r->evidence));
    db_run(q);
}

void set_put_categories(struct db *db, const struct set *w, int64_t method,
                        const struct llm_result *r, const struct set_from *from)
{
    static const char sql_clear[] =
        "DELETE FROM category WHERE visible_id = :visible AND method_id = :method";
    static const char sql_category[] =
        "INSERT INTO category (visible_id, method_id, set_digest, position, name, answer_id,\n"
        "recipe) VALUES (:visible, :method, :digest, :position, :name, nullif(:answer, 0),\n"
        ":recipe)";
    sqlite3_stmt *q = db_use(db, sql_clear);
    db_int(q, ":visible", w->visible_id);
    db_int(q, ":method", method);
    db_run(q);
    int n = r->n_categories ? r->n_categories : 1; /* a NULL row: looked, none found */
    for (int i = 0; i < n; i++) {
        q = db_use(db, sql_category);
        bind_from(q, w, method, from);
        db_int(q, ":position", i);
        db_text(q, ":name", r->n_categories ? r->category[i] : NULL);
        db_run(q);
    }
}

void set_drop_orphans(struct db *db)
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
        "AND instr(item || ' ', 'set ' || v.id || ' ' || hex(v.text_digest) || ' ') = 1)"};
    db_begin(db);
    for (size_t i = 0; i < ARRAY_LEN(sql); i++)
        db_run(db_use(db, sql[i]));
    db_commit(db);
}
