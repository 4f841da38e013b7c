/* SPDX-License-Identifier: MIT */
#include "model/qformer.h"
#include "base/util.h"
#include <stdlib.h>
#include <string.h>

static size_t line(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

/* Bytes of x, qkv, kv, h and f; their sum. */
static size_t sizes(size_t size[5], const struct engine *g, const struct qformer_shape *s, int n)
{
    size_t rows = (size_t)n * (size_t)s->queries, D = (size_t)s->D, in = engine_input_bytes(g);
    size[0] = line(rows * D * sizeof(float));
    size[1] = line((rows + ATTN_SPARE_ROWS) * 3 * D * sizeof(float));
    size[2] = line((size_t)n * (size_t)s->tokens * 2 * D * sizeof(float));
    size[3] = line(rows * D * in);
    size[4] = line(rows * (size_t)s->F * in);
    return size[0] + size[1] + size[2] + size[3] + size[4];
}

size_t qformer_room_bytes(const struct engine *g, const struct qformer_shape *s, int n)
{
    size_t size[5];
    return sizes(size, g, s, n);
}

void qformer_room_init(struct qformer_room *r, const struct engine *g,
                       const struct qformer_shape *s, int n)
{
    size_t size[5], all = sizes(size, g, s, n);
    char *p = aligned_alloc(64, all), *part[5];
    if (!p)
        die("out of memory asking for %zu bytes", all);
    memset(p, 0, all);
    r->memory = p;
    for (int i = 0; i < 5; p += size[i++])
        part[i] = p;
    r->x = (float *)(void *)part[0];
    r->qkv = (float *)(void *)part[1];
    r->kv = (float *)(void *)part[2];
    r->h = part[3];
    r->f = part[4];
    r->seq = xcalloc((size_t)n, sizeof *r->seq);
}

void qformer_room_release(struct qformer_room *r)
{
    free(r->memory);
    free(r->seq);
    *r = (struct qformer_room){0};
}

void qformer_start(struct engine *g, const struct qformer *m, struct qformer_room *r, int n)
{
    size_t D = (size_t)m->shape.D, Q = (size_t)m->shape.queries;
    for (size_t i = 0; i < (size_t)n; i++)
        memcpy(r->x + i * Q * D, m->queries, Q * D * sizeof *r->x);
    engine_norm_after(g, r->h, r->x, m->ln_w, m->ln_b, m->shape.eps, n * m->shape.queries,
                      m->shape.D);
}

/* x = norm(x + product of h), and that as input to h. */
static void add_and_norm(struct engine *g, const struct qformer *m, struct qformer_room *r,
                         const struct linear *l, const void *in, size_t width, const float *w,
                         const float *b, int rows)
{
    size_t D = (size_t)m->shape.D;
    engine_linear(g, l, &(struct engine_io){in, width, rows, r->x, D, ENGINE_ADD});
    engine_norm_after(g, r->h, r->x, w, b, m->shape.eps, rows, m->shape.D);
}

/* Attention of each picture's queries over n_keys rows of k and v, ldk apart. */
static void attend(struct engine *g, const struct qformer *m, struct qformer_room *r, size_t ldq,
                   const float *k, const float *v, int n_keys, size_t ldk, int n)
{
    int Q = m->shape.queries;
    struct engine_heads heads = {m->shape.heads, m->shape.D / m->shape.heads, 0, ldq, ldk};
    for (int i = 0; i < n; i++) {
        size_t at = (size_t)i * (size_t)n_keys * ldk;
        r->seq[i] = (struct engine_seq){i * Q, Q, {{k + at, v + at, n_keys}}, 1};
    }
    engine_attend(g, r->h, r->qkv, r->seq, n, &heads);
}

static void look(struct engine *g, const struct qformer *m, struct qformer_room *r,
                 const struct qformer_layer *l, const void *tokens, int n)
{
    size_t D = (size_t)m->shape.D, E = (size_t)m->shape.E;
    int rows = n * m->shape.queries;
    engine_linear(g, &l->q, &(struct engine_io){r->h, D, rows, r->qkv, D, ENGINE_SET});
    engine_linear(g, &l->kv, &(struct engine_io){tokens, E, n * m->shape.tokens, r->kv, 2 * D,
                                                 ENGINE_SET});
    attend(g, m, r, D, r->kv, r->kv + D, m->shape.tokens, 2 * D, n);
    add_and_norm(g, m, r, &l->cross, r->h, D, l->cross_w, l->cross_b, rows);
}

void qformer_layer(struct engine *g, const struct qformer *m, struct qformer_room *r, int layer,
                   const void *tokens, int n)
{
    const struct qformer_layer *l = &m->layer[layer];
    size_t D = (size_t)m->shape.D, F = (size_t)m->shape.F;
    int rows = n * m->shape.queries;
    engine_linear(g, &l->qkv, &(struct engine_io){r->h, D, rows, r->qkv, 3 * D, ENGINE_SET});
    attend(g, m, r, 3 * D, r->qkv + D, r->qkv + 2 * D, m->shape.queries, 3 * D, n);
    add_and_norm(g, m, r, &l->out, r->h, D, l->ln_w, l->ln_b, rows);
    if (layer % m->shape.every == 0)
        look(g, m, r, l, tokens, n);
    engine_linear(g, &l->up, &(struct engine_io){r->h, D, rows, r->f, F, ENGINE_GELU});
    add_and_norm(g, m, r, &l->down, r->f, F, l->end_w, l->end_b, rows);
}

void qformer_run(struct engine *g, const struct qformer *m, struct qformer_room *r,
                 const void *tokens, int n)
{
    qformer_start(g, m, r, n);
    for (int i = 0; i < m->shape.layers; i++)
        qformer_layer(g, m, r, i, tokens, n);
}
