/* SPDX-License-Identifier: MIT */
#include "model/resnet50.h"
#include "base/arena.h"
#include "base/sha256.h"
#include "base/util.h"
#include "model/resnet50_load.h"
#include "model/resnet50_prep.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VERSION "resnet50 1" /* of what this file computes */

struct block {
    struct conv *conv[3], *shortcut; /* shortcut: NULL for the identity */
};

struct resnet50 {
    struct resnet50_prep prep;
    struct conv *stem;
    struct conv_map pooled, last;
    struct block *block; /* [blocks] */
    int blocks;
    size_t map_bytes, work_bytes; /* of the largest map, and of a convolution's own scratch */
    unsigned char digest[SHA256_BYTES];
};

struct resnet50_scratch {
    struct arena arena;
    float *planes;
    void *map[3], *work;
};

/* ---- opening ---- */

static void need(size_t *most, size_t n)
{
    *most = n > *most ? n : *most;
}

static void measure(struct resnet50 *m, const struct conv *c)
{
    struct conv_map in = conv_in(c), out = conv_out(c);
    need(&m->map_bytes, conv_map_bytes(&in));
    need(&m->map_bytes, conv_map_bytes(&out));
    need(&m->work_bytes, conv_scratch_bytes(c));
}

/* One convolution on a map of side x side; NULL with e on failure. */
static struct conv *build(struct resnet50 *m, struct resnet50_file *f,
                          const struct resnet50_place *at, int in_c, int stride, int side, int relu,
                          int add, struct err *e)
{
    struct conv_shape s = {.in_c = in_c, .kernel = resnet50_kernel(at), .stride = stride,
                           .in_h = side, .in_w = side, .relu = relu, .add = add};
    struct conv *c = NULL;
    float *w = NULL, *bias = NULL;
    s.pad = s.kernel / 2;
    if (resnet50_file_conv(&w, &bias, &s.out_c, f, at, in_c, e) == 0)
        c = conv_new(&s, w, bias, f->precision, f->backend, e);
    free(w);
    free(bias);
    if (c)
        measure(m, c);
    return c;
}

/* Block b of stage s; *in_c and *side, of its input, become those of its output. */
static int build_block(struct resnet50 *m, struct resnet50_file *f, int s, int b, int *in_c,
                       int *side, struct err *e)
{
    struct block *k = &m->block[m->blocks++];
    int stride = s > 0 && b == 0 ? 2 : 1, after = (*side - 1) / stride + 1;
    struct resnet50_place at = {s, b, 1}, skip = {s, b, RESNET50_SHORTCUT};
    if (!(k->conv[0] = build(m, f, &at, *in_c, 1, *side, 1, 0, e)))
        return -1;
    at.conv = 2;
    if (!(k->conv[1] = build(m, f, &at, conv_out(k->conv[0]).channels, stride, *side, 1, 0, e)))
        return -1;
    at.conv = 3;
    if (!(k->conv[2] = build(m, f, &at, conv_out(k->conv[1]).channels, 1, after, 1, 1, e)))
        return -1;
    int out_c = conv_out(k->conv[2]).channels;
    if (resnet50_file_has(f, &skip) || stride != 1 || out_c != *in_c) {
        if (!(k->shortcut = build(m, f, &skip, *in_c, stride, *side, 0, 0, e)))
            return -1;
        if (conv_out(k->shortcut).channels != out_c)
            return err_set(e, "%s: stage %d, block %d: a shortcut of %d channels beside %d",
                           f->path, s, b, conv_out(k->shortcut).channels, out_c);
    }
    m->last = conv_out(k->conv[2]);
    *in_c = f->width[s] = out_c;
    *side = after;
    return 0;
}

static int build_all(struct resnet50 *m, struct resnet50_file *f, struct err *e)
{
    struct resnet50_place stem = {0, 0, RESNET50_STEM};
    int total = 0, side = RESNET50_SIDE;
    if (!(m->stem = build(m, f, &stem, 3, 2, side, 1, 0, e)))
        return -1;
    m->pooled = conv_out(m->stem);
    int in_c = m->pooled.channels;
    side = m->pooled.height = m->pooled.width = (m->pooled.height - 1) / 2 + 1;
    for (int s = 0; s < f->stages; s++)
        total += f->depth[s];
    m->block = xcalloc((size_t)total, sizeof *m->block);
    for (int s = 0; s < f->stages; s++)
        for (int b = 0; b < f->depth[s]; b++)
            if (build_block(m, f, s, b, &in_c, &side, e) < 0)
                return -1;
    return 0;
}

/* Everything that decides a vector, except the library that multiplies. */
static void make_digest(struct resnet50 *m, const struct resnet50_file *f)
{
    struct sha256 *h = sha256_new();
    unsigned char precision = f->precision == GEMM_BF16;
    sha256_add_field(h, VERSION, strlen(VERSION));
    sha256_add_field(h, safetensors_digest(f->st), SHA256_BYTES);
    sha256_add_field(h, m->prep.text, strlen(m->prep.text));
    sha256_add_field(h, m->prep.value, sizeof m->prep.value);
    sha256_add_field(h, f->depth, (size_t)f->stages * sizeof *f->depth);
    sha256_add_field(h, &precision, 1);
    sha256_end(m->digest, h);
    sha256_free(h);
}

struct resnet50 *resnet50_open(const char *dir, enum gemm_precision precision,
                               enum gemm_backend backend, struct err *e)
{
    struct resnet50 *m = xcalloc(1, sizeof *m);
    struct resnet50_file f = {.precision = precision, .backend = backend};
    int rc = resnet50_file_open(&f, dir, e);
    if (rc == 0)
        rc = resnet50_prep_read(&m->prep, dir, f.hf, e);
    if (rc == 0)
        rc = build_all(m, &f, e);
    if (rc == 0)
        rc = resnet50_file_check(&f, conv_out(m->stem).channels, e);
    if (rc == 0)
        make_digest(m, &f);
    resnet50_file_close(&f);
    if (rc == 0)
        return m;
    resnet50_close(m);
    return NULL;
}

void resnet50_close(struct resnet50 *m)
{
    if (!m)
        return;
    conv_free(m->stem);
    for (int i = 0; i < m->blocks; i++) {
        for (int j = 0; j < 3; j++)
            conv_free(m->block[i].conv[j]);
        conv_free(m->block[i].shortcut);
    }
    free(m->block);
    free(m);
}

int resnet50_dim(const struct resnet50 *m)
{
    return m->last.channels;
}

const unsigned char *resnet50_digest(const struct resnet50 *m)
{
    return m->digest;
}

const char *resnet50_preprocessing(const struct resnet50 *m)
{
    return m->prep.text;
}

/* ---- computing ---- */

struct resnet50_scratch *resnet50_scratch_new(const struct resnet50 *m)
{
    struct resnet50_scratch *s = xcalloc(1, sizeof *s);
    size_t planes = (size_t)3 * RESNET50_SIDE * RESNET50_SIDE;
    size_t map = m->map_bytes / sizeof(float), work = (m->work_bytes + 3) / sizeof(float);
    arena_init(&s->arena, arena_room(planes) + 3 * arena_room(map) + arena_room(work));
    s->planes = arena_take(&s->arena, planes);
    for (int i = 0; i < 3; i++)
        s->map[i] = arena_take(&s->arena, map);
    s->work = arena_take(&s->arena, work);
    return s;
}

void resnet50_scratch_free(struct resnet50_scratch *s)
{
    if (!s)
        return;
    arena_release(&s->arena);
    free(s);
}

void resnet50_pixels(float *planes, const struct image *img, const struct resnet50 *m)
{
    resnet50_prep_pixels(planes, img, &m->prep);
}

/* The block's input is map[0], and so is its output. */
static void run_block(const struct block *k, struct resnet50_scratch *s)
{
    void *x = s->map[0], *y = s->map[1], *t = s->map[2];
    if (!k->shortcut) {
        conv_run(y, x, k->conv[0], s->work);
        conv_run(t, y, k->conv[1], s->work);
        conv_run(x, t, k->conv[2], s->work); /* added to x, which is the shortcut */
        return;
    }
    conv_run(y, x, k->shortcut, s->work);
    conv_run(t, x, k->conv[0], s->work);
    conv_run(x, t, k->conv[1], s->work); /* x has served */
    conv_run(y, x, k->conv[2], s->work);
    s->map[0] = y;
    s->map[1] = x;
}

void resnet50_encode(float *out, const struct image *img, const struct resnet50 *m,
                     struct resnet50_scratch *s)
{
    struct conv_map in = conv_in(m->stem), stem = conv_out(m->stem);
    resnet50_pixels(s->planes, img, m);
    conv_from_planes(s->map[0], s->planes, &in);
    conv_run(s->map[1], s->map[0], m->stem, s->work);
    conv_max_pool(s->map[0], s->map[1], &stem);
    for (int i = 0; i < m->blocks; i++)
        run_block(&m->block[i], s);
    conv_mean(out, s->map[0], &m->last);
}
