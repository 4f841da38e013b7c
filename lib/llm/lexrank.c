/* SPDX-License-Identifier: MIT */
#include "llm/lexrank.h"
#include "base/util.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EDGE 0.1f
#define DAMPING 0.15f
#define ROUNDS 50

static int by_hash(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* How many of the n bags hold the word: all words of all bags, sorted. */
static uint64_t *all_words(const struct lexrank_bag *b, int n, size_t *total)
{
    *total = 0;
    for (int i = 0; i < n; i++)
        *total += (size_t)b[i].n;
    uint64_t *all = xcalloc(*total, sizeof *all), *p = all;
    for (int i = 0; i < n; i++) {
        if (b[i].n)
            memcpy(p, b[i].hash, (size_t)b[i].n * sizeof *p);
        p += b[i].n;
    }
    qsort(all, *total, sizeof *all, by_hash);
    return all;
}

static size_t lower_bound(const uint64_t *all, size_t total, uint64_t key)
{
    size_t lo = 0, hi = total;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (all[mid] < key)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* Counts to tf-idf, unit length. idf = ln(n / sentences with the word) + 1, so that a set of
 * one sentence still has weights. */
static void weigh(struct lexrank_bag *b, int n)
{
    size_t total;
    uint64_t *all = all_words(b, n, &total);
    for (int i = 0; i < n; i++) {
        float sum = 0;
        for (int j = 0; j < b[i].n; j++) {
            uint64_t h = b[i].hash[j];
            size_t df = lower_bound(all, total, h + 1) - lower_bound(all, total, h);
            b[i].count[j] *= logf((float)n / (float)df) + 1;
            sum += b[i].count[j] * b[i].count[j];
        }
        float f = sum > 0 ? 1 / sqrtf(sum) : 0;
        for (int j = 0; j < b[i].n; j++)
            b[i].count[j] *= f;
    }
    free(all);
}

static float dot(const struct lexrank_bag *a, const struct lexrank_bag *b)
{
    float s = 0;
    for (int i = 0, j = 0; i < a->n && j < b->n;) {
        if (a->hash[i] == b->hash[j])
            s += a->count[i++] * b->count[j++];
        else if (a->hash[i] < b->hash[j])
            i++;
        else
            j++;
    }
    return s;
}

void lexrank(float *rank, float *cosine, struct lexrank_bag *bags, int n)
{
    weigh(bags, n);
    int *degree = xcalloc((size_t)n, sizeof *degree);
    float *next = xcalloc((size_t)n, sizeof *next);
    for (int i = 0; i < n; i++)
        for (int j = 0; j <= i; j++) {
            float c = i == j ? 1 : dot(&bags[i], &bags[j]);
            cosine[(size_t)i * (size_t)n + (size_t)j] = c;
            cosine[(size_t)j * (size_t)n + (size_t)i] = c;
            if (c >= EDGE) {
                degree[i]++;
                degree[j] += i != j;
            }
        }
    for (int i = 0; i < n; i++)
        rank[i] = 1.0f / (float)n;
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < n; i++) {
            float s = 0;
            for (int j = 0; j < n; j++)
                if (cosine[(size_t)i * (size_t)n + (size_t)j] >= EDGE)
                    s += rank[j] / (float)degree[j];
            next[i] = DAMPING / (float)n + (1 - DAMPING) * s;
        }
        memcpy(rank, next, (size_t)n * sizeof *rank);
    }
    free(degree);
    free(next);
}
