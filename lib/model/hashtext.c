/* SPDX-License-Identifier: MIT */
#include "model/hashtext.h"
#include "base/rng.h"
#include "base/util.h"
#include "base/words.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum kind { WORD, PAIR, GRAM };
static const float weight[] = {1, 0.5f, 0.25f};

struct features {
    uint64_t *hash; /* the two lowest bits are the kind */
    size_t n, cap;
};

static void add(struct features *f, uint64_t h, enum kind kind)
{
    if (f->n == f->cap) {
        f->cap = f->cap * 2 + 256;
        f->hash = xrealloc(f->hash, f->cap, sizeof *f->hash);
    }
    f->hash[f->n++] = (rng_mix(h + (uint64_t)kind) & ~UINT64_C(3)) | (uint64_t)kind;
}

/* The word between marks of its ends, cut at character boundaries into 3- and 4-grams. */
static void add_grams(struct features *f, const char *w, size_t len)
{
    char p[256];
    size_t at[256], n = 0;
    if (len > sizeof p - 2)
        len = sizeof p - 2;
    p[0] = '<';
    memcpy(p + 1, w, len);
    p[len + 1] = '>';
    for (size_t i = 0; i < len + 2; i++)
        if (((unsigned char)p[i] & 0xc0) != 0x80)
            at[n++] = i;
    for (size_t size = 3; size <= 4; size++)
        for (size_t i = 0; i + size <= n; i++) {
            size_t end = i + size < n ? at[i + size] : len + 2;
            uint64_t h = size;
            for (size_t j = at[i]; j < end; j++)
                h = (h ^ (unsigned char)p[j]) * UINT64_C(0x100000001b3);
            add(f, h, GRAM);
        }
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void accumulate(float *v, struct features *f)
{
    if (f->n)
        qsort(f->hash, f->n, sizeof *f->hash, by_value);
    for (size_t i = 0, j; i < f->n; i = j) {
        for (j = i; j < f->n && f->hash[j] == f->hash[i];)
            j++;
        uint64_t h = f->hash[i] >> 2;
        float x = weight[f->hash[i] & 3] * (1 + logf((float)(j - i)));
        v[(h >> 1) % HASHTEXT_DIM] += h & 1 ? x : -x;
    }
}

void hashtext_of(float *v, const char *text, size_t n)
{
    struct words w = {0};
    struct features f = {0};
    memset(v, 0, HASHTEXT_DIM * sizeof *v);
    words_split(&w, text, n);
    for (int i = 0; i < w.n; i++) {
        if (!w.w[i].stop) {
            add(&f, w.w[i].hash, WORD);
            add_grams(&f, words_at(&w, i), w.w[i].len);
        }
        if (i > 0)
            add(&f, w.w[i - 1].hash * 3 + w.w[i].hash, PAIR);
    }
    accumulate(v, &f);
    double sum = 0;
    for (int i = 0; i < HASHTEXT_DIM; i++)
        sum += (double)v[i] * v[i];
    float scale = sum > 0 ? (float)(1 / sqrt(sum)) : 0;
    for (int i = 0; i < HASHTEXT_DIM; i++)
        v[i] *= scale;
    words_release(&w);
    free(f.hash);
}
