/* SPDX-License-Identifier: MIT */
/* Weight files that tests of networks write: copies of a small one with something changed, and
 * large ones, whose numbers come from a counter. */
#ifndef RESNET50_WEIGHTS_H
#define RESNET50_WEIGHTS_H
#include "base/buf.h"
#include "base/rng.h"
#include "base/util.h"
#include "nn/safetensors.h"
#include <stdlib.h>
#include <string.h>

__attribute__((unused)) static void write_file(const char *dir, const char *name, const void *p,
                                               size_t n)
{
    char *path = xasprintf("%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(p, 1, n, f) != n || fclose(f) != 0)
        die("cannot write %s", path);
    free(path);
}

struct entry {
    char name[128];
    int rank;
    int64_t shape[4];
    const void *data; /* or NULL: made from number, lo and hi */
    size_t bytes;
    uint64_t number;
    float lo, hi;
};

static void fill(float *v, const struct entry *t)
{
    for (uint64_t i = 0; i < t->bytes / sizeof *v; i++) {
        float u = (float)(rng_mix((t->number << 32) + i) >> 40) * 0x1p-24f;
        v[i] = t->lo + (t->hi - t->lo) * u;
    }
}

/* binary16, for numbers that are normal in it; cut off. */
static uint16_t to_half(float x)
{
    uint32_t b;
    memcpy(&b, &x, sizeof b);
    int exponent = (int)(b >> 23 & 255) - 127 + 15;
    return exponent <= 0 ? 0 : (uint16_t)((b >> 16 & 0x8000) | (uint32_t)exponent << 10 |
                                          (b >> 13 & 1023));
}

/* Tensor t as dtype "F32", "F16" or "BF16" (cut off). */
static void put_tensor(FILE *f, const struct entry *t, const char *dtype)
{
    size_t n = t->bytes / sizeof(float);
    float *v = t->data ? NULL : xmalloc(t->bytes);
    if (v)
        fill(v, t);
    const float *from = v ? v : t->data;
    if (strcmp(dtype, "F32") == 0)
        fwrite(from, 1, t->bytes, f);
    else
        for (size_t i = 0; i < n; i++) {
            uint32_t b;
            memcpy(&b, &from[i], sizeof b);
            uint16_t h = strcmp(dtype, "F16") == 0 ? to_half(from[i]) : (uint16_t)(b >> 16);
            fwrite(&h, 2, 1, f);
        }
    free(v);
}

static void write_tensors(const char *dir, const char *file, const struct entry *t, int n,
                          const char *dtype)
{
    struct buf h = {0};
    size_t at = 0, half = strcmp(dtype, "F32") ? 2 : 1;
    char *path = xasprintf("%s/%s", dir, file);
    for (int i = 0; i < n; i++, at += t[i - 1].bytes / half) {
        buf_addf(&h, "%c\"%s\":{\"dtype\":\"%s\",\"shape\":[", i ? ',' : '{', t[i].name, dtype);
        for (int d = 0; d < t[i].rank; d++)
            buf_addf(&h, "%s%lld", d ? "," : "", (long long)t[i].shape[d]);
        buf_addf(&h, "],\"data_offsets\":[%zu,%zu]}", at, at + t[i].bytes / half);
    }
    buf_addc(&h, '}');
    uint64_t len = h.len;
    FILE *f = fopen(path, "wb");
    if (!f)
        die("cannot write %s", path);
    fwrite(&len, 8, 1, f);
    fwrite(h.data, 1, h.len, f);
    for (int i = 0; i < n; i++)
        put_tensor(f, &t[i], dtype);
    if (fclose(f) != 0)
        die("cannot write %s", path);
    buf_release(&h);
    free(path);
}

__attribute__((unused)) static void write_weights(const char *dir, const struct entry *t, int n)
{
    write_tensors(dir, "model.safetensors", t, n, "F32");
}

/* The float tensors of a file; they point into st. */
__attribute__((unused)) static struct entry *entries_of(const struct safetensors *st, int *n)
{
    struct entry *t = xcalloc(safetensors_count(st), sizeof *t);
    *n = 0;
    for (size_t i = 0; i < safetensors_count(st); i++) {
        const struct st_tensor *s = safetensors_at(st, i);
        if (s->dtype != ST_F32)
            continue;
        struct entry *to = &t[(*n)++];
        snprintf(to->name, sizeof to->name, "%s", s->name);
        to->rank = s->rank;
        memcpy(to->shape, s->shape, sizeof to->shape);
        to->data = s->data;
        to->bytes = s->bytes;
    }
    return t;
}

#endif
