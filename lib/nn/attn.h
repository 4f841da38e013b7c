/* SPDX-License-Identifier: MIT */
/* Multi-head self-attention of one sequence, softmax(Q K^T / sqrt d) V (Vaswani et al.,
 * "Attention Is All You Need", section 3.2), without any padding of the sequence.
 *
 *     float *scratch = arena_take(&a, attn_scratch(T, 32));
 *     attn_run(ctx, qkv, T, 12, 32, scratch);    // qkv [T,3*12*32] -> ctx [T,12*32]
 */
#ifndef MM_NN_ATTN_H
#define MM_NN_ATTN_H
#include <stddef.h>
#include <stdint.h>

/* Rows that q must have beyond the last sequence: they are read, and mean nothing. In bf16 ctx
 * must have them too: there they are overwritten. */
#define ATTN_SPARE_ROWS 8

/* Floats of scratch for sequences of up to T tokens, in either precision. */
size_t attn_scratch(int T, int head_dim);

/* qkv [T,3,heads,head_dim] -> ctx [T,heads,head_dim]; head_dim is a multiple of 8. No overlap.
 * Thread-safe, as all functions here. */
void attn_run(float *ctx, const float *qkv, int T, int heads, int head_dim, float *scratch);

/* Keys and values of one head, a row a position. */
struct attn_part {
    const float *k, *v; /* [n] rows, ld apart */
    int n;
};

/* One head whose keys lie in parts, one behind the other (a cache, then what is new): q
 * [queries] rows, ldq apart -> out [queries,head_dim], ldo apart. ld: of the parts' rows.
 * scratch is for all keys together. With causal the last query sees all keys, each before it
 * one less. One query alone is computed without any transposing. */
void attn_head(float *out, size_t ldo, const float *q, size_t ldq, int queries,
               const struct attn_part *part, int parts, size_t ld, int head_dim, int causal,
               float *scratch);

/* As attn_run, with Q, K, V and the softmax's numerators rounded to bfloat16; only where
 * attn_has_bf16(). qkv is aligned to 4 bytes; head_dim is a multiple of 16. Up to
 * ATTN_SPARE_ROWS rows of ctx after the T-th are overwritten, so sequences that lie one behind
 * the other are handled in order. */
int attn_has_bf16(void);
void attn_run_bf16(float *ctx, const uint16_t *qkv, int T, int heads, int head_dim,
                   float *scratch);

#endif
