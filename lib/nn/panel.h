/* SPDX-License-Identifier: MIT */
/* Products with packed weights that someone else holds, such as a mapped file: a panel is 64
 * columns of y = x W^T, which are 64 rows of W.
 *
 *     panel_pack(bytes, w, 64, 2560, PANEL_HALF);             // w [64,2560]
 *     panel_run(y, x, 2560, 8, bytes, 2560, PANEL_HALF);      // x [8,2560] -> y [8,64]
 *
 * Row-major, shapes in [brackets]; K is even. A panel is [K][64] floats, or [K/2][64][2]
 * bfloat16: one k after the other, so that a product with few rows reads it once, in order.
 * oneDNN packs inner products likewise (blocks 16b64a and 8b64a2b), so it can read the bytes.
 * With weights of 8 bits it is 64 k after the other, the last filled up to a multiple of 4:
 * scales [64][2] bfloat16, of 32 k each, then bytes [16][64][4] from -127 to 127. A weight is
 * the float byte x 2^24 x scale; 2^24 x scale is the largest of its 32 over 127, rounded up.
 *
 * Each y is one sum over k = 0, 1, ... in that order, whatever the number of rows: a row does
 * not know what else is computed with it. Product and sum are one rounding with AVX2 or
 * AVX-512. Bytes give the same bits as the floats they stand for.
 *
 * Which kind for bfloat16 weights: AMD's processors do a pair of bfloat16 products in the time
 * of one of floats (Zen 4: 203 and 112 GFLOP/s a core). Intel's do not: one Emerald Rapids core
 * has 5.6 G fused operations a second, but 1.4 G of those with pairs, half as many products a
 * second. So PANEL_DOT is for the former; elsewhere PANEL_HALF widens the weights to floats,
 * which is exact, and x keeps its precision.
 */
#ifndef MM_NN_PANEL_H
#define MM_NN_PANEL_H
#include <stddef.h>

#define PANEL_COLS 64

enum panel_kind {
    PANEL_F32,  /* float weights, float x */
    PANEL_HALF, /* bfloat16 weights, float x */
    PANEL_BYTE, /* weights of 8 bits, float x */
    PANEL_DOT   /* bfloat16 weights and x, by the instruction for pairs; see panel_dot_here */
};

int panel_dot_here(void); /* 1: this CPU has the instruction for PANEL_DOT */
int panel_dot_pays(void); /* 1: and it is faster than PANEL_HALF */
const char *panel_isa(void); /* "avx512f", "avx2" or "generic": what all but PANEL_DOT use */

size_t panel_bytes(int K, enum panel_kind kind);

/* w [n,K], n <= 64 -> one panel; the columns behind n are zero. */
void panel_pack(void *panel, const float *w, int n, int K, enum panel_kind kind);
/* Row `column` of the W that was packed, to w [K]; as rounded as it lies there. */
void panel_unpack(float *w, const void *panel, int column, int K, enum panel_kind kind);

/* x [rows] of K floats (PANEL_DOT: bfloat16), each ldx after the one before -> y [rows,64].
 * x is aligned to 4 bytes. Thread-safe. */
void panel_run(float *y, const void *x, size_t ldx, int rows, const void *panel, int K,
               enum panel_kind kind);

#endif
