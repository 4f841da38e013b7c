/* SPDX-License-Identifier: MIT */
#include "train/adam.h"
#include "base/simd.h"
#include <math.h>

struct adam_factors {
    real b1, b2, c2, step, root, eps; /* 1-beta1, beta2, 1-beta2, lr/bias1, 1/sqrt(bias2) */
};

SIMD_FAST static void step(real *restrict w, real *restrict m, real *restrict v,
                           const real *restrict g, size_t n, const struct adam_factors *f)
{
    real b1 = f->b1, b2 = f->b2, c2 = f->c2, lr = f->step, root = f->root, eps = f->eps;
    for (size_t i = 0; i < n; i++) {
        m[i] += b1 * (g[i] - m[i]);
        v[i] = b2 * v[i] + c2 * g[i] * g[i];
        w[i] -= lr * m[i] / (real_sqrt(v[i]) * root + eps);
    }
}

void adam_step(real *w, real *m, real *v, const real *g, size_t n, int64_t t,
               const struct adam *o)
{
    double bias1 = 1 - pow(o->beta1, (double)t), bias2 = 1 - pow(o->beta2, (double)t);
    struct adam_factors f = {(real)(1 - o->beta1), (real)o->beta2,
                             (real)(1 - o->beta2), (real)(o->lr / bias1),
                             (real)(1 / sqrt(bias2)), (real)o->eps};
    step(w, m, v, g, n, &f);
}

SIMD_FAST void adam_decay(real *w, size_t n, double lr, double decay)
{
    real keep = (real)(1 - lr * decay);
    for (size_t i = 0; i < n; i++)
        w[i] *= keep;
}

SIMD_FAST void adam_sgd(real *restrict w, const real *restrict g, size_t n, double lr)
{
    real l = (real)lr;
    for (size_t i = 0; i < n; i++)
        w[i] -= l * g[i];
}
