/* SPDX-License-Identifier: MIT */
/* One step of Adam, or of plain gradient descent, over a flat block of parameters.
 *
 *     real m[N] = {0}, v[N] = {0};
 *     adam_step(w, m, v, g, N, 1, &(struct adam){ADAM_DEFAULTS});      // t = 1, 2, ...
 *
 * Kingma and Ba 2015, algorithm 1, in the form of torch.optim.Adam (no amsgrad):
 * m += (1-b1)(g-m), v = b2 v + (1-b2) g g,
 * w -= lr/(1-b1^t) m / (sqrt(v)/sqrt(1-b2^t) + eps). Padding rows and unused weights have
 * g = 0 always, so m, v and w never move.
 * Weight decay is decoupled (Loshchilov and Hutter 2019; torch.optim.AdamW): adam_decay on
 * the tensors that decay, before adam_step on all.
 */
#ifndef MM_TRAIN_ADAM_H
#define MM_TRAIN_ADAM_H
#include "nn/real.h"
#include <stddef.h>
#include <stdint.h>

struct adam {
    double lr, beta1, beta2, eps;
};
#define ADAM_DEFAULTS .lr = 0.01, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8

/* w, m, v, g [n]; t counts from 1. */
void adam_step(real *w, real *m, real *v, const real *g, size_t n, int64_t t,
               const struct adam *o);
void adam_decay(real *w, size_t n, double lr, double decay); /* w -= lr decay w */
void adam_sgd(real *w, const real *g, size_t n, double lr); /* w -= lr g */

#endif
