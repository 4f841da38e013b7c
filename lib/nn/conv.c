/* SPDX-License-Identifier: MIT */
#include "nn/conv.h"
#include "base/arena.h"
#include "base/simd.h"
#include "base/util.h"
#include "nn/onednn.h"
#include <stdlib.h>
#include <string.h>

struct conv {
    struct conv_shape s;
    int out_h, out_w;
    enum gemm_precision precision;
    struct onednn *onednn; /* or: */
    struct gemm *gemm;     /* [out, kernel*kernel*in] over patches */
};

/* ---- maps ---- */

static size_t element(enum gemm_precision p)
{
    return p == GEMM_BF16 ? sizeof(uint16_t) : sizeof(float);
}

static int blocks(const struct conv_map *m)
{
    return (m->channels + m->block - 1) / m->block;
}

size_t conv_map_bytes(const struct conv_map *m)
{
    size_t n = (size_t)blocks(m) * m->block * m->height * m->width * element(m->precision);
    return (n + 63) / 64 * 64;
}

void conv_from_planes(void *map, const float *planes, const struct conv_map *m)
{
    size_t plane = (size_t)m->height * m->width, b = (size_t)m->block;
    float *row = b == 1 ? NULL : xmalloc(plane * b * sizeof *row);
    for (int k = 0; k < blocks(m); k++) {
        const float *from = planes + (size_t)k * b * plane;
        int n = m->channels - k * m->block < m->block ? m->channels - k * m->block : m->block;
        if (row)
            memset(row, 0, plane * b * sizeof *row);
        for (size_t i = 0; row && i < plane; i++)
            for (int c = 0; c < n; c++)
                row[i * b + (size_t)c] = from[(size_t)c * plane + i];
        if (m->precision == GEMM_F32)
            memcpy((float *)map + k * plane * b, row ? row : from, plane * b * sizeof *row);
        else
            gemm_to_bf16((uint16_t *)map + k * plane * b, row ? row : from, plane * b);
    }
    free(row);
}

/* ---- pooling, a row of the map (n numbers) at a time, always as floats ---- */

static void row_floats(float *to, const void *map, size_t at, size_t n, enum gemm_precision p)
{
    if (p == GEMM_F32)
        memcpy(to, (const float *)map + at, n * sizeof *to);
    else
        gemm_from_bf16(to, (const uint16_t *)map + at, n);
}

SIMD_FAST static void row_max(float *restrict y, const float *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] > y[i] ? x[i] : y[i];
}

/* The maximum over three neighbours of every second pixel; row [width,b] -> y [out,b]. */
SIMD_FAST static void column_max(float *restrict y, const float *restrict row, int out, int width,
                                 int b)
{
    for (int x = 0; x < out; x++) {
        const float *mid = row + (size_t)2 * x * b;
        const float *left = x > 0 ? mid - b : mid, *right = 2 * x + 1 < width ? mid + b : mid;
        for (int c = 0; c < b; c++) {
            float v = left[c] > mid[c] ? left[c] : mid[c];
            y[(size_t)x * b + c] = right[c] > v ? right[c] : v;
        }
    }
}

void conv_max_pool(void *out, const void *in, const struct conv_map *m)
{
    int oh = (m->height - 1) / 2 + 1, ow = (m->width - 1) / 2 + 1;
    size_t n = (size_t)m->width * m->block, on = (size_t)ow * m->block;
    struct arena a;
    arena_init(&a, 2 * arena_room(n) + arena_room(on));
    float *best = arena_take(&a, n), *row = arena_take(&a, n), *y = arena_take(&a, on);
    for (int i = 0; i < blocks(m) * oh; i++) {
        int k = i / oh, mid = 2 * (i % oh), last = mid + 1 < m->height ? mid + 1 : mid;
        size_t block = (size_t)k * m->height * n;
        row_floats(best, in, block + (size_t)mid * n, n, m->precision);
        for (int r = mid > 0 ? mid - 1 : last; r <= last; r += 2) {
            row_floats(row, in, block + (size_t)r * n, n, m->precision);
            row_max(best, row, n);
        }
        column_max(y, best, ow, m->width, m->block);
        if (m->precision == GEMM_F32)
            memcpy((float *)out + (size_t)i * on, y, on * sizeof *y);
        else
            gemm_to_bf16((uint16_t *)out + (size_t)i * on, y, on);
    }
    arena_release(&a);
}

static void add_pixels(double *sum, const float *row, int width, int b)
{
    for (int x = 0; x < width; x++, row += b)
        for (int c = 0; c < b; c++)
            sum[c] += (double)row[c];
}

void conv_mean(float *y, const void *in, const struct conv_map *m)
{
    size_t n = (size_t)m->width * m->block, b = (size_t)m->block;
    float *row = xmalloc(n * sizeof *row);
    double *sum = xcalloc(b, sizeof *sum);
    for (int k = 0; k < blocks(m); k++) {
        memset(sum, 0, b * sizeof *sum);
        for (int h = 0; h < m->height; h++) {
            row_floats(row, in, ((size_t)k * m->height + h) * n, n, m->precision);
            add_pixels(sum, row, m->width, m->block);
        }
        for (int c = k * m->block; c < m->channels && c < (k + 1) * m->block; c++)
            y[c] = (float)(sum[c - k * m->block] / ((double)m->height * m->width));
    }
    free(row);
    free(sum);
}

/* ---- construction ---- */

/* The columns of a patch are [ky,kx,channel]; the checkpoint has [channel,ky,kx]. */
static struct gemm *pack_patches(const struct conv *c, const float *w, const float *bias,
                                 enum gemm_backend backend, struct err *e)
{
    int k = c->s.kernel, in = c->s.in_c;
    size_t cols = (size_t)k * k * in;
    float *p = xmalloc((size_t)c->s.out_c * cols * sizeof *p);
    for (int o = 0; o < c->s.out_c; o++)
        for (int i = 0; i < in; i++)
            for (int t = 0; t < k * k; t++)
                p[(size_t)o * cols + (size_t)t * in + i] = w[((size_t)o * in + i) * k * k + t];
    struct gemm *g = gemm_new(p, bias, c->s.out_c, (int)cols, c->precision, backend, e);
    free(p);
    return g;
}

struct conv *conv_new(const struct conv_shape *shape, const float *w, const float *bias,
                      enum gemm_precision precision, enum gemm_backend backend, struct err *e)
{
    struct conv *c = xcalloc(1, sizeof *c);
    *c = (struct conv){.s = *shape, .precision = precision,
                       .out_h = (shape->in_h + 2 * shape->pad - shape->kernel) / shape->stride + 1,
                       .out_w = (shape->in_w + 2 * shape->pad - shape->kernel) / shape->stride + 1};
#ifdef HAVE_DNNL
    if (backend != GEMM_OPENBLAS && onednn_block() &&
        (precision == GEMM_F32 || onednn_has_bf16())) {
        struct onednn_conv o = {shape->in_c, shape->out_c, shape->kernel, shape->stride,
                                shape->pad, shape->in_h, shape->in_w, shape->relu, shape->add};
        c->onednn = onednn_conv(&o, precision == GEMM_BF16, w, bias, e);
    } else
#endif
        c->gemm = pack_patches(c, w, bias, backend, e);
    if (c->onednn || c->gemm)
        return c;
    free(c);
    return NULL;
}

void conv_free(struct conv *c)
{
    if (!c)
        return;
#ifdef HAVE_DNNL
    onednn_free(c->onednn);
#endif
    gemm_free(c->gemm);
    free(c);
}

static struct conv_map map_of(const struct conv *c, int channels, int h, int w)
{
    struct conv_map m = {channels, h, w, channels, c->precision};
#ifdef HAVE_DNNL
    if (c->onednn)
        m.block = onednn_block();
#endif
    return m;
}

struct conv_map conv_in(const struct conv *c)
{
    struct conv_map m = map_of(c, c->s.in_c, c->s.in_h, c->s.in_w);
    if (c->onednn && c->s.in_c == 3)
        m.block = 1;
    return m;
}

struct conv_map conv_out(const struct conv *c)
{
    return map_of(c, c->s.out_c, c->out_h, c->out_w);
}

/* ---- patches: [GEMM_ROWS, kernel*kernel*in] at a time ---- */

static size_t patch_cols(const struct conv *c)
{
    return (size_t)c->s.kernel * c->s.kernel * c->s.in_c;
}

size_t conv_scratch_bytes(const struct conv *c)
{
    size_t patches = GEMM_ROWS * patch_cols(c) * element(c->precision);
    size_t products = (size_t)GEMM_ROWS * c->s.out_c * sizeof(float);
    return c->onednn ? 0 : (patches + 63) / 64 * 64 + (products + 63) / 64 * 64;
}

/* One patch: a row of the kernel lies in one piece of the map. */
static void patch(char *to, const char *x, const struct conv *c, int oy, int ox)
{
    size_t px = (size_t)c->s.in_c * element(c->precision);
    for (int ky = 0; ky < c->s.kernel; ky++)
        for (int kx = 0; kx < c->s.kernel; kx++, to += px) {
            int iy = oy * c->s.stride - c->s.pad + ky, ix = ox * c->s.stride - c->s.pad + kx;
            if (iy < 0 || ix < 0 || iy >= c->s.in_h || ix >= c->s.in_w)
                memset(to, 0, px);
            else
                memcpy(to, x + ((size_t)iy * c->s.in_w + ix) * px, px);
        }
}

SIMD_FAST static void finish_f32(float *restrict y, const float *restrict p, size_t n, int add,
                                 int relu)
{
    for (size_t i = 0; i < n; i++) {
        float v = p[i] + (add ? y[i] : 0);
        y[i] = relu && v < 0 ? 0 : v;
    }
}

/* The product p of n numbers into the map. */
static void finish(char *map, size_t at, float *p, size_t n, const struct conv *c)
{
    if (c->precision == GEMM_F32) {
        finish_f32((float *)map + at, p, n, c->s.add, c->s.relu);
        return;
    }
    float was[256];
    uint16_t *y = (uint16_t *)map + at;
    for (size_t i = 0; i < n; i += ARRAY_LEN(was)) {
        size_t k = n - i < ARRAY_LEN(was) ? n - i : ARRAY_LEN(was);
        gemm_from_bf16(was, y + i, k);
        finish_f32(was, p + i, k, c->s.add, c->s.relu);
        gemm_to_bf16(y + i, was, k);
    }
}

/* n rows of patches from output pixel `from` on; where the map itself is that, it is used. */
static const char *patches(char *scratch, const char *x, const struct conv *c, int from, int n)
{
    size_t row = patch_cols(c) * element(c->precision);
    if (c->s.kernel == 1 && c->s.stride == 1 && c->s.pad == 0 && n == GEMM_ROWS)
        return x + (size_t)from * row;
    for (int i = 0; i < n; i++)
        patch(scratch + (size_t)i * row, x, c, (from + i) / c->out_w, (from + i) % c->out_w);
    memset(scratch + (size_t)n * row, 0, (size_t)(GEMM_ROWS - n) * row);
    return scratch;
}

static void run_patches(char *y, const char *x, const struct conv *c, char *scratch)
{
    size_t row = patch_cols(c) * element(c->precision), N = (size_t)c->s.out_c;
    float *p = (float *)(void *)(scratch + (GEMM_ROWS * row + 63) / 64 * 64);
    int pixels = c->out_h * c->out_w;
    for (int from = 0; from < pixels; from += GEMM_ROWS) {
        int n = pixels - from < GEMM_ROWS ? pixels - from : GEMM_ROWS;
        gemm_run(p, patches(scratch, x, c, from, n), n, c->gemm);
        finish(y, (size_t)from * N, p, (size_t)n * N, c);
    }
}

void conv_run(void *y, const void *x, const struct conv *c, void *scratch)
{
#ifdef HAVE_DNNL
    if (c->onednn) {
        onednn_run(c->onednn, y, 0, x, 0, 1);
        return;
    }
#endif
    run_patches(y, x, c, scratch);
}
