/* SPDX-License-Identifier: MIT */
#include "nn/attn.h"
#include "base/simd.h"
#include "nn/dot.h"
#include "nn/gemm.h"
#include "nn/ops.h"
#include "nn/tile.h"
#include <assert.h>
#include <math.h>
#include <string.h>

#define QUERIES 32 /* rows of scores at a time: with 256 keys they stay in the first cache */

_Static_assert(ATTN_SPARE_ROWS >= TILE_ROWS && ATTN_SPARE_ROWS >= DOT_ROWS,
               "the last rows of a sequence are a whole tile");

/* 32 bits: a float, or a pair of bfloat16. */
typedef uint32_t word __attribute__((may_alias));

size_t attn_scratch(int T, int head_dim)
{
    /* kt and, in bf16, pairs of V: half each; scores; in bf16 their rounded copy; 1/sums; what
     * comes out */
    size_t keys = (size_t)tile_pad(T), d = (size_t)head_dim;
    return keys * (d + QUERIES + QUERIES / 2) + QUERIES + QUERIES * d;
}

/* k [T rows of ld, n] -> kt [n,width], rows ldt apart, zeros behind the T-th column; n is a
 * multiple of 8. By whole rows of k: reads in order, stores side by side for neighbouring
 * rows. */
SIMD_FAST static void transpose(word *restrict kt, const word *restrict k, int T, int n, int width,
                                size_t ldt, size_t ld)
{
    for (int c = 0; c < n; c += 8)
        for (int t = 0; t < width; t++)
            for (int i = 0; i < 8; i++)
                kt[(size_t)(c + i) * ldt + (size_t)t] =
                    t < T ? k[(size_t)t * ld + (size_t)(c + i)] : 0;
}

static int whole_rows(int n)
{
    return (n + TILE_ROWS - 1) / TILE_ROWS * TILE_ROWS;
}

/* Where a head's scratch lies. */
struct room {
    float *kt, *s, *inv, *out; /* [d,keys], [QUERIES,keys], [QUERIES], [QUERIES,d] */
    int T, keys;
};

static struct room lay_out(float *scratch, const struct attn_part *part, int parts, int d)
{
    struct room r = {.kt = scratch};
    for (int i = 0; i < parts; i++)
        r.T += part[i].n;
    r.keys = tile_pad(r.T);
    r.s = r.kt + (size_t)r.keys * (size_t)d;
    r.inv = r.s + (size_t)r.keys * QUERIES;
    r.out = r.inv + QUERIES;
    return r;
}

/* Query t of `queries` sees the keys up to its own; the others get the weight 0. */
static void softmax_causal(const struct room *r, int t, int n, int queries, float scale)
{
    for (int i = 0; i < n; i++) {
        float *s = r->s + (size_t)i * (size_t)r->keys;
        int seen = r->T - queries + t + i + 1;
        ops_softmax_rows(s, r->inv + i, 1, seen, r->keys, scale);
        memset(s + seen, 0, (size_t)(r->keys - seen) * sizeof *s);
    }
}

/* r->out = weights times the values of all parts. */
static void mix_values(const struct room *r, const struct attn_part *part, int parts, size_t ld,
                       int rows, int d)
{
    const float *weight = r->s;
    for (int i = 0, any = 0; i < parts; weight += part[i++].n)
        if (part[i].n > 0) {
            tile_product(r->out, d, weight, r->keys, 1, part[i].v, (int)ld, rows, d, part[i].n,
                         NULL, any);
            any = 1;
        }
}

static void copy_rows(float *out, size_t ldo, const float *from, int n, int d)
{
    for (int i = 0; i < n; i++)
        memcpy(out + (size_t)i * ldo, from + (size_t)i * (size_t)d, (size_t)d * sizeof *out);
}

static void many_queries(float *out, size_t ldo, const float *q, size_t ldq, int queries,
                         const struct attn_part *part, int parts, size_t ld, int d, int causal,
                         float *scratch)
{
    struct room r = lay_out(scratch, part, parts, d);
    float scale = (float)(1 / sqrt(d));
    for (int i = 0, at = 0; i < parts; at += part[i++].n)
        transpose((word *)r.kt + at, (const word *)part[i].k, part[i].n, d,
                  i + 1 < parts ? part[i].n : r.keys - at, (size_t)r.keys, ld);
    for (int t = 0; t < queries; t += QUERIES) {
        int n = queries - t < QUERIES ? queries - t : QUERIES, rows = whole_rows(n);
        tile_product(r.s, r.keys, q + (size_t)t * ldq, (int)ldq, 1, r.kt, r.keys, rows, r.keys, d,
                     NULL, 0);
        if (causal)
            softmax_causal(&r, t, n, queries, scale);
        else
            ops_softmax_rows(r.s, r.inv, n, r.T, r.keys, scale);
        mix_values(&r, part, parts, ld, rows, d);
        ops_scale_rows(r.out, r.inv, n, d, d);
        copy_rows(out + (size_t)t * ldo, ldo, r.out, n, d);
    }
}

static void one_query(float *out, const float *q, const struct attn_part *part, int parts,
                      size_t ld, int d, float *scratch)
{
    struct room r = lay_out(scratch, part, parts, d);
    for (int i = 0, at = 0; i < parts; at += part[i++].n)
        ops_dot_rows(r.s + at, part[i].k, q, part[i].n, d, ld);
    ops_softmax_rows(r.s, r.inv, 1, r.T, r.keys, (float)(1 / sqrt(d)));
    memset(out, 0, (size_t)d * sizeof *out);
    for (int i = 0, at = 0; i < parts; at += part[i++].n)
        ops_add_rows(out, part[i].v, r.s + at, part[i].n, d, ld);
    ops_scale_rows(out, r.inv, 1, d, d);
}

void attn_head(float *out, size_t ldo, const float *q, size_t ldq, int queries,
               const struct attn_part *part, int parts, size_t ld, int head_dim, int causal,
               float *scratch)
{
    assert(queries > 0 && head_dim % TILE_ROWS == 0);
    if (queries == 1)
        one_query(out, q, part, parts, ld, head_dim, scratch);
    else
        many_queries(out, ldo, q, ldq, queries, part, parts, ld, head_dim, causal, scratch);
}

void attn_run(float *ctx, const float *qkv, int T, int heads, int head_dim, float *scratch)
{
    assert(T > 0);
    size_t D = (size_t)heads * (size_t)head_dim;
    for (int h = 0; h < heads; h++) {
        const float *q = qkv + h * head_dim;
        struct attn_part all = {q + D, q + 2 * D, T};
        many_queries(ctx + h * head_dim, D, q, 3 * D, T, &all, 1, 3 * D, head_dim, 0, scratch);
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
        transpose(kt, (const word *)(const void *)k, T, half, keys, (size_t)keys, (size_t)ld);
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
