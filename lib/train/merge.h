/* SPDX-License-Identifier: MIT */
/* Results of other copies of a database: a part of the grid trained elsewhere comes home.
 *
 *     merge_part(db, "part1.db", &e);                 // what this copy has trained, as a file
 *     merge_from(&m, mine, "part1.db", &e);           // its runs into mine
 *
 * Runs are known by their identity, which covers the features read; the first wins. Rows of
 * predictions name reviews by their ids: a part of another review table is refused.
 */
#ifndef MM_TRAIN_MERGE_H
#define MM_TRAIN_MERGE_H
#include "base/err.h"
#include <stdint.h>

struct db;

struct merge {
    int64_t runs, known;  /* taken; there already */
    int64_t predictions;  /* of runs that both have: rows compared */
    int64_t differ;       /* ... that differ by more than 1e-5 */
    double largest;       /* difference */
};

/* -1: the file of a part is there already: nothing is ever written over. */
int merge_check_new(const char *path, struct err *e) MM_MUST_CHECK;

/* Writes the present runs, with their experiments, curves, metrics and predictions, into a new
 * database. -1: the file is there already, or cannot be written. */
int merge_part(struct db *db, const char *path, struct err *e) MM_MUST_CHECK;

/* In one transaction. plan: only counts. -1: not an mmrec database, one of other reviews, or
 * db itself. */
int merge_from(struct merge *m, struct db *db, const char *path, int plan,
               struct err *e) MM_MUST_CHECK;

#endif
