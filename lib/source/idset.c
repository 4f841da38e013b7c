/* SPDX-License-Identifier: MIT */
#include "source/idset.h"
#include "base/util.h"
#include <stdlib.h>
#include <string.h>

void idset_add(struct idset *s, int64_t id)
{
    size_t w = (size_t)id / 64;
    if (w >= s->words) {
        size_t words = w + w / 2 + 64;
        s->word = xrealloc(s->word, words, sizeof *s->word);
        memset(s->word + s->words, 0, (words - s->words) * sizeof *s->word);
        s->words = words;
    }
    s->word[w] |= UINT64_C(1) << (id % 64);
}

int idset_has(const struct idset *s, int64_t id)
{
    size_t w = (size_t)id / 64;
    return w < s->words && (s->word[w] >> (id % 64) & 1);
}

int64_t idset_next(const struct idset *s, int64_t id)
{
    for (size_t w = (size_t)id / 64; w < s->words; w++) {
        uint64_t bits = s->word[w];
        if (w == (size_t)id / 64)
            bits &= ~UINT64_C(0) << (id % 64);
        if (bits)
            return (int64_t)w * 64 + __builtin_ctzll(bits);
    }
    return -1;
}

int64_t idset_count(const struct idset *s)
{
    int64_t n = 0;
    for (size_t w = 0; w < s->words; w++)
        n += __builtin_popcountll(s->word[w]);
    return n;
}

void idset_release(struct idset *s)
{
    free(s->word);
    *s = (struct idset){0};
}
