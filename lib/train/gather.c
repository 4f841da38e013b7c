/* SPDX-License-Identifier: MIT */
#include "train/gather.h"
#include "base/simd.h"
#include <string.h>

#define LINE 64 /* bytes of a cache line */

/* Into the second-level cache: the first holds what the products work on. */
static void ask(const void *p, size_t bytes)
{
    const char *c = p;
    for (size_t k = 0; k < bytes; k += LINE)
        __builtin_prefetch(c + k, 0, 2);
    __builtin_prefetch(c + bytes - 1, 0, 2); /* p need not begin a line */
}

void gather_ask(const struct samples *s, const int *ids, int n)
{
    for (int r = 0; r < n; r++) {
        size_t i = (size_t)ids[r];
        if (s->label)
            __builtin_prefetch(s->label + i, 0, 2);
        if (s->n_dense)
            ask(s->dense + i * s->n_dense, s->n_dense * sizeof *s->dense);
        if (s->bag)
            ask(s->bags + i * s->bag, s->bag * sizeof *s->bags);
        for (int b = 0; b < s->n_blocks; b++)
            if (s->blocks[b].row)
                __builtin_prefetch(s->blocks[b].row + i);
    }
}

/* -1: a zero vector. */
SIMD_INLINE int row_of(const struct samples_block *k, int id)
{
    return k->row ? k->row[id] : id;
}

void gather_ask_vectors(const struct samples *s, const int *ids, int n)
{
    for (int b = 0; b < s->n_blocks; b++) {
        const struct samples_block *k = &s->blocks[b];
        for (int r = 0; r < n; r++) {
            int row = row_of(k, ids[r]);
            if (row >= 0)
                ask(k->rows + (size_t)row * k->dim, k->dim * sizeof *k->rows);
        }
    }
}

/* Sixteen at a time with a count known to the compiler: no call for so few. */
SIMD_INLINE void copy(real *restrict to, const float *restrict from, int n)
{
    int k = 0;
    for (; k + 16 <= n; k += 16)
        for (int j = 0; j < 16; j++)
            to[k + j] = from[k + j];
    for (; k < n; k++)
        to[k] = from[k];
}

SIMD_FAST void gather_dense(real *x, int ld, const struct samples *s, const int *ids, int n)
{
    for (int r = 0; r < n; r++, x += ld)
        copy(x, s->dense + (size_t)ids[r] * s->n_dense, s->n_dense);
}

void gather_bags(int *bags, const struct samples *s, const int *ids, int n)
{
    for (int r = 0; r < n; r++, bags += s->bag) {
        const int *from = s->bags + (size_t)ids[r] * s->bag;
        int k = 0;
        for (; k + 4 <= s->bag; k += 4)
            memcpy(bags + k, from + k, 4 * sizeof *bags);
        for (; k < s->bag; k++)
            bags[k] = from[k];
    }
}

SIMD_FAST void gather_vectors(real *x, int ld, const struct samples *s, int b, const int *ids,
                              int n)
{
    const struct samples_block *k = &s->blocks[b];
    for (int r = 0; r < n; r++, x += ld) {
        int row = row_of(k, ids[r]);
        if (row >= 0)
            copy(x, k->rows + (size_t)row * k->dim, k->dim);
        else
            memset(x, 0, k->dim * sizeof *x);
    }
}
