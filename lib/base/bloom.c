/* SPDX-License-Identifier: MIT */
#include "base/bloom.h"
#include "base/util.h"
#include <stdlib.h>

void bloom_init(struct bloom *b, int log2_bits)
{
    b->log2_bits = log2_bits;
    b->bits = xcalloc((size_t)1 << (log2_bits - 6), sizeof *b->bits);
}

int bloom_add(struct bloom *b, uint64_t hash)
{
    /* All four bits from one word's neighbourhood would save cache misses and cost accuracy;
     * double hashing (Kirsch and Mitzenmacher 2006) keeps the accuracy. */
    uint64_t step = hash << 32 | hash >> 32 | 1, mask = ((uint64_t)1 << b->log2_bits) - 1;
    int seen = 1;
    for (int i = 0; i < 4; i++, hash += step) {
        uint64_t at = (hash >> 7) & mask, bit = (uint64_t)1 << (at & 63);
        seen &= (b->bits[at >> 6] & bit) != 0;
        b->bits[at >> 6] |= bit;
    }
    return seen;
}

void bloom_release(struct bloom *b)
{
    free(b->bits);
    b->bits = NULL;
}
