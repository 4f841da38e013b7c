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

/* Rows that qkv and ctx must have beyond the last sequence: they are read and overwritten. */
#define ATTN_SPARE_ROWS 8

/* Floats of scratch for sequences of up to T tokens, in either precision. */
size_t attn_scratch(int T, int head_dim);

/* qkv [T,3,heads,head_dim] -> ctx [T,heads,head_dim]; head_dim is a multiple of 16. Up to
 * ATTN_SPARE_ROWS rows of ctx after the T-th are overwritten, so sequences that lie one behind
 * the other are handled in order. No overlap. Thread-safe. */
void attn_run(float *ctx, const float *qkv, int T, int heads, int head_dim, float *scratch);

/* The same with Q, K, V and the softmax's numerators rounded to bfloat16; only where
 * attn_has_bf16(). qkv is aligned to 4 bytes. */
int attn_has_bf16(void);
void attn_run_bf16(float *ctx, const uint16_t *qkv, int T, int heads, int head_dim,
                   float *scratch);

#endif
