/* SPDX-License-Identifier: MIT */
/* The parts of a MiniLM in memory, which minilm_load.c reads from a folder and minilm.c
 * computes with; not for others. D width, H heads, L layers, F width of the feed-forward part,
 * V pieces of the vocabulary.
 */
#ifndef MM_MODEL_MINILM_LOAD_H
#define MM_MODEL_MINILM_LOAD_H
#include "base/arena.h"
#include "base/sha256.h"
#include "model/minilm.h"
#include "nn/wordpiece.h"

#define MINILM_LAYERS 64 /* at most */

struct minilm_layer {
    struct gemm *qkv, *out, *up, *down; /* [3D,D], [D,D], [F,D], [D,F] */
    float *ln1_w, *ln1_b, *ln2_w, *ln2_b; /* [D]; ln1 after attention, ln2 after the FFN */
};

struct minilm {
    int D, H, L, F, V, positions, max_tokens;
    double eps;
    enum gemm_precision precision;
    unsigned char digest[SHA256_BYTES];
    struct wordpiece *pieces;
    struct arena weights;    /* what is not packed */
    float *word, *position, *type; /* [V,D], [positions,D], [2,D] */
    float *ln_w, *ln_b;      /* [D]; of their sum */
    struct minilm_layer layer[MINILM_LAYERS];
};

#endif
