/* SPDX-License-Identifier: MIT */
/* Scores and labels to the numbers of the report.
 *
 *     struct metrics_ranking r;
 *     metrics_rank(&r, label, p, n);
 *     for (int k = 0; k < METRICS_KINDS; k++)
 *         printf("%s %g\n", metrics_name[k], metrics_value(k, &r, NULL));
 *     metrics_rank_release(&r);
 *
 * label is 0 or 1, p a probability (for AUC, PR-AUC and rates at a TPR any finite score, such
 * as a logit). A row is called positive when p > threshold, 0.5 unless said: 0.5 itself is
 * negative, as in the official DLRM. A number without rows to divide by is NaN. Sums are in
 * double. Memory: rank keeps 8 bytes a row, and takes 8 more while it sorts.
 */
#ifndef MM_TRAIN_METRICS_H
#define MM_TRAIN_METRICS_H
#include "base/err.h"
#include <stdint.h>

struct metrics_counts {
    double tp, fp, tn, fn;
};
void metrics_count(struct metrics_counts *c, const unsigned char *label, const float *p, int n,
                   float threshold);
double metrics_accuracy(const struct metrics_counts *c); /* (tp+tn)/n */
double metrics_fpr(const struct metrics_counts *c);      /* fp/(fp+tn) */
double metrics_tpr(const struct metrics_counts *c);      /* tp/(tp+fn) */

enum metrics_kind {
    METRICS_ACCURACY,
    METRICS_FPR,
    METRICS_TPR,
    METRICS_LOSS,   /* mean of -ln p_label, each at most 100 (torch.nn.BCELoss) */
    METRICS_AUC,    /* P(score of a positive > of a negative), ties half (Hanley and McNeil 1982) */
    METRICS_PR_AUC, /* average precision: sum of (R_n - R_n-1) P_n over distinct scores */
    METRICS_FPR_AT_TPR80, /* see below */
    METRICS_FPR_AT_TPR90,
    METRICS_FPR_AT_TPR95,
    METRICS_ECE,    /* sum over bins of |mean p - share of positives| n_bin/n (Naeini et al.
                       2015) */
    METRICS_PR_AUC_NEGATIVE, /* average precision of finding negatives: labels and scores
                       flipped. The share of negatives is what chance gives. */
    METRICS_KINDS
};
extern const char *const metrics_name[METRICS_KINDS];

/* Rows by score, highest first; label, p and cluster are borrowed. At most 2^30 rows. */
struct metrics_ranking {
    const unsigned char *label;
    const float *p;
    const int *cluster;
    int *order;
    uint32_t *place; /* [n] of the order: row or cluster << 2, last of its score, label */
    int n, above;    /* above: places with p > 0.5 */
};
void metrics_rank(struct metrics_ranking *r, const unsigned char *label, const float *p, int n);
/* From now on times [clusters] below: row i counts times[cluster[i]] times. */
void metrics_rank_clusters(struct metrics_ranking *r, const int *cluster);
void metrics_rank_release(struct metrics_ranking *r);

/* times [n] (NULL: all 1): row i counts as that many equal rows, as in a bootstrap.
 * FPR_AT_TPR is the false positive rate of the first point of the ROC curve with TPR >= 0.8,
 * 0.9, 0.95, on the curve as scikit-learn's roc_curve gives it: one point per distinct score,
 * without the points in the middle of two equal steps. */
double metrics_value(int kind, const struct metrics_ranking *r, const int *times);
/* All kinds but LOSS and ECE (NaN) in one walk down the order. */
void metrics_ranked(double v[METRICS_KINDS], const struct metrics_ranking *r, const int *times);

/* Are the probabilities the rates that come true? Bin k is (k/15, (k+1)/15], 0 in the first. */
#define METRICS_BINS 15
struct metrics_bin {
    double n, p, positive; /* rows, sum of p, positives */
};
void metrics_bins(struct metrics_bin bin[METRICS_BINS], const unsigned char *label,
                  const float *p, int n);

double metrics_auc(const unsigned char *label, const float *p, int n);

/* Thresholds to be chosen on validation. best_accuracy: the highest accuracy; of equals the
 * threshold nearest to 0.5. for_tpr: the highest threshold whose TPR is at least tpr (NaN
 * without positives). Midway between two scores, so that p > threshold is unambiguous. */
float metrics_threshold_accuracy(const struct metrics_ranking *r);
float metrics_threshold_tpr(const struct metrics_ranking *r, double tpr);

/* Mean, and standard deviation with n-1 (NaN below two values). */
void metrics_mean_sd(double *mean, double *sd, const double *x, int n);

#endif
