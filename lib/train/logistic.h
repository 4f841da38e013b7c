/* SPDX-License-Identifier: MIT */
/* L2-regularised logistic regression on standardised columns, by Newton's method.
 *
 *     struct logistic m;
 *     struct logistic_rows rows = {.row = one_row, .ctx = &features, .label = y, .n = n, .p = p};
 *     if (logistic_fit(&m, &rows, 0.01, &e) < 0) ...
 *     float z = logistic_logit(&m, x);
 *     logistic_release(&m);
 *
 * Minimises C sum_i loss_i + |w|^2 / 2 over columns with mean 0 and standard deviation 1
 * (divided by n; a constant column stays 0), the intercept unpenalised: scikit-learn's
 * StandardScaler and LogisticRegression(C). A step costs n p^2 flops (OpenBLAS dsyrk over
 * blocks of rows) and there are 5 to 10. Memory: one p x p matrix of doubles and a block of
 * rows, which are asked for one by one.
 */
#ifndef MM_TRAIN_LOGISTIC_H
#define MM_TRAIN_LOGISTIC_H
#include "base/err.h"

struct logistic {
    int p;
    double *w;             /* [p] of standardised columns */
    double intercept;
    double *mean, *scale;  /* [p] */
    int steps;             /* Newton steps taken */
};

struct logistic_rows {
    void (*row)(float *x, void *ctx, int i); /* writes row i -> x [p] */
    void *ctx;
    const unsigned char *label; /* [n] of 0 and 1 */
    int n, p;
};

/* C > 0. -1: no rows or columns, a value that is not finite, labels of one class only (the
 * intercept has no optimum), or no convergence in 100 steps (the gradient's largest element
 * over n C below 1e-8). m is empty then. */
int logistic_fit(struct logistic *m, const struct logistic_rows *rows, double C,
                 struct err *e) MM_MUST_CHECK;
float logistic_logit(const struct logistic *m, const float *x); /* x [p] */
void logistic_release(struct logistic *m); /* a zeroed struct is accepted */

#endif
