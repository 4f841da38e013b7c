/* SPDX-License-Identifier: MIT */
/* The small matrix product of bfloat16 numbers with the instruction for it (AVX-512 BF16):
 * pairs along K, two products and their sum a step, summed in float32.
 *
 *     if (dot_here())
 *         dot_product(c, 64, a, 16, b, 64, 32, 64, 16);   // [32,2*16] x [2*16,64]
 *
 * A word holds elements 2k (low half) and 2k+1 (high half). Each element of C is one sum over k
 * in order, so it does not depend on M or N. Measured on one Zen 4 core, GFLOP/s for heads of
 * 32 and 64 keys: Q K^T 190, P V 200 (tile.h in float32: 109 and 112).
 */
#ifndef MM_NN_DOT_H
#define MM_NN_DOT_H
#include <stddef.h>
#include <stdint.h>

#define DOT_COLS 16 /* N is a multiple of this */
#define DOT_ROWS 8  /* M is a multiple of this */

int dot_here(void); /* whether this CPU has the instruction */

/* a [M,lda], b [K,ldb] words -> c [M,ldc]; only where dot_here(). No overlap. */
void dot_product(float *c, int ldc, const uint32_t *a, int lda, const uint32_t *b, int ldb, int M,
                 int N, int K);

/* x [rows] of K words, each ldx words after the one before, times a panel of 64 columns
 * (panel.h: [K][64] words) -> y [rows,64]; only where dot_here(). Each y is one sum over k in
 * order. */
void dot_panel(float *y, const uint32_t *x, size_t ldx, int rows, const uint32_t *panel, int K);

/* float32 to bfloat16, nearest even; below 2^-126 becomes 0. Only where dot_here(). */
void dot_round(uint16_t *y, const float *x, size_t n);

#endif
