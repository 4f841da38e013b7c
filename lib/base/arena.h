/* SPDX-License-Identifier: MIT */
/* One aligned, zeroed block of floats carved into tensors and freed at once. Weights,
 * gradients, moments and scratch are one arena each: zeroing is a memset, a step is one
 * loop, saving is one write.
 *
 *     struct arena a;
 *     arena_init(&a, arena_room(w) + arena_room(b));
 *     float *W = arena_take(&a, w), *B = arena_take(&a, b);
 *     arena_release(&a);
 */
#ifndef MM_BASE_ARENA_H
#define MM_BASE_ARENA_H
#include <stddef.h>

struct arena {
    float *base; /* 64-byte aligned */
    size_t used, cap; /* floats */
};

size_t arena_room(size_t floats); /* floats that a tensor of that size takes: a multiple of 16 */
void arena_init(struct arena *a, size_t floats); /* dies on no memory */
float *arena_take(struct arena *a, size_t floats); /* aligned to 64 bytes; asserts there is room */
void arena_release(struct arena *a);

#endif
