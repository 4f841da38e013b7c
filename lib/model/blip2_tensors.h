/* SPDX-License-Identifier: MIT */
/* The tensors of a BLIP-2, one line each: what they are called in Hugging Face's checkpoints,
 * how they lie in the packed file, and where in memory they are wanted. For blip2_weights.c;
 * not for others.
 */
#ifndef MM_MODEL_BLIP2_TENSORS_H
#define MM_MODEL_BLIP2_TENSORS_H
#include "model/blip2_weights.h"

#define BLIP2_PARTS 3

struct blip2_tensor {
    char name[BLIP2_PARTS][120]; /* sources, one behind the other along the rows */
    int parts;
    int rank;
    int64_t shape[4];    /* of each source */
    int rows, cols;      /* of all together; a vector has one column */
    int panels;          /* 1: packed for products, 0: floats */
    const void **to;     /* gets its address */
    size_t at, bytes;    /* in the packed file */
};

struct blip2_list {
    struct blip2_tensor *tensor;
    int n, cap;
    size_t bytes; /* of the packed file: header, tensors, digests */
};

#define BLIP2_HEADER_BYTES 4096

/* Fills the list for w->shape, makes room for w's layers, and points every `to` into w. untied:
 * the output layer has weights of its own. */
void blip2_tensors_list(struct blip2_list *l, struct blip2_weights *w, enum panel_kind kind,
                        int untied);
void blip2_tensors_release(struct blip2_list *l);

#define BLIP2_WORDS "language_model.model.decoder.embed_tokens.weight"
#define BLIP2_HEAD "language_model.lm_head.weight"

#endif
