/* SPDX-License-Identifier: MIT */
/* The query transformer of BLIP-2 (Li et al., "BLIP-2: Bootstrapping Language-Image
 * Pre-training"): a BERT with the norms after, whose queries are learnt vectors that look at
 * the tokens of a picture in every second layer. Facts and names: Hugging Face,
 * Blip2QFormerModel of transformers 5.23.
 *
 *     qformer_run(g, m, &room, tokens, n);     // tokens [n,T,E] input of vit_end
 *     // room.h [n*Q,D] input, room.x the same as floats
 *
 * Q queries, D width, T tokens of a picture, E their width.
 */
#ifndef MM_MODEL_QFORMER_H
#define MM_MODEL_QFORMER_H
#include "nn/engine.h"

struct qformer_shape {
    int D, heads, F, layers, queries;
    int E, tokens;   /* of what is looked at */
    int every;       /* layers 0, every, 2*every, ... look at the picture */
    double eps;
};

struct qformer_layer {
    struct linear qkv, out;         /* [3D,D], [D,D]; of the queries among themselves */
    const float *ln_w, *ln_b;       /* [D] */
    struct linear q, kv, cross;     /* [D,D], [2D,E], [D,D]; of the look at the picture */
    const float *cross_w, *cross_b; /* [D] */
    struct linear up, down;         /* [F,D], [D,F] */
    const float *end_w, *end_b;     /* [D] */
};

struct qformer {
    struct qformer_shape shape;
    const float *queries;     /* [Q,D] */
    const float *ln_w, *ln_b; /* [D] of the queries */
    struct qformer_layer *layer;
};

struct qformer_room {
    float *x, *qkv, *kv; /* [n*Q,D], [n*Q + spare,3D], [n*T,2D] */
    void *h, *f;         /* [n*Q,D], [n*Q,F] input */
    struct engine_seq *seq;
    void *memory;
};

void qformer_room_init(struct qformer_room *r, const struct engine *g,
                       const struct qformer_shape *s, int n);
void qformer_room_release(struct qformer_room *r);
size_t qformer_room_bytes(const struct engine *g, const struct qformer_shape *s, int n);

void qformer_start(struct engine *g, const struct qformer *m, struct qformer_room *r, int n);
void qformer_layer(struct engine *g, const struct qformer *m, struct qformer_room *r, int layer,
                   const void *tokens, int n);
void qformer_run(struct engine *g, const struct qformer *m, struct qformer_room *r,
                 const void *tokens, int n);

#endif
