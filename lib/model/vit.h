/* SPDX-License-Identifier: MIT */
/* The image tower of BLIP-2: a vision transformer (Dosovitskiy et al., "An Image is Worth 16x16
 * Words"; EVA's ViT-g/14 without its last block). Facts and names: Hugging Face,
 * Blip2VisionModel of transformers 5.23.
 *
 *     vit_start(g, m, &room, pixels, n);             // pixels [n,3,side,side], normalised
 *     for (int i = 0; i < m->shape.layers; i++)
 *         vit_layer(g, m, &room, i, n);
 *     vit_end(g, m, &room, out, n);                  // out [n,tokens,D] input
 *
 * Pictures lie one behind the other, tokens rows each: the class token, then the patches, row
 * by row. A picture's numbers do not depend on the others.
 */
#ifndef MM_MODEL_VIT_H
#define MM_MODEL_VIT_H
#include "nn/block.h"

struct vit_shape {
    struct block_shape block;
    int layers, side, patch;
};

struct vit {
    struct vit_shape shape;
    struct linear patches;                /* [D,3*patch*patch] */
    const float *class_token, *positions; /* [D], [tokens,D] */
    const float *ln_w, *ln_b;             /* [D], after the last block */
    struct block *layer;                  /* [layers] */
};

int vit_tokens(const struct vit_shape *s); /* patches and one */

struct vit_room {
    struct block_room block;
    void *patches; /* [n * (tokens - 1),3*patch*patch] input */
    struct engine_seq *seq;
};

/* For up to n pictures at a time. */
void vit_room_init(struct vit_room *r, const struct engine *g, const struct vit_shape *s, int n);
void vit_room_release(struct vit_room *r);
size_t vit_room_bytes(const struct engine *g, const struct vit_shape *s, int n);

/* The steps; between them room->block.x [n*tokens,D] is what the next one reads. */
void vit_start(struct engine *g, const struct vit *m, struct vit_room *r, const float *pixels,
               int n);
void vit_layer(struct engine *g, const struct vit *m, struct vit_room *r, int layer, int n);
void vit_end(struct engine *g, const struct vit *m, struct vit_room *r, void *out, int n);

/* All of them. */
void vit_run(struct engine *g, const struct vit *m, struct vit_room *r, void *out,
             const float *pixels, int n);

#endif
