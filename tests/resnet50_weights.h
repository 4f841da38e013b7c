/* SPDX-License-Identifier: MIT */
/* Weight files that the tests of ResNet write: copies of a small one with something changed,
 * and the full one, whose numbers come from a counter. */
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

static void write_weights(const char *dir, const struct entry *t, int n)
{
    struct buf h = {0};
    size_t at = 0;
    char *path = xasprintf("%s/model.safetensors", dir);
    for (int i = 0; i < n; i++, at += t[i - 1].bytes) {
        buf_addf(&h, "%c\"%s\":{\"dtype\":\"F32\",\"shape\":[", i ? ',' : '{', t[i].name);
        for (int d = 0; d < t[i].rank; d++)
            buf_addf(&h, "%s%lld", d ? "," : "", (long long)t[i].shape[d]);
        buf_addf(&h, "],\"data_offsets\":[%zu,%zu]}", at, at + t[i].bytes);
    }
    buf_addc(&h, '}');
    uint64_t len = h.len;
    FILE *f = fopen(path, "wb");
    if (!f)
        die("cannot write %s", path);
    fwrite(&len, 8, 1, f);
    fwrite(h.data, 1, h.len, f);
    for (int i = 0; i < n; i++) {
        float *v = t[i].data ? NULL : xmalloc(t[i].bytes);
        if (v)
            fill(v, &t[i]);
        fwrite(v ? v : t[i].data, 1, t[i].bytes, f);
        free(v);
    }
    if (fclose(f) != 0)
        die("cannot write %s", path);
    buf_release(&h);
    free(path);
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
