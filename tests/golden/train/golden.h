/* SPDX-License-Identifier: MIT */
/* For the tests of lib/train: reads the goldens of make_goldens.py, compares tensors, checks
 * gradients numerically. real is float, and double in test_exact, whose goldens are float64. */
#ifndef GOLDEN_TRAIN_H
#define GOLDEN_TRAIN_H
#include "base/buf.h"
#include "base/rng.h"
#include "base/util.h"
#include "train/trainer.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct golden {
    struct buf b;
    size_t at;
};

__attribute__((unused)) static void golden_open(struct golden *g, const char *name)
{
    struct err e;
    char path[200];
    snprintf(path, sizeof path, "tests/golden/train/%s", name);
    *g = (struct golden){0};
    if (buf_read_file(&g->b, path, 1 << 20, &e) < 0)
        die("%s", e.text);
}

/* The next n numbers; valid until the buffer is released. */
__attribute__((unused)) static real *golden_take(struct golden *g, size_t n)
{
    if (g->at + n * sizeof(real) > g->b.len)
        die("golden file is too short at byte %zu", g->at);
    real *p = (real *)(void *)(g->b.data + g->at);
    g->at += n * sizeof(real);
    return p;
}

/* max |a-b| over max |b|. */
__attribute__((unused)) static double golden_error(const real *a, const real *b, size_t n)
{
    double most = 0, error = 0;
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)a[i] - b[i]);
        error = d > error || isnan(d) ? d : error;
        most = fabs((double)b[i]) > most ? fabs((double)b[i]) : most;
    }
    return most > 0 ? error / most : error;
}

/* The worst tensor. */
__attribute__((unused)) static double golden_tensors(const real *a, const real *b,
                                                     const struct trainer_tensor *t, int n)
{
    double worst = 0;
    for (int i = 0; i < n; i++) {
        double d = golden_error(a + t[i].at, b + t[i].at, (size_t)t[i].rows * t[i].cols);
        worst = d > worst || isnan(d) ? d : worst;
    }
    return worst;
}

__attribute__((unused)) static double golden_loss(const struct trainer_model *m, const int *ids,
                                                  int n, uint64_t key)
{
    static const real weight[2] = {0.8f, 0.3f};
    struct layer_loss sum = {0, 0};
    m->gradient(m->self, &sum, ids, n, weight, key);
    return sum.weighted / n;
}

__attribute__((unused)) static double golden_slope(const struct trainer_model *m, real *w,
                                                   real eps, const int *ids, int n,
                                                   uint64_t key)
{
    real keep = *w;
    *w = keep + eps;
    double up = golden_loss(m, ids, n, key), high = *w;
    *w = keep - eps;
    double down = golden_loss(m, ids, n, key), low = *w;
    *w = keep;
    return (up - down) / (high - low);
}

/* Largest difference between a tensor's gradient and central differences with eps 1e-2, over
 * its largest gradient. Where the kink of a ReLU lies within eps the differences with eps and
 * eps/2 disagree (whatever the gradient says): those elements say nothing and are left out;
 * more than a third of them is a failure. */
__attribute__((unused)) static double golden_gradient(const struct trainer_model *m,
                                                      const struct trainer_tensor *t,
                                                      const int *ids, int n, uint64_t key)
{
    int count = t->rows * t->cols, kinks = 0;
    real *g = xmalloc(count * sizeof *g);
    double most = 0, error = 0;
    golden_loss(m, ids, n, key);
    memcpy(g, m->grads + t->at, count * sizeof *g);
    for (int i = 0; i < count; i++)
        most = fmax(most, fabs(g[i]));
    for (int i = 0; i < count; i++) {
        real *w = m->params + t->at + i;
        double slope = golden_slope(m, w, 1e-2f, ids, n, key);
        if (fabs(slope - golden_slope(m, w, 5e-3f, ids, n, key)) > 1e-3 * most)
            kinks++;
        else
            error = fmax(error, fabs(slope - g[i]));
    }
    free(g);
    return most > 0 && kinks * 3 <= count ? error / most : 1;
}

#endif
