/* SPDX-License-Identifier: MIT */
/* A Bloom filter of fixed size (Bloom 1970): "never seen" is certain, "seen" may be wrong. Saves
 * a look-up in a large table for what is new, in memory that does not grow.
 *
 *     struct bloom b;
 *     bloom_init(&b, 23);                    // 2^23 bits = 1 MiB
 *     if (!bloom_add(&b, hash)) ...          // certainly new
 *     bloom_release(&b);
 *
 * 4 bits an item: at 16 bits an item 0.24 % of the new are taken for seen, at 6 bits 6 %.
 */
#ifndef MM_BASE_BLOOM_H
#define MM_BASE_BLOOM_H
#include <stdint.h>

struct bloom {
    uint64_t *bits;
    int log2_bits;
};

void bloom_init(struct bloom *b, int log2_bits); /* dies on no memory */
/* Adds a well-mixed hash; 1 when it may have been there before, 0 when it was not. */
int bloom_add(struct bloom *b, uint64_t hash);
void bloom_release(struct bloom *b);

#endif
