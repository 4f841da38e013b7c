/* SPDX-License-Identifier: MIT */
#include "nn/attn.h"
#include "base/simd.h"
#include "nn/dot.h"
#include "nn/gemm.h"
#include "nn/ops.h"
#include "nn/tile.h"
#include <assert.h>
#include <math.h>

#define QUERIES 32 /* rows of scores at a time: with 256 keys they stay in the first cache */

_Static_assert(ATTN_SPARE_ROWS >= TILE_ROWS && ATTN_SPARE_ROWS >= DOT_ROWS,
               "the last rows of a sequence are a whole tile");

/* 32 bits: a float, or a pair of bfloat16. */
typedef uint32_t word __attribute__((may_alias));

size_t attn_scratch(int T, int head_dim)
{
    /* kt and, in bf16, pairs of V: half each; scores; in bf16 their rounded copy; 1/sums */
    size_t keys = (size_t)tile_pad(T);
    return keys * (size_t)(head_dim + QUERIES + QUERIES / 2) + QUERIES;
}

/* k [T rows of ld, n] -> kt [n,keys], zeros behind the T-th column; n is a multiple of 16 or
 * 8. By whole rows of k: reads in order, stores side by side for neighbouring rows. */
SIMD_FAST static void transpose(word *restrict kt, const word *restrict k, int T, int n, int keys,
                                size_t ld)
{
    for (int c = 0; c < n; c += 8)
        for (int t = 0; t < keys; t++)
            for (int i = 0; i < 8; i++)
                kt[(size_t)(c + i) * (size_t)keys + (size_t)t] =
                    t < T ? k[(size_t)t * ld + (size_t)(c + i)] : 0;
}

static int whole_rows(int n)
{
    return (n + TILE_ROWS - 1) / TILE_ROWS * TILE_ROWS;
}

void attn_run(float *ctx, const float *qkv, int T, int heads, int head_dim, float *scratch)
{
    assert(T > 0 && head_dim % TILE_COLS == 0);
    int D = heads * head_dim, keys = tile_pad(T);
    float *kt = scratch, *s = kt + (size_t)keys * head_dim, *inv = s + (size_t)keys * QUERIES;
    float scale = (float)(1 / sqrt(head_dim));
    for (int h = 0; h < heads; h++) {
        const float *q = qkv + h * head_dim, *k = q + D, *v = k + D;
        transpose((word *)kt, (const word *)k, T, head_dim, keys, 3 * (size_t)D);
        for (int t = 0; t < T; t += QUERIES) {
            int n = T - t < QUERIES ? T - t : QUERIES, rows = whole_rows(n);
            float *out = ctx + (size_t)t * D + h * head_dim;
            tile_product(s, keys, q + (size_t)t * 3 * D, 3 * D, 1, kt, keys, rows, keys,
                         head_dim, NULL, 0);
            ops_softmax_rows(s, inv, n, T, keys, scale);
            tile_product(out, D, s, keys, 1, v, 3 * D, rows, head_dim, T, NULL, 0);
            ops_scale_rows(out, inv, n, head_dim, D);
        }
    }
}

int attn_has_bf16(void)
{
    return dot_here();
}

/* v [T rows of ld, d] -> pairs of rows [(T+1)/2, d]; a missing last row is zero. */
SIMD_FAST static void pair_rows(uint32_t *restrict to, const uint16_t *restrict v, int T, int d,
                                size_t ld)
{
    for (int t = 0; t < T; t += 2, v += 2 * ld, to += d)
        for (int c = 0; c < d; c++)
            to[c] = v[c] | (t + 1 < T ? (uint32_t)v[ld + (size_t)c] << 16 : 0);
}

void attn_run_bf16(float *ctx, const uint16_t *qkv, int T, int heads, int head_dim,
                   float *scratch)
{
    assert(T > 0 && head_dim % TILE_COLS == 0);
    int D = heads * head_dim, keys = tile_pad(T), half = head_dim / 2, ld = 3 * D / 2;
    float *s = scratch, *inv = s + (size_t)keys * QUERIES;
    uint32_t *kt = (uint32_t *)(void *)(inv + QUERIES);
    uint32_t *vp = kt + (size_t)keys * half, *p = vp + (size_t)keys * half;
    float scale = (float)(1 / sqrt(head_dim));
    for (int h = 0; h < heads; h++) {
        const uint16_t *q = qkv + h * head_dim, *k = q + D, *v = k + D;
        transpose(kt, (const word *)(const void *)k, T, half, keys, (size_t)ld);
        pair_rows(vp, v, T, head_dim, 3 * (size_t)D);
        for (int t = 0; t < T; t += QUERIES) {
            int n = T - t < QUERIES ? T - t : QUERIES, rows = whole_rows(n);
            float *out = ctx + (size_t)t * D + h * head_dim;
            dot_product(s, keys, (const word *)(const void *)(q + (size_t)t * 3 * D), ld, kt,
                        keys, rows, keys, half);
            ops_softmax_rows(s, inv, n, T, keys, scale);
            gemm_to_bf16((uint16_t *)(void *)p, s, (size_t)rows * keys);
            dot_product(out, D, p, keys / 2, vp, head_dim, rows, head_dim, (T + 1) / 2);
            ops_scale_rows(out, inv, n, head_dim, D);
        }
    }
}
