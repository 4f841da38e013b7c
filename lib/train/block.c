/* SPDX-License-Identifier: MIT */
#include "train/block.h"
#include "base/util.h"
#include "db/db.h"
#include "db/method.h"
#include "train/entity.h"
#include <stdlib.h>
#include <string.h>

static int parse_inputs(struct block *b, const char *text, struct err *e)
{
    char *copy = xstrdup(text), *save = NULL;
    int rc = 0;
    for (char *w = strtok_r(copy, " ", &save); w && rc == 0; w = strtok_r(NULL, " ", &save)) {
        int k = 0;
        while (k < ENTITY_INPUTS && strcmp(entity_inputs[k].name, w) != 0)
            k++;
        if (b->n_inputs == BLOCK_INPUTS)
            rc = err_set(e, "block '%s': more than %d inputs", b->name, BLOCK_INPUTS);
        else if (k == ENTITY_INPUTS)
            rc = err_set(e, "block '%s': no input '%s' (table block in schema.sql lists them)",
                         b->name, w);
        else
            b->input[b->n_inputs++] = k;
    }
    free(copy);
    return rc < 0 ? rc : b->n_inputs ? 0 : err_set(e, "block '%s' has no inputs", b->name);
}

/* name NULL: the current one, which may be none (a data set without captions). */
static int find(int64_t *id, int *dim, struct db *db, const char *task, const char *name,
                const struct block *b, struct err *e)
{
    *id = method_named(db, task, name, dim);
    return *id || !name ? 0 : err_set(e, "block '%s': no %s by '%s' in this database", b->name,
                                      task, name);
}

int block_read(struct block *b, struct db *db, const char *name, struct err *e)
{
    static const char sql_block[] =
        "SELECT inputs, summaries, captions, text_encoder, image_encoder FROM block\n"
        "WHERE name = :name";
    static const char *const task[4] = {"summary", "caption", "text", "image"};
    *b = (struct block){0};
    int64_t *const id[4] = {&b->who.summary, &b->who.caption, &b->who.text, &b->who.image};
    int *const dim[4] = {NULL, NULL, &b->who.text_dim, &b->who.image_dim};
    snprintf(b->name, sizeof b->name, "%s", name);
    sqlite3_stmt *q = db_use(db, sql_block);
    db_text(q, ":name", name);
    if (!db_step(q))
        return err_set(e, "no block '%s' in table block", name);
    int rc = parse_inputs(b, db_col_text(q, 0), e);
    for (int k = 0; k < 4 && rc == 0; k++) {
        int none = sqlite3_column_type(q, k + 1) == SQLITE_NULL;
        rc = find(id[k], dim[k], db, task[k], none ? NULL : db_col_text(q, k + 1), b, e);
    }
    sqlite3_reset(q);
    return rc;
}

void block_defaults(struct db *db)
{
    static const char sql_put[] =
        "INSERT OR IGNORE INTO block (name, inputs, note) VALUES (:name, :inputs, :note)";
    static const char *const row[][3] = {
        {"text", "user_summary business_summary", "the paper's: 768 -> 32"},
        {"image", "captions", "the paper's: 384 -> 32"},
        {"average", "user_reviews business_reviews photos", "the baseline's: 2,816 -> 32"},
        {"photos", "photos", "photo vectors instead of captions"}};
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        sqlite3_stmt *q = db_use(db, sql_put);
        db_text(q, ":name", row[i][0]);
        db_text(q, ":inputs", row[i][1]);
        db_text(q, ":note", row[i][2]);
        db_run(q);
    }
}
