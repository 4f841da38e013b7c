/* SPDX-License-Identifier: MIT */
/* What folds cannot hide. A mean that leaves something out tells what was left out to whoever
 * knows the whole: the probe does, and guesses the rating of each train row as the mean of its
 * business over all train rows minus the mean that the row is shown. Ratings are permuted
 * first, so that nothing but the leak can be found; its AUC is 1 for the leave-one-out means of
 * one business, close to 1 for those of many, and falls towards 0.5 with fewer, larger folds.
 *
 *     if (probe_all(&experiments, db, &e) < 0) ...        // table probe
 */
#ifndef MM_TRAIN_PROBE_H
#define MM_TRAIN_PROBE_H
#include "train/experiment.h"

#define PROBE_PERMUTATIONS 20

struct probe {
    double auc, sd; /* mean and sd over permutations; NaN: no business has two train rows */
};

/* The ratings of d are permuted on return. */
void probe_run(struct probe *p, struct dataset *d, int permutations);

/* One row of table probe per protocol that experiments use, unless it is there for these very
 * rows. Own transaction. */
int probe_all(const struct experiments *x, struct db *db, struct err *e) MM_MUST_CHECK;

#endif
