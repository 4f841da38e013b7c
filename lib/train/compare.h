/* SPDX-License-Identifier: MIT */
/* Is one model better than another? Paired comparisons of all current runs on the test rows,
 * by one method, into table comparison.
 *
 *     if (compare_all(db, threads, &e) < 0) ...
 *     int64_t run = compare_best_run(db, "crossfit", "proposed");
 *
 * Method: lib/train/bootstrap.h, 1,000 resamples of users; the same draws for every model,
 * seed and setting. Pairs, within a protocol:
 *   cell   proposed against every other dlrm model of the same setting, the mean over the
 *          seeds that both have; every dlrm model against every run of the models that are
 *          none, whose settings mean nothing
 *   best   the same pairs of models, the one run of each that validation chose
 *   claim  the paper's: proposed, basic, dropout 0.5 against baseline, sqrt, dropout 0.5
 * The intervals tell how far other users would have moved the difference, not how far other
 * seeds would: view v_seed_interval has those.
 */
#ifndef MM_TRAIN_COMPARE_H
#define MM_TRAIN_COMPARE_H
#include "base/err.h"
#include <stdint.h>

struct db;

#define COMPARE_RESAMPLES 1000

/* Fills table comparison in one transaction; does nothing when the runs and the test rows are
 * those of the last time. -1: a run lacks predictions of test rows; the table is untouched. */
int compare_all(struct db *db, int threads, struct err *e) MM_MUST_CHECK;

/* The run of a model that validation chose: the lowest false positive rate at 0.5, ties by
 * loss, then seed; a run that predicts one class only is the last resort. 0: none is done. */
int64_t compare_best_run(struct db *db, const char *protocol, const char *model);

#endif
