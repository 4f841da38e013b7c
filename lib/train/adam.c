/* SPDX-License-Identifier: MIT */
#include "train/adam.h"
#include "base/simd.h"
#include "nn/tile.h"
#include <math.h>

struct adam_factors {
    float b1, b2, c2, step, root, eps; /* 1-beta1, beta2, 1-beta2, lr/bias1, 1/sqrt(bias2) */
};

SIMD_FAST static void step(float *restrict w, float *restrict m, float *restrict v,
                           const float *restrict g, size_t n, const struct adam_factors *f)
{
    float b1 = f->b1, b2 = f->b2, c2 = f->c2, lr = f->step, root = f->root, eps = f->eps;
    for (size_t i = 0; i < n; i++) {
        m[i] += b1 * (g[i] - m[i]);
        v[i] = b2 * v[i] + c2 * g[i] * g[i];
        w[i] -= lr * m[i] / (sqrtf(v[i]) * root + eps);
    }
}

void adam_step(float *w, float *m, float *v, const float *g, size_t n, int64_t t,
               const struct adam *o)
{
    double bias1 = 1 - pow(o->beta1, (double)t), bias2 = 1 - pow(o->beta2, (double)t);
    struct adam_factors f = {(float)(1 - o->beta1), (float)o->beta2,
                             (float)(1 - o->beta2), (float)(o->lr / bias1),
                             (float)(1 / sqrt(bias2)), (float)o->eps};
    step(w, m, v, g, n, &f);
}

SIMD_FAST void adam_sgd(float *restrict w, const float *restrict g, size_t n, double lr)
{
    float l = (float)lr;
    for (size_t i = 0; i < n; i++)
        w[i] -= l * g[i];
}
