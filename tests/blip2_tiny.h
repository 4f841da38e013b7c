/* SPDX-License-Identifier: MIT */
/* The folder of the small BLIP-2 of tests/golden/blip2/make.py, for its tests. */
#ifndef BLIP2_TINY_H
#define BLIP2_TINY_H
#include "made_weights.h"
#include "model/blip2.h"
#include <sys/stat.h>

#define BLIP2_GOLDEN "tests/golden/blip2/"
enum { TINY_TENSORS = 400, TINY_PICTURES = 7, TINY_SIDE = 28 };

/* tensors.tsv to t [TINY_TENSORS]; returns their number. */
static int tiny_tensors(struct entry *t)
{
    int n = 0;
    char shape[64];
    FILE *f = fopen(BLIP2_GOLDEN "tensors.tsv", "r");
    if (!f)
        die("no " BLIP2_GOLDEN "tensors.tsv");
    memset(t, 0, TINY_TENSORS * sizeof *t);
    while (n < TINY_TENSORS && fscanf(f, "%lu %127s %f %f %63s", &t[n].number, t[n].name, &t[n].lo,
                                      &t[n].hi, shape) == 5) {
        size_t count = 1;
        for (char *p = shape; p; p = strchr(p, 'x') ? strchr(p, 'x') + 1 : NULL)
            count *= (size_t)(t[n].shape[t[n].rank++] = strtol(p, NULL, 10));
        t[n++].bytes = count * sizeof(float);
    }
    fclose(f);
    for (int i = 0; i < n; i++) /* as make.py: k has no bias */
        if (strstr(t[i].name, ".self_attn.qkv.bias")) {
            float *v = xmalloc(t[i].bytes);
            size_t D = t[i].bytes / sizeof *v / 3;
            fill(v, &t[i]);
            memset(v + D, 0, D * sizeof *v);
            t[i].data = v;
        }
    return n;
}

static void tiny_release(struct entry *t, int n)
{
    for (int i = 0; i < n; i++)
        free((void *)(uintptr_t)t[i].data);
}

__attribute__((unused)) static void copy_file(const char *dir, const char *name, const char *from)
{
    struct buf b = {0};
    struct err e;
    char *path = xasprintf("%s/%s", from, name);
    if (buf_read_file(&b, path, 16 << 20, &e) < 0)
        die("%s", e.text);
    write_file(dir, name, buf_str(&b), b.len);
    buf_release(&b);
    free(path);
}

/* Everything but the weights. */
__attribute__((unused)) static void tiny_others(const char *dir)
{
    copy_file(dir, "config.json", BLIP2_GOLDEN "tiny");
    copy_file(dir, "generation_config.json", BLIP2_GOLDEN "tiny");
    copy_file(dir, "vocab.json", "tests/golden/bpe/small");
    copy_file(dir, "merges.txt", "tests/golden/bpe/small");
    const char prep[] = "{\"size\":{\"height\":28,\"width\":28},\"resample\":3}";
    write_file(dir, "preprocessor_config.json", prep, sizeof prep - 1);
}

/* All of it, in one file of weights. */
__attribute__((unused)) static void tiny_folder(const char *dir, const char *dtype)
{
    struct entry *t = xcalloc(TINY_TENSORS, sizeof *t);
    int n = tiny_tensors(t);
    tiny_others(dir);
    write_tensors(dir, "model.safetensors", t, n, dtype);
    tiny_release(t, n);
    free(t);
}

/* The same in two files and an index. */
__attribute__((unused)) static void tiny_shards(const char *dir, const char *dtype)
{
    static const char *const file[] = {"model-00001-of-00002.safetensors",
                                       "model-00002-of-00002.safetensors"};
    struct entry *t = xcalloc(TINY_TENSORS, sizeof *t);
    struct buf b = {0};
    int n = tiny_tensors(t), half = n / 3;
    tiny_others(dir);
    write_tensors(dir, file[0], t, half, dtype);
    write_tensors(dir, file[1], t + half, n - half, dtype);
    buf_adds(&b, "{\"metadata\":{},\"weight_map\":{");
    for (int i = 0; i < n; i++)
        buf_addf(&b, "%s\"%s\":\"%s\"", i ? "," : "", t[i].name, file[i >= half]);
    buf_adds(&b, "}}");
    write_file(dir, "model.safetensors.index.json", b.data, b.len);
    buf_release(&b);
    tiny_release(t, n);
    free(t);
}

/* pixels [TINY_PICTURES,3,28,28] */
__attribute__((unused)) static float *tiny_pixels(void)
{
    struct entry t = {.number = 999, .lo = -2, .hi = 2,
                      .bytes = TINY_PICTURES * 3 * TINY_SIDE * TINY_SIDE * sizeof(float)};
    float *v = xmalloc(t.bytes);
    fill(v, &t);
    return v;
}

/* ---- folders for one program ---- */

static char temp[] = "/tmp/mm_test_blip2.XXXXXX"; /* for mkdtemp */

__attribute__((unused)) static char *folder(const char *name)
{
    char *dir = xasprintf("%s/%s", temp, name);
    mkdir(dir, 0777);
    return dir;
}

/* ---- captions ---- */

__attribute__((unused)) static struct blip2 *open_tiny(const char *dir, const struct blip2_options *o)
{
    struct err e;
    struct blip2 *m = blip2_open(dir, o, &e);
    if (!m)
        die("%s", e.text);
    return m;
}

__attribute__((unused)) static void draw(struct blip2 *m, int i, int seed)
{
    struct image img = {50 + seed, 40, xmalloc((size_t)(50 + seed) * 40 * 3)};
    for (int k = 0; k < (50 + seed) * 40 * 3; k++)
        img.rgb[k] = (unsigned char)(rng_mix((uint64_t)(k / (5 + seed) + 1000 * seed)) & 255);
    blip2_picture(m, i, &img);
    image_release(&img);
}

/* Captions of 11 pictures, joined; with a batch, threads and more. */
__attribute__((unused))
static char *captions(const char *dir, struct blip2_options o, int batch, int threads)
{
    struct buf b = {0};
    o.batch = batch;
    o.threads = threads;
    struct blip2 *m = open_tiny(dir, &o);
    for (int first = 0; first < 11; first += batch) {
        int n = 11 - first < batch ? 11 - first : batch;
        for (int i = 0; i < n; i++)
            draw(m, i, first + i);
        if (blip2_run(m, n) < 0)
            die("stopped");
        for (int i = 0; i < n; i++) {
            const struct blip2_caption *c = blip2_caption(m, i);
            buf_addf(&b, "%s|%d|%d|%d\n", buf_str(&c->text), c->n_ids, c->ended, c->circles);
        }
    }
    blip2_close(m);
    return b.data;
}

#endif
