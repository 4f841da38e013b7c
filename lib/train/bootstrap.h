/* SPDX-License-Identifier: MIT */
/* Intervals by drawing users, not rows, with replacement: a user's rows are not independent.
 *
 *     double *v = xcalloc(bootstrap_room(2, 1000), sizeof *v);   // two runs, ranked by clusters
 *     bootstrap_values(v, ranking, 2, users, 1000, 1, threads);
 *     for (int k = 0; k < 1000; k++) diff[k] = v[auc of run 0, k] - v[auc of run 1, k];
 *     bootstrap_interval(&b, diff, 1000);
 *
 * Cluster bootstrap with percentile interval (Efron and Tibshirani 1993, ch. 13; Field and
 * Welsh 2007): each resample draws as many users as there are, and a user's rows come along
 * as often as he was drawn, for all runs alike (paired). Every metric of every run is computed
 * once a resample; any number of pairs of runs then costs subtractions.
 */
#ifndef MM_TRAIN_BOOTSTRAP_H
#define MM_TRAIN_BOOTSTRAP_H
#include "train/metrics.h"
#include <stddef.h>
#include <stdint.h>

/* Resample k of a seed: times [users], how often each user was drawn. */
void bootstrap_draw(int *times, int users, uint64_t seed, int k);

size_t bootstrap_room(int runs, int resamples); /* doubles of the array below */

/* v [runs, METRICS_KINDS, resamples]: metrics_ranked of each run on each resample. The rankings
 * know their rows' users (metrics_rank_clusters, 0..users-1). The same for any threads >= 1;
 * dies when a thread cannot be started. */
void bootstrap_values(double *v, const struct metrics_ranking *run, int runs, int users,
                      int resamples, uint64_t seed, int threads);

struct bootstrap {
    double lo, hi; /* 2.5 and 97.5 percentile; NaN if used < 2 */
    double sd;     /* over resamples */
    int used;      /* resamples in which the value was defined */
};
/* x [n] is sorted in place, its NaNs moved to the end. */
void bootstrap_interval(struct bootstrap *b, double *x, int n);

/* The q quantile (0..1) of sorted x [n], linear between neighbours (numpy.quantile). */
double bootstrap_quantile(const double *x, int n, double q);

#endif
