/* SPDX-License-Identifier: MIT */
#include "model/optlm.h"
#include "base/util.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory ---- */

/* Floats of a row of the cache, and of one layer of both halves. */
static size_t cache_width(const struct optlm_shape *s)
{
    return 2 * (size_t)s->block.D;
}

static size_t prompt_floats(const struct optlm_shape *s, int items, int length)
{
    return (size_t)items * (size_t)length * cache_width(s);
}

static size_t own_floats(const struct optlm_shape *s, int slots, int steps)
{
    return (size_t)slots * (size_t)steps * cache_width(s);
}

size_t optlm_cache_bytes(const struct optlm_shape *s, int items, int length, int slots, int steps)
{
    return (size_t)s->layers * (prompt_floats(s, items, length) + own_floats(s, slots, steps)) *
           sizeof(float);
}

void optlm_cache_init(struct optlm_cache *c, const struct optlm_shape *s, int items, int length,
                      int slots, int steps)
{
    size_t L = (size_t)s->layers;
    *c = (struct optlm_cache){.items = items, .length = length, .slots = slots, .steps = steps};
    c->prompt = xcalloc(L * prompt_floats(s, items, length), sizeof *c->prompt);
    c->own = xcalloc(L * own_floats(s, slots, steps) + 1, sizeof *c->own);
}

void optlm_cache_release(struct optlm_cache *c)
{
    free(c->prompt);
    free(c->own);
    *c = (struct optlm_cache){0};
}

size_t optlm_room_bytes(const struct engine *g, const struct optlm_shape *s, int rows, int seqs)
{
    size_t n = (size_t)seqs;
    return block_room_bytes(g, &s->block, rows) + n * (size_t)s->block.D * engine_input_bytes(g) +
           n * (size_t)s->vocab * sizeof(float);
}

void optlm_room_init(struct optlm_room *r, const struct engine *g, const struct optlm_shape *s,
                     int rows, int seqs)
{
    size_t n = (size_t)seqs;
    block_room_init(&r->block, g, &s->block, rows);
    r->last = xmalloc(n * (size_t)s->block.D * engine_input_bytes(g));
    r->logits = xcalloc(n * (size_t)s->vocab, sizeof *r->logits);
    r->seq = xcalloc(n, sizeof *r->seq);
}

void optlm_room_release(struct optlm_room *r)
{
    block_room_release(&r->block);
    free(r->last);
    free(r->logits);
    free(r->seq);
    *r = (struct optlm_room){0};
}

/* ---- shared by prompt and step ---- */

/* x = the vector of a token, plus that of its position. */
static void embed(float *x, const struct optlm *m, enum panel_kind kind, int token, int position)
{
    int D = m->shape.block.D;
    const float *p = m->positions + (size_t)(position + OPTLM_OFFSET) * (size_t)D;
    assert(token >= 0 && token < m->shape.vocab && position + OPTLM_OFFSET < m->shape.positions);
    panel_unpack(x, (const char *)m->words.w +
                 (size_t)(token / PANEL_COLS) * panel_bytes(D, kind), token % PANEL_COLS, D, kind);
    for (int k = 0; k < D; k++)
        x[k] += p[k];
}

static float *prompt_at(const struct optlm_cache *c, const struct optlm_shape *s, int layer,
                        int item)
{
    size_t row = ((size_t)layer * (size_t)c->items + (size_t)item) * (size_t)c->length;
    return c->prompt + row * cache_width(s);
}

static float *own_at(const struct optlm_cache *c, const struct optlm_shape *s, int layer, int slot)
{
    size_t row = ((size_t)layer * (size_t)c->slots + (size_t)slot) * (size_t)c->steps;
    return c->own + row * cache_width(s);
}

/* Logits of the last of every `apart` rows of x, n of them. */
static void conclude(struct engine *g, const struct optlm *m, struct optlm_room *r, int apart,
                     int n)
{
    size_t D = (size_t)m->shape.block.D, V = (size_t)m->shape.vocab;
    for (size_t i = 0; i < (size_t)n && apart > 1; i++)
        memmove(r->block.x + i * D, r->block.x + ((i + 1) * (size_t)apart - 1) * D,
                D * sizeof(float));
    engine_norm(g, r->last, r->block.x, m->ln_w, m->ln_b, m->shape.block.eps, n,
                m->shape.block.D);
    engine_linear(g, &m->head, &(struct engine_io){r->last, D, n, r->logits, V, ENGINE_SET});
}

/* ---- prompts ---- */

void optlm_prompt_start(struct engine *g, const struct optlm *m, struct optlm_room *r,
                        const float *vectors, int Q, const int *ids, int n_ids, int items)
{
    size_t D = (size_t)m->shape.block.D;
    float *x = r->block.x;
    for (int i = 0; i < items; i++) {
        for (int q = 0; q < Q; q++, x += D, vectors += D)
            for (size_t k = 0; k < D; k++)
                x[k] = vectors[k] + m->positions[(size_t)(q + OPTLM_OFFSET) * D + k];
        for (int t = 0; t < n_ids; t++, x += D)
            embed(x, m, engine_kind(g), ids[t], Q + t);
    }
}

void optlm_prompt_layer(struct engine *g, const struct optlm *m, struct optlm_room *r,
                        struct optlm_cache *c, int layer, int items)
{
    size_t D = (size_t)m->shape.block.D, W = cache_width(&m->shape);
    int L = c->length;
    block_project(g, &m->layer[layer], &m->shape.block, &r->block, items * L);
    for (int i = 0; i < items; i++) {
        float *to = prompt_at(c, &m->shape, layer, i);
        for (int t = 0; t < L; t++)
            memcpy(to + (size_t)t * W, r->block.qkv + ((size_t)(i * L + t) * 3 + 1) * D,
                   W * sizeof *to);
        r->seq[i] = (struct engine_seq){i * L, L, {{to, to + D, L}}, 1};
    }
    block_finish(g, &m->layer[layer], &m->shape.block, &r->block, items * L, r->seq, items, W);
}

void optlm_prompt_end(struct engine *g, const struct optlm *m, struct optlm_room *r, int length,
                      int items)
{
    conclude(g, m, r, length, items);
}

void optlm_prompt(struct engine *g, const struct optlm *m, struct optlm_room *r,
                  struct optlm_cache *c, const float *vectors, int Q, const int *ids, int n_ids,
                  int items)
{
    assert(Q + n_ids == c->length && items <= c->items);
    optlm_prompt_start(g, m, r, vectors, Q, ids, n_ids, items);
    for (int i = 0; i < m->shape.layers; i++)
        optlm_prompt_layer(g, m, r, c, i, items);
    optlm_prompt_end(g, m, r, c->length, items);
}

/* ---- one token more ---- */

void optlm_step(struct engine *g, const struct optlm *m, struct optlm_room *r,
                struct optlm_cache *c, const struct optlm_rows *rows)
{
    size_t D = (size_t)m->shape.block.D, W = cache_width(&m->shape);
    int n = rows->rows, t = rows->t;
    assert(t < c->steps);
    for (int i = 0; i < n; i++)
        embed(r->block.x + (size_t)i * D, m, engine_kind(g), rows->token[i], c->length + t);
    for (int k = 0; k < m->shape.layers; k++) {
        block_project(g, &m->layer[k], &m->shape.block, &r->block, n);
        for (int i = 0; i < n; i++) {
            const float *prompt = prompt_at(c, &m->shape, k, rows->item[i]);
            float *own = own_at(c, &m->shape, k, rows->slot[i]);
            memcpy(own + (size_t)t * W, r->block.qkv + ((size_t)i * 3 + 1) * D, W * sizeof *own);
            r->seq[i] = (struct engine_seq){
                i, 1, {{prompt, prompt + D, c->length}, {own, own + D, t + 1}}, 2};
        }
        block_finish(g, &m->layer[k], &m->shape.block, &r->block, n, r->seq, n, W);
    }
    conclude(g, m, r, 1, n);
}

void optlm_copy_slot(struct optlm_cache *c, const struct optlm_shape *s, int to, int from, int t)
{
    for (int k = 0; k < s->layers; k++)
        memcpy(own_at(c, s, k, to), own_at(c, s, k, from),
               (size_t)t * cache_width(s) * sizeof(float));
}
