/* SPDX-License-Identifier: MIT */
#include "model/minilm.h"
#include "base/util.h"
#include "model/minilm_load.h"
#include "nn/attn.h"
#include "nn/ops.h"
#include <stdlib.h>
#include <string.h>

struct minilm_scratch {
    struct arena a;
    float *x, *ctx;        /* [rows,D]; rows = MINILM_ROWS + spare */
    float *qkv;            /* [rows,3D], or in bf16: */
    uint16_t *half_qkv;
    float *ff, *y;         /* [GEMM_ROWS,F], [GEMM_ROWS,3D] */
    uint16_t *half;        /* [GEMM_ROWS,D]: input of a bf16 product */
    uint16_t *half_ff;     /* [GEMM_ROWS,F] */
    float *attn;
    int *ids;              /* [MINILM_ROWS] of the texts that wait */
    int *first, *length;   /* [texts] */
    float **to;            /* [texts] */
    int rows, texts;
};

int minilm_dim(const struct minilm *m)
{
    return m->D;
}

int minilm_max_tokens(const struct minilm *m)
{
    return m->max_tokens;
}

const unsigned char *minilm_digest(const struct minilm *m)
{
    return m->digest;
}

int minilm_ids(int *ids, const struct minilm *m, const char *text, size_t n)
{
    return wordpiece_ids(ids, m->max_tokens, text, n, m->pieces);
}

struct minilm_scratch *minilm_scratch_new(const struct minilm *m)
{
    struct minilm_scratch *s = xcalloc(1, sizeof *s);
    size_t D = (size_t)m->D, F = (size_t)m->F, R = MINILM_ROWS + ATTN_SPARE_ROWS;
    size_t attn = attn_scratch(m->max_tokens, m->D / m->H), blk = GEMM_ROWS;
    int half = m->precision == GEMM_BF16, pairs = half && attn_has_bf16();
    size_t qkv = pairs ? (R * 3 * D + 1) / 2 : R * 3 * D;
    arena_init(&s->a, 2 * arena_room(R * D) + arena_room(qkv) + arena_room(blk * F) +
               arena_room(blk * 3 * D) + arena_room(attn) +
               (half ? arena_room(blk * D / 2) + arena_room(blk * F / 2) : 0));
    s->x = arena_take(&s->a, R * D);
    s->ctx = arena_take(&s->a, R * D);
    s->ff = arena_take(&s->a, blk * F);
    s->y = arena_take(&s->a, blk * 3 * D);
    s->attn = arena_take(&s->a, attn);
    if (half) {
        s->half = (uint16_t *)(void *)arena_take(&s->a, blk * D / 2);
        s->half_ff = (uint16_t *)(void *)arena_take(&s->a, blk * F / 2);
    }
    if (pairs)
        s->half_qkv = (uint16_t *)(void *)arena_take(&s->a, qkv);
    else
        s->qkv = arena_take(&s->a, qkv);
    s->ids = xcalloc(MINILM_ROWS, sizeof *s->ids);
    s->first = xcalloc(MINILM_ROWS, sizeof *s->first);
    s->length = xcalloc(MINILM_ROWS, sizeof *s->length);
    s->to = xcalloc(MINILM_ROWS, sizeof *s->to);
    return s;
}

void minilm_scratch_free(struct minilm_scratch *s)
{
    if (!s)
        return;
    arena_release(&s->a);
    free(s->ids);
    free(s->first);
    free(s->length);
    free(s->to);
    free(s);
}

/* x as input of a product: itself, or rounded to bfloat16 in half. */
static const void *input(const struct minilm *m, uint16_t *half, const float *x, size_t n)
{
    if (m->precision == GEMM_F32)
        return x;
    gemm_to_bf16(half, x, n);
    return half;
}

/* GELU of x, as input of a product; by pieces that stay in the first cache in between. */
static const void *activated(const struct minilm *m, uint16_t *half, float *x, size_t n)
{
    const size_t piece = 2048;
    for (size_t i = 0; i < n; i += piece) {
        size_t k = n - i < piece ? n - i : piece;
        ops_gelu(x + i, k);
        if (m->precision == GEMM_BF16)
            gemm_to_bf16(half + i, x + i, k);
    }
    return m->precision == GEMM_BF16 ? (const void *)half : x;
}

static void embed(const struct minilm *m, struct minilm_scratch *s)
{
    size_t D = (size_t)m->D;
    for (int t = 0; t < s->texts; t++)
        for (int i = 0; i < s->length[t]; i++) {
            int row = s->first[t] + i;
            const float *w = m->word + (size_t)s->ids[row] * D, *p = m->position + (size_t)i * D;
            float *x = s->x + (size_t)row * D;
            for (size_t c = 0; c < D; c++)
                x[c] = w[c] + m->type[c] + p[c];
        }
    /* Rows up to the end of the block are computed too, and must be numbers. */
    int end = gemm_pad(s->rows);
    memset(s->x + (size_t)s->rows * D, 0, (size_t)(end - s->rows) * D * sizeof *s->x);
    ops_layer_norm(s->x, NULL, m->ln_w, m->ln_b, m->eps, s->rows, m->D);
}

/* Everything but attention goes block by block, so that a block stays in the cache from one
 * product to the next. */
static void project(const struct minilm *m, const struct minilm_layer *l, struct minilm_scratch *s)
{
    size_t D = (size_t)m->D, n = GEMM_ROWS * D;
    for (size_t r = 0; r < (size_t)s->rows; r += GEMM_ROWS) {
        float *y = s->half_qkv ? s->y : s->qkv + 3 * r * D;
        gemm_run(y, input(m, s->half, s->x + r * D, n), GEMM_ROWS, l->qkv);
        if (s->half_qkv)
            gemm_to_bf16(s->half_qkv + 3 * r * D, y, 3 * n);
    }
}

static void attend(const struct minilm *m, struct minilm_scratch *s)
{
    for (int t = 0; t < s->texts; t++) {
        size_t from = (size_t)s->first[t] * (size_t)m->D;
        if (s->half_qkv)
            attn_run_bf16(s->ctx + from, s->half_qkv + 3 * from, s->length[t], m->H, m->D / m->H,
                          s->attn);
        else
            attn_run(s->ctx + from, s->qkv + 3 * from, s->length[t], m->H, m->D / m->H, s->attn);
    }
}

static void feed_forward(const struct minilm *m, const struct minilm_layer *l,
                         struct minilm_scratch *s)
{
    size_t D = (size_t)m->D, n = GEMM_ROWS * D, wide = GEMM_ROWS * (size_t)m->F;
    for (int r = 0; r < s->rows; r += GEMM_ROWS) {
        float *x = s->x + (size_t)r * D;
        int rows = s->rows - r < GEMM_ROWS ? s->rows - r : GEMM_ROWS;
        gemm_run(s->y, input(m, s->half, s->ctx + (size_t)r * D, n), GEMM_ROWS, l->out);
        ops_layer_norm(x, s->y, l->ln1_w, l->ln1_b, m->eps, rows, m->D);
        gemm_run(s->ff, input(m, s->half, x, n), GEMM_ROWS, l->up);
        gemm_run(s->y, activated(m, s->half_ff, s->ff, wide), GEMM_ROWS, l->down);
        ops_layer_norm(x, s->y, l->ln2_w, l->ln2_b, m->eps, rows, m->D);
    }
}

/* Computes the texts that wait. */
static void flush(const struct minilm *m, struct minilm_scratch *s)
{
    if (s->texts == 0)
        return;
    embed(m, s);
    for (int i = 0; i < m->L; i++) {
        project(m, &m->layer[i], s);
        attend(m, s);
        feed_forward(m, &m->layer[i], s);
    }
    for (int t = 0; t < s->texts; t++) {
        ops_mean_rows(s->to[t], s->x + (size_t)s->first[t] * m->D, s->length[t], m->D);
        ops_unit(s->to[t], m->D);
    }
    s->rows = s->texts = 0;
}

void minilm_encode(float *const *out, const char *const *texts, const size_t *lengths, int n,
                   const struct minilm *m, struct minilm_scratch *s)
{
    for (int i = 0; i < n; i++) {
        if (s->rows + m->max_tokens > MINILM_ROWS)
            flush(m, s);
        s->first[s->texts] = s->rows;
        s->length[s->texts] = minilm_ids(s->ids + s->rows, m, texts[i], lengths[i]);
        s->to[s->texts] = out[i];
        s->rows += s->length[s->texts++];
    }
    flush(m, s);
}
