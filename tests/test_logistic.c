/* SPDX-License-Identifier: MIT */
#include "train/logistic.h"
#include "golden/train/golden.h"
#include "tap.h"

/* Rows of a matrix. */
struct matrix {
    const float *x;
    int p;
};

static void row_of(float *x, void *ctx, int i)
{
    const struct matrix *m = ctx;
    memcpy(x, m->x + (size_t)i * (size_t)m->p, (size_t)m->p * sizeof *x);
}

static int fit(struct logistic *m, const float *x, const unsigned char *label, int n, int p,
               double C, struct err *e)
{
    struct matrix all = {x, p};
    struct logistic_rows rows = {row_of, &all, label, n, p};
    return logistic_fit(m, &rows, C, e);
}

static void logits(const struct logistic *m, float *z, const float *x, int n)
{
    for (int i = 0; i < n; i++)
        z[i] = logistic_logit(m, x + (size_t)i * (size_t)m->p);
}

static void test_sklearn(void)
{
    enum { N = 240, P = 12 };
    struct golden g;
    struct logistic m;
    struct err e = {{0}};
    unsigned char label[N];
    float z[N];
    golden_open(&g, "logistic.bin");
    const float *x = golden_take(&g, N * P), *y = golden_take(&g, N);
    for (int i = 0; i < N; i++)
        label[i] = (unsigned char)y[i];
    const double C[2] = {0.01, 1};
    for (int k = 0; k < 2; k++) {
        ok(fit(&m, x, label, N, P, C[k], &e) == 0, "C %g fits %s", C[k], e.text);
        const float *w = golden_take(&g, P), *b = golden_take(&g, 1), *want = golden_take(&g, N);
        double worst = 0;
        for (int i = 0; i < P; i++)
            worst = fmax(worst, fabs(m.w[i] - w[i]));
        ok(worst < 1e-5, "C %g: coefficients (%.1e in %d steps)", C[k], worst, m.steps);
        near(m.intercept, *b, 1e-5, "intercept");
        near(m.w[10], 0, 0, "a constant column gets nothing");
        logits(&m, z, x, N);
        ok(golden_error(z, want, N) < 1e-5, "C %g: logits", C[k]);
        logistic_release(&m);
    }
    ok(g.at == g.b.len, "read to its end");
    memset(label, 1, N);
    ok(fit(&m, x, label, N, P, 1, &e) < 0 && !m.w, "%s", e.text);
    float bad[4] = {1, NAN, 2, 3};
    label[0] = 0;
    ok(fit(&m, bad, label, 2, 2, 1, &e) < 0, "%s", e.text);
    ok(fit(&m, bad, label, 2, 2, 0, &e) < 0, "%s", e.text);
    buf_release(&g.b);
}

/* A million times more weight on separable data: finite, and every row right. */
static void test_separable(void)
{
    float x[40], z[40];
    unsigned char y[40];
    struct logistic m;
    struct err e = {{0}};
    for (int i = 0; i < 40; i++) {
        x[i] = (float)i;
        y[i] = i >= 20;
    }
    ok(fit(&m, x, y, 40, 1, 1e6, &e) == 0, "separable data %s", e.text);
    logits(&m, z, x, 40);
    ok(z[19] < 0 && z[20] > 0 && isfinite(z[39]), "separated in %d steps", m.steps);
    logistic_release(&m);
}

int main(void)
{
    test_sklearn();
    test_separable();
    return done();
}
