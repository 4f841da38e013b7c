/* SPDX-License-Identifier: MIT */
/* OPT, the language model of BLIP-2 (Zhang et al., "OPT: Open Pre-trained Transformer Language
 * Models"): pre-norm blocks with ReLU, learnt positions that begin at row 2 of their table.
 * Facts and names: Hugging Face, OPTForCausalLM of transformers 5.23.
 *
 *     optlm_prompt(g, m, &room, &cache, vectors, 32, ids, n_ids, n);  // room.logits [n,V]
 *     optlm_step(g, m, &room, &cache, &step);                         // room.logits [rows,V]
 *
 * Items (pictures) have prompts of one length L: vectors first, then ids. What is generated
 * after a prompt is kept in slots, so that several continuations (beams) share the prompt. V
 * vocabulary, D width.
 */
#ifndef MM_MODEL_OPTLM_H
#define MM_MODEL_OPTLM_H
#include "nn/block.h"

struct optlm_shape {
    struct block_shape block;
    int layers, vocab, positions; /* rows of the table of positions */
};

#define OPTLM_OFFSET 2 /* rows of that table that nobody uses */

struct optlm {
    struct optlm_shape shape;
    struct linear words;      /* [V,D]: as a table */
    struct linear head;       /* [V,D]: as a product; often the same */
    const float *positions;   /* [positions,D] */
    const float *ln_w, *ln_b; /* [D], after the last block */
    struct block *layer;
};

/* Keys and values, side by side: [2D] a position. */
struct optlm_cache {
    float *prompt; /* [layers,items,L,2D] */
    float *own;    /* [layers,slots,steps,2D] */
    int items, length, slots, steps;
};

void optlm_cache_init(struct optlm_cache *c, const struct optlm_shape *s, int items, int length,
                      int slots, int steps);
void optlm_cache_release(struct optlm_cache *c);
size_t optlm_cache_bytes(const struct optlm_shape *s, int items, int length, int slots, int steps);

struct optlm_room {
    struct block_room block;
    void *last;    /* [rows,D] input: of which logits are wanted */
    float *logits; /* [rows,V] */
    struct engine_seq *seq;
};

/* For up to rows tokens at a time in up to seqs sequences. */
void optlm_room_init(struct optlm_room *r, const struct engine *g, const struct optlm_shape *s,
                     int rows, int seqs);
void optlm_room_release(struct optlm_room *r);
size_t optlm_room_bytes(const struct engine *g, const struct optlm_shape *s, int rows, int seqs);

/* vectors [items,Q,D], then ids [n_ids] for each item, Q + n_ids = L -> logits of what follows
 * the prompts. */
void optlm_prompt(struct engine *g, const struct optlm *m, struct optlm_room *r,
                  struct optlm_cache *c, const float *vectors, int Q, const int *ids, int n_ids,
                  int items);

/* One more token for each row: token[i] is the t-th (from 0) after the prompt of item[i], in
 * slot[i], which holds the t before it -> logits of what follows. */
struct optlm_rows {
    const int *token, *item, *slot;
    int rows, t;
};
void optlm_step(struct engine *g, const struct optlm *m, struct optlm_room *r,
                struct optlm_cache *c, const struct optlm_rows *rows);

/* slot `to` becomes a copy of slot `from`: its first t tokens, in all layers. */
void optlm_copy_slot(struct optlm_cache *c, const struct optlm_shape *s, int to, int from, int t);

/* The parts of both, for those who look at each block: x [rows,D] is room->block.x. */
void optlm_prompt_start(struct engine *g, const struct optlm *m, struct optlm_room *r,
                        const float *vectors, int Q, const int *ids, int n_ids, int items);
void optlm_prompt_layer(struct engine *g, const struct optlm *m, struct optlm_room *r,
                        struct optlm_cache *c, int layer, int items);
void optlm_prompt_end(struct engine *g, const struct optlm *m, struct optlm_room *r, int length,
                      int items);

#endif
