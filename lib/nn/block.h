/* SPDX-License-Identifier: MIT */
/* One block of a pre-norm transformer (Vaswani et al. with the norms first, as GPT-2, OPT and
 * the vision transformer have them), for nn/engine.h:
 *
 *     x += out(attention(qkv(LN1(x))));  x += down(act(up(LN2(x))))
 *
 *     block_project(g, b, &shape, &room, rows);           // room.qkv [rows,3D]
 *     ... caches what it likes of room.qkv ...
 *     block_finish(g, b, &shape, &room, rows, seqs, n);
 *
 * R rows, D width, F width of the feed-forward part. Weights are borrowed.
 */
#ifndef MM_NN_BLOCK_H
#define MM_NN_BLOCK_H
#include "nn/engine.h"

struct block {
    const float *ln1_w, *ln1_b, *ln2_w, *ln2_b; /* [D] */
    struct linear qkv, out, up, down;           /* [3D,D], [D,D], [F,D], [D,F] */
};

struct block_shape {
    int D, heads, F;
    double eps;
    enum engine_then act; /* ENGINE_GELU or ENGINE_RELU */
    int causal;
};

/* What rows are computed in; x is the caller's to fill and to read. */
struct block_room {
    float *x;   /* [R,D] the residual stream */
    void *h;    /* [R,D] input: of the products */
    float *qkv; /* [R + ATTN_SPARE_ROWS,3D] */
    void *f;    /* [R,F] input */
    void *memory;
};

/* For up to R rows; dies on no memory. */
void block_room_init(struct block_room *r, const struct engine *g, const struct block_shape *s,
                     int R);
void block_room_release(struct block_room *r);
size_t block_room_bytes(const struct engine *g, const struct block_shape *s, int R);

void block_project(struct engine *g, const struct block *b, const struct block_shape *s,
                   struct block_room *r, int rows);
/* The queries are r->qkv, rows 3D apart; the parts of seq have rows ldk apart. */
void block_finish(struct engine *g, const struct block *b, const struct block_shape *s,
                  struct block_room *r, int rows, const struct engine_seq *seq, int n, size_t ldk);

#endif
