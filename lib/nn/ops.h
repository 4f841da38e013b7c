/* SPDX-License-Identifier: MIT */
/* The elementwise and row-wise kernels of inference, on float32 rows.
 *
 *     ops_layer_norm(x, y, gamma, beta, 1e-12, rows, 384);    // x = LN(x + y)
 *     ops_gelu(x, (size_t)rows * 1536);
 *
 * Row-major; R rows, D width. Sums run over 16 lanes in a fixed order, so a row's result
 * depends on nothing but the row.
 */
#ifndef MM_NN_OPS_H
#define MM_NN_OPS_H
#include <stddef.h>

/* x [n] in place: x (1 + erf(x / sqrt 2)) / 2, the exact form, not the tanh one (Hendrycks and
 * Gimpel, "Gaussian Error Linear Units"); absolute error under 5e-7 for |x| <= 6. */
void ops_gelu(float *x, size_t n);

/* x [n] in place: max(0, x). */
void ops_relu(float *x, size_t n);

/* x [R,D], add [R,D] or NULL; gamma, beta [D]: x = (z - mean) / sqrt(var + eps) * gamma + beta
 * with z = x + add and the biased variance (Ba et al., "Layer Normalization"). */
void ops_layer_norm(float *x, const float *add, const float *gamma, const float *beta,
                    double eps, int R, int D);

/* s [R,ld]: in each row the first T become exp(scale (s - max)); 1/sum of them to inv [R].
 * What lies between T and T rounded up to 16 (<= ld) is overwritten. */
void ops_softmax_rows(float *s, float *inv, int R, int T, int ld, float scale);

/* s [R]: row r of x [R,D], ld apart, times q [D]. */
void ops_dot_rows(float *s, const float *x, const float *q, int R, int D, size_t ld);

/* y [D] += sum of rows of x [R,D], ld apart, row r times f[r]. */
void ops_add_rows(float *y, const float *x, const float *f, int R, int D, size_t ld);

/* y [R,D], row r times f[r]. */
void ops_scale_rows(float *y, const float *f, int R, int D, int ld);

/* Mean of the rows of x [R,D] to y [D]; R >= 1. */
void ops_mean_rows(float *y, const float *x, int R, int D);

/* x [n] divided by max(|x|_2, 1e-12). */
void ops_unit(float *x, int n);

#endif
