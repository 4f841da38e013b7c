/* SPDX-License-Identifier: MIT */
/* L2-regularised logistic regression on standardised columns, by Newton's method.
 *
 *     struct logistic m;
 *     if (logistic_fit(&m, x, label, n, p, 0.01, &e) < 0) ...
 *     logistic_logits(&m, z, x_test, n_test);
 *     logistic_release(&m);
 *
 * Minimises C sum_i loss_i + |w|^2 / 2 over columns with mean 0 and standard deviation 1
 * (divided by n; a constant column stays 0), the intercept unpenalised: scikit-learn's
 * StandardScaler and LogisticRegression(C). A step costs n p^2 flops (OpenBLAS dsyrk over
 * blocks of rows) and there are 5 to 10. Memory: one p x p matrix of doubles, x is never
 * copied.
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

/* x [n,p], label [n] of 0 and 1, C > 0. -1: no rows or columns, a value that is not finite,
 * labels of one class only (the intercept has no optimum), or no convergence in 100 steps
 * (the gradient's largest element over n C below 1e-8). m is empty then. */
int logistic_fit(struct logistic *m, const float *x, const unsigned char *label, int n, int p,
                 double C, struct err *e) MM_MUST_CHECK;
void logistic_logits(const struct logistic *m, float *z, const float *x, int n);
void logistic_release(struct logistic *m); /* a zeroed struct is accepted */

#endif
