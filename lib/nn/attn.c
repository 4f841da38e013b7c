/* SPDX-License-Identifier: MIT */
#include "nn/attn.h"
#include "base/simd.h"
#include "nn/ops.h"
#include "nn/tile.h"
#include <assert.h>
#include <math.h>

#define QUERIES 32 /* rows of scores at a time: with 256 keys they stay in the first cache */

_Static_assert(ATTN_SPARE_ROWS >= TILE_ROWS, "the last rows of a sequence are a whole tile");

size_t attn_scratch(int T, int head_dim)
{
    size_t keys = (size_t)tile_pad(T);
    return keys * (size_t)(head_dim + QUERIES) + QUERIES;
}

/* k [T rows of ld, d] -> kt [d,keys], zeros behind the T-th column. By whole rows of k, in 16
 * columns at a time: reads in order, stores side by side for neighbouring rows. */
SIMD_FAST static void transpose(float *restrict kt, const float *restrict k, int T, int d,
                                int keys, size_t ld)
{
    for (int c = 0; c < d; c += 16)
        for (int t = 0; t < keys; t++)
            for (int i = 0; i < 16; i++)
                kt[(size_t)(c + i) * (size_t)keys + (size_t)t] =
                    t < T ? k[(size_t)t * ld + (size_t)(c + i)] : 0;
}

static int tile_rows(int n)
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
        transpose(kt, k, T, head_dim, keys, 3 * (size_t)D);
        for (int t = 0; t < T; t += QUERIES) {
            int n = T - t < QUERIES ? T - t : QUERIES, rows = tile_rows(n);
            float *out = ctx + (size_t)t * D + h * head_dim;
            tile_product(s, keys, q + (size_t)t * 3 * D, 3 * D, 1, kt, keys, rows, keys,
                         head_dim, NULL, 0);
            ops_softmax_rows(s, inv, n, T, keys, scale);
            tile_product(out, D, s, keys, 1, v, 3 * D, rows, head_dim, T, NULL, 0);
            ops_scale_rows(out, inv, n, head_dim, D);
        }
    }
}
