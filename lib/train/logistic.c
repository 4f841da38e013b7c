/* SPDX-License-Identifier: MIT */
#include "train/logistic.h"
#include "base/util.h"
#include <assert.h>
#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROWS 256 /* rows a block; fixed, because the order of sums follows it */
#define MAX_STEPS 100

/* The intercept is column p of q = p + 1, always 1. */
struct fit {
    const struct logistic_rows *rows;
    const unsigned char *label;
    int n, p, q;
    double C;
    float *x;       /* [p]: a row */
    const double *mean, *scale;
    double *block;  /* [ROWS,q]: standardised rows */
    double *H, *g;  /* [q,q] lower triangle, [q] */
};

static int moments(struct logistic *m, const struct fit *f, struct err *e)
{
    for (int i = 0; i < f->n; i++) {
        f->rows->row(f->x, f->rows->ctx, i);
        for (int k = 0; k < m->p; k++)
            m->mean[k] += f->x[k];
    }
    for (int k = 0; k < m->p; k++) {
        m->mean[k] /= f->n;
        if (!isfinite(m->mean[k]))
            return err_set(e, "column %d has a value that is not finite", k);
    }
    for (int i = 0; i < f->n; i++) {
        f->rows->row(f->x, f->rows->ctx, i);
        for (int k = 0; k < m->p; k++) {
            double d = f->x[k] - m->mean[k];
            m->scale[k] += d * d;
        }
    }
    for (int k = 0; k < m->p; k++) {
        /* Of a constant column only rounding is left: 10 eps, as in StandardScaler. */
        double var = m->scale[k] / f->n, noise = 2.2e-15 * m->mean[k] * m->mean[k];
        m->scale[k] = var > noise ? sqrt(var) : 1;
    }
    return 0;
}

static int load_block(const struct fit *f, int at)
{
    int rows = f->n - at < ROWS ? f->n - at : ROWS;
    for (int r = 0; r < rows; r++) {
        double *b = f->block + (size_t)r * f->q;
        f->rows->row(f->x, f->rows->ctx, at + r);
        for (int k = 0; k < f->p; k++)
            b[k] = (f->x[k] - f->mean[k]) / f->scale[k];
        b[f->p] = 1;
    }
    return rows;
}

/* z of a block's rows under w. */
static void product(const struct fit *f, double *z, const double *w, int rows)
{
    cblas_dgemv(CblasRowMajor, CblasNoTrans, rows, f->q, 1, f->block, f->q, w, 1, 0, z, 1);
}

static double log_loss(double z, int label)
{
    return (z > 0 ? z : 0) - z * label + log1p(exp(-fabs(z)));
}

static double penalty(const struct fit *f, const double *w)
{
    return 0.5 * cblas_ddot(f->p, w, 1, w, 1);
}

static double objective(const struct fit *f, const double *w)
{
    double z[ROWS], sum = 0;
    for (int at = 0; at < f->n; at += ROWS) {
        int rows = load_block(f, at);
        product(f, z, w, rows);
        for (int r = 0; r < rows; r++)
            sum += log_loss(z[r], f->label[at + r]);
    }
    return f->C * sum + penalty(f, w);
}

/* g = C X^T (p - y) + w and H = C X^T diag(p (1-p)) X + I, the intercept without penalty
 * (Hastie, Tibshirani and Friedman 2009, eq. 4.21-4.26); returns the objective. */
static double derivatives(const struct fit *f, const double *w)
{
    double z[ROWS], sum = 0;
    memset(f->H, 0, (size_t)f->q * f->q * sizeof *f->H);
    memset(f->g, 0, (size_t)f->q * sizeof *f->g);
    for (int at = 0; at < f->n; at += ROWS) {
        int rows = load_block(f, at);
        product(f, z, w, rows);
        for (int r = 0; r < rows; r++) {
            double p = 1 / (1 + exp(-z[r]));
            sum += log_loss(z[r], f->label[at + r]);
            cblas_daxpy(f->q, f->C * (p - f->label[at + r]), f->block + (size_t)r * f->q, 1,
                        f->g, 1);
            cblas_dscal(f->q, sqrt(f->C * p * (1 - p)), f->block + (size_t)r * f->q, 1);
        }
        cblas_dsyrk(CblasRowMajor, CblasLower, CblasTrans, f->q, rows, 1, f->block, f->q, 1,
                    f->H, f->q);
    }
    for (int k = 0; k < f->p; k++) {
        f->g[k] += w[k];
        f->H[(size_t)k * f->q + k] += 1;
    }
    return f->C * sum + penalty(f, w);
}

/* Solves H s = g in place by Cholesky: g becomes s. -1: not positive definite. */
static int solve(double *H, double *g, int q)
{
    for (int i = 0; i < q; i++) {
        double *hi = H + (size_t)i * q;
        for (int j = 0; j < i; j++) {
            const double *hj = H + (size_t)j * q;
            hi[j] = (hi[j] - cblas_ddot(j, hi, 1, hj, 1)) / hj[j];
        }
        double d = hi[i] - cblas_ddot(i, hi, 1, hi, 1);
        if (!(d > 0))
            return -1;
        hi[i] = sqrt(d);
    }
    cblas_dtrsv(CblasRowMajor, CblasLower, CblasNoTrans, CblasNonUnit, q, H, q, g, 1);
    cblas_dtrsv(CblasRowMajor, CblasLower, CblasTrans, CblasNonUnit, q, H, q, g, 1);
    return 0;
}

/* Newton with the step halved until the objective does not rise. */
static int newton(const struct fit *f, double *w, int *steps, struct err *e)
{
    double *try = xcalloc((size_t)f->q, sizeof *try);
    int done = 0;
    for (*steps = 0; *steps < MAX_STEPS && !done; ++*steps) {
        double now = derivatives(f, w), most = fabs(f->g[cblas_idamax(f->q, f->g, 1)]);
        done = most <= 1e-8 * f->C * f->n;
        if (done || solve(f->H, f->g, f->q) < 0)
            break;
        double step = 1;
        for (int half = 0; half < 40; half++, step /= 2) {
            memcpy(try, w, (size_t)f->q * sizeof *try);
            cblas_daxpy(f->q, -step, f->g, 1, try, 1);
            if (objective(f, try) <= now + 1e-12 * fabs(now))
                break;
        }
        memcpy(w, try, (size_t)f->q * sizeof *w);
    }
    free(try);
    return done ? 0 : err_set(e, "logistic regression did not converge in %d steps", *steps);
}

static int check(const unsigned char *label, int n, int p, double C, struct err *e)
{
    int positive = 0;
    for (int i = 0; i < n; i++)
        positive += label[i];
    if (n < 1 || p < 1 || !(C > 0))
        return err_set(e, "logistic regression with %d rows, %d columns, C %g", n, p, C);
    if (positive == 0 || positive == n)
        return err_set(e, "logistic regression: %d of %d labels are positive", positive, n);
    return 0;
}

int logistic_fit(struct logistic *m, const struct logistic_rows *rows, double C, struct err *e)
{
    int n = rows->n, p = rows->p;
    *m = (struct logistic){0};
    if (check(rows->label, n, p, C, e) < 0)
        return -1;
    size_t q = (size_t)p + 1;
    double *w = xcalloc(q, sizeof *w);
    *m = (struct logistic){.p = p, .w = w, .mean = xcalloc(q, sizeof *w),
                           .scale = xcalloc(q, sizeof *w)};
    struct fit f = {rows, rows->label, n, p, p + 1, C, xcalloc(q, sizeof(float)), m->mean,
                    m->scale, xcalloc(ROWS * q, sizeof *w), xcalloc(q * q, sizeof *w),
                    xcalloc(q, sizeof *w)};
    int result = moments(m, &f, e);
    if (result == 0)
        result = newton(&f, w, &m->steps, e);
    m->intercept = w[p];
    free(f.x);
    free(f.block);
    free(f.H);
    free(f.g);
    if (result < 0)
        logistic_release(m);
    return result;
}

float logistic_logit(const struct logistic *m, const float *x)
{
    double sum = m->intercept;
    for (int k = 0; k < m->p; k++)
        sum += m->w[k] * (x[k] - m->mean[k]) / m->scale[k];
    return (float)sum;
}

void logistic_release(struct logistic *m)
{
    free(m->w);
    free(m->mean);
    free(m->scale);
    *m = (struct logistic){0};
}
