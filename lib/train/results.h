/* SPDX-License-Identifier: MIT */
/* A run's result as rows: run, epoch, metric, reliability, prediction. Each inside the
 * caller's transaction.
 *
 *     db_begin(db);
 *     results_put(db, &experiment, &result, NULL, seconds);
 *     db_commit(db);
 */
#ifndef MM_TRAIN_RESULTS_H
#define MM_TRAIN_RESULTS_H
#include "train/experiment.h"
#include "train/run.h"

/* failed: why there is no result but a row that says so, or NULL. */
void results_put(struct db *db, const struct experiment *x, const struct run_result *r,
                 const char *failed, double seconds);
void results_put_checkpoint(struct db *db, const struct experiment *x, int epoch,
                            const struct buf *state);
void results_forget_checkpoint(struct db *db, const struct experiment *x);

#endif
