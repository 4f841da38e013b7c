/* SPDX-License-Identifier: MIT */
/* Intervals by drawing users, not rows, with replacement: a user's rows are not independent.
 *
 *     struct bootstrap b;
 *     if (bootstrap_compare(&b, METRICS_FPR, label, p_ours, p_theirs, user, n, 1000, 1, &e) < 0)
 *         ...
 *     printf("%+.3f [%+.3f, %+.3f]\n", b.diff, b.lo, b.hi);
 *
 * Cluster bootstrap with percentile interval (Efron and Tibshirani 1993, ch. 13; Field and
 * Welsh 2007): each resample draws as many users as there are, and a user's rows come along
 * as often as he was drawn, for both models alike (paired).
 */
#ifndef MM_TRAIN_BOOTSTRAP_H
#define MM_TRAIN_BOOTSTRAP_H
#include "base/err.h"
#include "train/metrics.h"
#include <stdint.h>

struct bootstrap {
    double a, b;   /* the metric of all rows; b is NaN without a second model */
    double diff;   /* a - b, or a alone */
    double lo, hi; /* 2.5 and 97.5 percentile of diff; NaN if used < 2 */
    double sd;     /* of diff over resamples */
    int users;
    int used; /* resamples in which the metric was defined */
};

/* label, a, b, user [n]; b NULL: the interval of a alone. The same seed draws the same users
 * in every call. -1: no rows, or fewer than 2 resamples. */
int bootstrap_compare(struct bootstrap *out, int kind, const unsigned char *label,
                      const float *a, const float *b, const int64_t *user, int n,
                      int resamples, uint64_t seed, struct err *e) MM_MUST_CHECK;

/* The q quantile (0..1) of sorted x [n], linear between neighbours (numpy.quantile). */
double bootstrap_quantile(const double *x, int n, double q);

#endif
