/* SPDX-License-Identifier: MIT */
#include "nn/block.h"
#include "base/util.h"
#include <stdlib.h>
#include <string.h>

static size_t line(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

/* Bytes of the four arrays; their sum. */
static size_t sizes(size_t size[4], const struct engine *g, const struct block_shape *s, int R)
{
    size_t D = (size_t)s->D, in = engine_input_bytes(g), rows = (size_t)R;
    size[0] = line(rows * D * sizeof(float));
    size[1] = line(rows * D * in);
    size[2] = line((rows + ATTN_SPARE_ROWS) * 3 * D * sizeof(float));
    size[3] = line(rows * (size_t)s->F * in);
    return size[0] + size[1] + size[2] + size[3];
}

size_t block_room_bytes(const struct engine *g, const struct block_shape *s, int R)
{
    size_t size[4];
    return sizes(size, g, s, R);
}

void block_room_init(struct block_room *r, const struct engine *g, const struct block_shape *s,
                     int R)
{
    size_t size[4], all = sizes(size, g, s, R);
    char *p = aligned_alloc(64, all);
    if (!p)
        die("out of memory asking for %zu bytes", all);
    memset(p, 0, all); /* spare rows are read */
    *r = (struct block_room){(float *)(void *)p, p + size[0],
                             (float *)(void *)(p + size[0] + size[1]),
                             p + size[0] + size[1] + size[2], p};
}

void block_room_release(struct block_room *r)
{
    free(r->memory);
    *r = (struct block_room){0};
}

void block_project(struct engine *g, const struct block *b, const struct block_shape *s,
                   struct block_room *r, int rows)
{
    size_t D = (size_t)s->D;
    engine_norm(g, r->h, r->x, b->ln1_w, b->ln1_b, s->eps, rows, s->D);
    engine_linear(g, &b->qkv, &(struct engine_io){r->h, D, rows, r->qkv, 3 * D, ENGINE_SET});
}

void block_finish(struct engine *g, const struct block *b, const struct block_shape *s,
                  struct block_room *r, int rows, const struct engine_seq *seq, int n, size_t ldk)
{
    size_t D = (size_t)s->D, F = (size_t)s->F;
    struct engine_heads heads = {s->heads, s->D / s->heads, s->causal, 3 * D, ldk};
    engine_attend(g, r->h, r->qkv, seq, n, &heads);
    engine_linear(g, &b->out, &(struct engine_io){r->h, D, rows, r->x, D, ENGINE_ADD});
    engine_norm(g, r->h, r->x, b->ln2_w, b->ln2_b, s->eps, rows, s->D);
    engine_linear(g, &b->up, &(struct engine_io){r->h, D, rows, r->f, F, s->act});
    engine_linear(g, &b->down, &(struct engine_io){r->f, F, rows, r->x, D, ENGINE_ADD});
}
