/* SPDX-License-Identifier: MIT */
/* Are the probabilities of a run the rates that come true? Bins of each split into table
 * reliability.
 *
 *     reliability_put(db, run, d, r->p);
 */
#ifndef MM_TRAIN_RELIABILITY_H
#define MM_TRAIN_RELIABILITY_H
#include "train/dataset.h"

/* p [d->n]. Bins are those of metrics_bins; empty ones have no row. Inside a transaction. */
void reliability_put(struct db *db, int64_t run, const struct dataset *d, const float *p);

#endif
