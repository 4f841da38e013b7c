/* SPDX-License-Identifier: MIT */
/* The small matrix product of the trainable layers, C = A B (+ C, or + bias).
 *
 *     tile_product(y, 64, x, 16, 1, wt, 64, 128, 64, 8, bias, 0);   // y = x W^T + b
 *
 * All sizes are padded by the caller, so there are no edges.
 * Each element of C is one sum over k = 0, 1, ..., K-1 in that order, so the result does not
 * depend on M, on N, on the number of threads or on what else is in the batch. Product and
 * sum are fused (one rounding) where the machine can, AVX-512 and AVX2: these two give the
 * same bits under gcc and clang with -O2; -O0 and other machines are close.
 * Measured on one Zen 4 core, GFLOP/s for [128,38][38,64], [128,64][64,32], [256,2816]
 * [2816,128] and, with A transposed, [64,128][128,32]: 112, 113, 110, 115; unfused 78, 77, 71,
 * 77; OpenBLAS 0.3.21 110, 112, 96, 113. So no BLAS in the layers: nothing to gain from it.
 */
#ifndef MM_NN_TILE_H
#define MM_NN_TILE_H
#include "nn/real.h"
#include <stddef.h>

#define TILE_COLS 16 /* rows of B and C have room for N rounded up to this */
#define TILE_ROWS 8  /* M and N are multiples of this */

int tile_pad(int n); /* n rounded up to TILE_COLS */

const char *tile_isa(void);  /* "avx512f", "avx2" or "generic": what tile_product uses here */

/* A(m,k) = a[m*a_row + k*a_col], b [K,ldb], bias [N] or NULL -> c [M,ldc]. With add != 0 the
 * product is added to c (bias must then be NULL). c overlaps nothing; b, c and bias are
 * aligned to 4 bytes only. */
void tile_product(real *c, int ldc, const real *a, int a_row, int a_col, const real *b,
                  int ldb, int M, int N, int K, const real *bias, int add);

#endif
