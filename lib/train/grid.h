/* SPDX-License-Identifier: MIT */
/* The rows of model and experiment that the settings EXPERIMENT and SEEDS ask for. Rows that
 * are there stay: results of an earlier setting and rows that a user inserted count too.
 *
 *     if (grid_rows(db, &e) < 0) die_usage("%s", e.text);
 */
#ifndef MM_TRAIN_GRID_H
#define MM_TRAIN_GRID_H
#include "base/err.h"

struct db;

/* quick: the four models of the paper at weighting basic, dropout 0.3; paper: times weightings
 * basic and sqrt and dropouts 0.1, 0.3, 0.5. Seeds 1..SEEDS, where SEEDS was never given 3 and
 * 5. Anything else is a file of lines "model weighting dropout seed". The baselines come with
 * all of them. Own transaction. -1: the file cannot be read, or a line of it, named. */
int grid_rows(struct db *db, struct err *e) MM_MUST_CHECK;

#endif
