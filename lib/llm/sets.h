/* SPDX-License-Identifier: MIT */
/* A visible set as the summaries' stage sees it: its texts in content order, what is missing
 * of it, and the rows that are written of it.
 *
 *     struct set *w = set_load(db, row, by_time);    // row of sql_pending in mm-llm-summarize
 *     set_put_reading(db, w, method);
 *     set_put_summary(db, w, method, &r, &from);
 *     set_free(w);
 */
#ifndef MM_LLM_SETS_H
#define MM_LLM_SETS_H
#include "llm/ask.h"
#include "llm/result.h"
#include <sqlite3.h>

struct db;

struct set {
    int64_t visible_id, entity;
    int fold, needs;         /* bits of llm/prompt.h */
    enum llm_kind kind;
    unsigned char digest[SHA256_BYTES];
    struct buf bytes;        /* all texts, one after the other */
    struct ask_text *text;   /* [n] into bytes */
    int n;
    struct buf review_ids;   /* JSON array of what was read */
    struct buf label;        /* "set 12 0AF3..." */
};

/* Columns of the row: visible.id, kind, entity_id, fold, text_digest, needs. The texts that
 * the set holds are read here and nowhere else. */
struct set *set_load(struct db *db, sqlite3_stmt *row, int by_time);
void set_free(struct set *w);

/* What the decision of ask_by_fold needs, from the sizes of all the entity's texts. */
int set_by_fold(struct db *db, const struct set *w, int by_time);

/* Where a result comes from: zero and NULL for what is built in. */
struct set_from {
    int64_t answer_id;
    const char *recipe;
};

/* Inside a transaction; each replaces what was there of this method. */
void set_put_reading(struct db *db, const struct set *w, int64_t method);
void set_put_summary(struct db *db, const struct set *w, int64_t method,
                     const struct llm_result *r, const struct set_from *from);
void set_put_price(struct db *db, const struct set *w, int64_t method,
                   const struct llm_result *r, const struct set_from *from);
void set_put_categories(struct db *db, const struct set *w, int64_t method,
                        const struct llm_result *r, const struct set_from *from);
/* Rows of sets that are no longer what they were: nothing stale may stay in use. Own
 * transaction. */
void set_drop_orphans(struct db *db);

#endif
