/* SPDX-License-Identifier: MIT */
/* mm-caption: the rows of photos, whoever captions them. */
#include "base/util.h"
#include "caption.h"
#include "db/db.h"
#include <stdlib.h>
#include <string.h>

void caption_bind(void *ctx, sqlite3_stmt *q)
{
    struct job *j = ctx;
    db_int(q, ":method", j->method);
    db_text(q, ":recipe", j->recipe);
    db_text(q, ":who", j->who);
}

void caption_load(void *ctx, struct stage_item *item, sqlite3_stmt *row)
{
    struct work *w = xcalloc(1, sizeof *w);
    char hex[SHA256_HEX];
    w->path = xstrdup(db_col_text(row, 1));
    w->key = xstrdup(db_col_text(row, 2));
    memcpy(w->digest, sqlite3_column_blob(row, 3), SHA256_BYTES);
    w->recipe = xstrdup(db_col_text(row, 4));
    w->content = sqlite3_column_int64(row, 5);
    sha256_hex(hex, w->digest);
    w->name = xasprintf("%s@%d", hex, ((const struct job *)ctx)->side);
    item->data = w;
}

void caption_label(void *ctx, const struct stage_item *item, struct buf *name)
{
    const struct work *w = item->data;
    const struct job *j = ctx;
    buf_addf(name, "photo %s", w->key);
    if (j->who) /* the digest in upper case, as SQLite's hex() */
        buf_addf(name, " %s%s", strrchr(w->recipe, ' ') + 1, j->who);
}

void caption_release(void *ctx, struct stage_item *item)
{
    struct work *w = item->data;
    (void)ctx;
    ask_free(w->ask);
    free(w->text);
    free(w->key);
    free(w->path);
    buf_release(&w->twins);
    free(w->name);
    free(w->recipe);
    free(w);
}

void caption_put(struct job *j, int64_t image, const char *text, int64_t answer,
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

void caption_tidy(struct job *j)
{
    static const char sql_stale[] =
        "DELETE FROM caption WHERE method_id = :method AND image_id IN (\n"
        "SELECT i.id FROM image i JOIN caption c ON c.image_id = i.id AND c.method_id = :method\n"
        "LEFT JOIN content b ON b.id = i.content_id\n"
        "WHERE i.state <> 'missing' AND substr(c.recipe, -64) IS NOT hex(b.digest))";
    static const char sql_drop[] =
        "DELETE FROM failure WHERE stage = 'caption' AND item NOT IN (SELECT 'photo ' || i.key\n"
        "|| ' ' || hex(b.digest) || :who FROM image i JOIN content b ON b.id = i.content_id)";
    db_begin(j->db);
    sqlite3_stmt *q = db_use(j->db, sql_stale);
    db_int(q, ":method", j->method);
    db_run(q);
    q = db_use(j->db, sql_drop);
    db_text(q, ":who", j->who);
    db_run(q);
    db_commit(j->db);
}
