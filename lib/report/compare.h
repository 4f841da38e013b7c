/* SPDX-License-Identifier: MIT */
/* Paired comparison of two models on the test rows: a bootstrap over users (lib/train/
 * bootstrap) of the difference of a metric, on the run of each that validation chose.
 *
 *     struct compare c;
 *     if (compare_models(&c, db, "proposed", "baseline", METRICS_AUC, &e) < 0) ...
 */
#ifndef MM_REPORT_COMPARE_H
#define MM_REPORT_COMPARE_H
#include "train/bootstrap.h"

struct db;

/* The run of a model with the lowest validation false positive rate (ties: loss, seed). 0 when
 * there is none that is done and not stale. */
int64_t compare_best_run(struct db *db, const char *model);
/* -1: one of them has no run, or no test rows. */
int compare_models(struct bootstrap *out, struct db *db, const char *a, const char *b, int kind,
                   struct err *e) MM_MUST_CHECK;

#endif
