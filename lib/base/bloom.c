/* SPDX-License-Identifier: MIT */
#include "base/bloom.h"
#include "base/util.h"
#include <stdlib.h>
#include <string.h>

void bloom_init(struct bloom *b, int log2_bits)
{
    b->log2_bits = log2_bits;
    b->bits = aligned_alloc(64, (size_t)1 << (log2_bits - 3));
    if (!b->bits)
        die("out of memory asking for a filter of 2^%d bits", log2_bits);
    memset(b->bits, 0, (size_t)1 << (log2_bits - 3));
}

int bloom_add(struct bloom *b, uint64_t hash)
{
    /* All four bits in one cache line (Putze, Sanders and Singler 2007, "blocked"): one miss
     * instead of four, for about twice the false answers. */
    uint64_t line = (hash >> 36) & (((uint64_t)1 << (b->log2_bits - 9)) - 1);
    uint64_t *word = b->bits + line * 8;
    int seen = 1;
    for (int i = 0; i < 4; i++, hash >>= 9) {
        uint64_t bit = (uint64_t)1 << (hash & 63);
        seen &= (word[hash >> 6 & 7] & bit) != 0;
        word[hash >> 6 & 7] |= bit;
    }
    return seen;
}

void bloom_release(struct bloom *b)
{
    free(b->bits);
    b->bits = NULL;
}
