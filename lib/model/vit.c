/* SPDX-License-Identifier: MIT */
#include "model/vit.h"
#include "base/util.h"
#include "nn/gemm.h"
#include <stdlib.h>
#include <string.h>

int vit_tokens(const struct vit_shape *s)
{
    int across = s->side / s->patch;
    return across * across + 1;
}

/* Numbers of a patch. */
static size_t patch_size(const struct vit_shape *s)
{
    return 3 * (size_t)s->patch * (size_t)s->patch;
}

static size_t patch_bytes(const struct engine *g, const struct vit_shape *s, int n)
{
    size_t patches = (size_t)n * (size_t)(vit_tokens(s) - 1);
    return patches * patch_size(s) * engine_input_bytes(g);
}

void vit_room_init(struct vit_room *r, const struct engine *g, const struct vit_shape *s, int n)
{
    block_room_init(&r->block, g, &s->block, n * vit_tokens(s));
    r->patches = xmalloc(patch_bytes(g, s, n));
    r->seq = xcalloc((size_t)n, sizeof *r->seq);
}

void vit_room_release(struct vit_room *r)
{
    block_room_release(&r->block);
    free(r->patches);
    free(r->seq);
    *r = (struct vit_room){0};
}

size_t vit_room_bytes(const struct engine *g, const struct vit_shape *s, int n)
{
    return block_room_bytes(g, &s->block, n * vit_tokens(s)) + patch_bytes(g, s, n);
}

/* ---- patches ---- */

struct cut {
    const struct engine *g;
    const struct vit_shape *s;
    const float *pixels;
    char *to;
};

/* One picture: each patch a row, its numbers by channel, row, column. */
static void cut_picture(void *ctx, int i, int thread)
{
    const struct cut *c = ctx;
    size_t side = (size_t)c->s->side, p = (size_t)c->s->patch, across = side / p;
    size_t bytes = engine_input_bytes(c->g);
    const float *picture = c->pixels + (size_t)i * 3 * side * side;
    char *to = c->to + (size_t)i * across * across * patch_size(c->s) * bytes;
    (void)thread;
    for (size_t at = 0; at < across * across; at++)
        for (size_t line = 0; line < 3 * p; line++, to += p * bytes) {
            const float *from = picture + line / p * side * side +
                                (at / across * p + line % p) * side + at % across * p;
            if (bytes == sizeof(float))
                memcpy(to, from, p * sizeof *from);
            else
                gemm_to_bf16((uint16_t *)(void *)to, from, p);
        }
}

void vit_start(struct engine *g, const struct vit *m, struct vit_room *r, const float *pixels,
               int n)
{
    size_t D = (size_t)m->shape.block.D, tokens = (size_t)vit_tokens(&m->shape);
    size_t in = patch_size(&m->shape), patches = tokens - 1;
    struct cut c = {g, &m->shape, pixels, r->patches};
    engine_each(g, cut_picture, &c, n);
    for (size_t i = 0; i < (size_t)n; i++) {
        float *x = r->block.x + i * tokens * D;
        memcpy(x, m->positions, tokens * D * sizeof *x);
        for (size_t k = 0; k < D; k++)
            x[k] += m->class_token[k];
        engine_linear(g, &m->patches,
                      &(struct engine_io){(char *)r->patches + i * patches * in *
                                          engine_input_bytes(g), in, (int)patches, x + D, D,
                                          ENGINE_ADD});
    }
}

/* ---- blocks ---- */

void vit_layer(struct engine *g, const struct vit *m, struct vit_room *r, int layer, int n)
{
    size_t D = (size_t)m->shape.block.D;
    int tokens = vit_tokens(&m->shape);
    const struct block *b = &m->layer[layer];
    block_project(g, b, &m->shape.block, &r->block, n * tokens);
    for (int i = 0; i < n; i++) {
        const float *qkv = r->block.qkv + (size_t)(i * tokens) * 3 * D;
        r->seq[i] = (struct engine_seq){i * tokens, tokens, {{qkv + D, qkv + 2 * D, tokens}}, 1};
    }
    block_finish(g, b, &m->shape.block, &r->block, n * tokens, r->seq, n, 3 * D);
}

void vit_end(struct engine *g, const struct vit *m, struct vit_room *r, void *out, int n)
{
    engine_norm(g, out, r->block.x, m->ln_w, m->ln_b, m->shape.block.eps,
                n * vit_tokens(&m->shape), m->shape.block.D);
}

void vit_run(struct engine *g, const struct vit *m, struct vit_room *r, void *out,
             const float *pixels, int n)
{
    vit_start(g, m, r, pixels, n);
    for (int i = 0; i < m->shape.layers; i++)
        vit_layer(g, m, r, i, n);
    vit_end(g, m, r, out, n);
}
