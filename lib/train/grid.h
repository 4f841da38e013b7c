/* SPDX-License-Identifier: MIT */
/* The rows of model and experiment that the settings EXPERIMENT and SEEDS ask for. Rows that
 * have a result, and rows that a user inserted, stay.
 *
 *     if (grid_rows(db, &e) < 0) die_usage("%s", e.text);
 */
#ifndef MM_TRAIN_GRID_H
#define MM_TRAIN_GRID_H
#include "base/err.h"

struct db;

/* Under the setting PROTOCOL. quick: the four models of the paper at weighting basic, dropout
 * 0.3, trained as the paper trains, and our way: stopped on the validation loss, decay 5.
 * paper: the four models times weightings basic and sqrt and dropouts 0.1, 0.3, 0.5, as the
 * paper trains. Seeds 1..SEEDS, where SEEDS was never given 3 and 5. Anything else is a file
 * of lines "model weighting dropout seed [name=value...]" with names lr, batch, stopping,
 * decay and protocol. The baselines come with all of them, and the standard blocks and models.
 * Rows that an earlier EXPERIMENT asked for and that have never been run go.
 * Own transaction. -1: the file cannot be read, or a line of it, named. */
int grid_rows(struct db *db, struct err *e) MM_MUST_CHECK;

#endif
