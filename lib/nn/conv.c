/* SPDX-License-Identifier: MIT */
#include "nn/conv.h"
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

static float get(const void *map, size_t i, enum gemm_precision p)
{
    float v;
    if (p == GEMM_F32)
        return ((const float *)map)[i];
    gemm_from_bf16(&v, (const uint16_t *)map + i, 1);
    return v;
}

void conv_from_planes(void *map, const float *planes, const struct conv_map *m)
{
    size_t plane = (size_t)m->height * m->width, b = (size_t)m->block;
    float *row = xmalloc(plane * b * sizeof *row);
    for (int k = 0; k < blocks(m); k++) {
        memset(row, 0, plane * b * sizeof *row);
        for (int c = 0; c < m->block && k * m->block + c < m->channels; c++)
            for (size_t i = 0; i < plane; i++)
                row[i * b + c] = planes[(size_t)(k * m->block + c) * plane + i];
        if (m->precision == GEMM_F32)
            memcpy((float *)map + k * plane * b, row, plane * b * sizeof *row);
        else
            gemm_to_bf16((uint16_t *)map + k * plane * b, row, plane * b);
    }
    free(row);
}

/* Rows of floats: the maximum of what lies under the window, for one output pixel. */
SIMD_FAST static void max_rows_f32(float *restrict y, const float *restrict x, int n)
{
    for (int i = 0; i < n; i++)
        y[i] = x[i] > y[i] ? x[i] : y[i];
}

static void max_row(void *y, const void *x, int n, enum gemm_precision p)
{
    if (p == GEMM_F32) {
        max_rows_f32(y, x, n);
        return;
    }
    /* bfloat16 by way of float; 16 channels or a few hundred at a time */
    float a[64], b[64];
    for (int i = 0; i < n; i += 64) {
        int k = n - i < 64 ? n - i : 64;
        gemm_from_bf16(a, (uint16_t *)y + i, (size_t)k);
        gemm_from_bf16(b, (const uint16_t *)x + i, (size_t)k);
        max_rows_f32(a, b, k);
        gemm_to_bf16((uint16_t *)y + i, a, (size_t)k);
    }
}

static void max_window(char *to, const char *from, const struct conv_map *m, int oy, int ox)
{
    size_t px = (size_t)m->block * element(m->precision);
    int first = 1;
    for (int y = 2 * oy - 1; y <= 2 * oy + 1; y++)
        for (int x = 2 * ox - 1; x <= 2 * ox + 1; x++) {
            if (y < 0 || x < 0 || y >= m->height || x >= m->width)
                continue;
            const char *at = from + ((size_t)y * m->width + x) * px;
            if (first)
                memcpy(to, at, px);
            else
                max_row(to, at, m->block, m->precision);
            first = 0;
        }
}

void conv_max_pool(void *out, const void *in, const struct conv_map *m)
{
    int oh = (m->height - 1) / 2 + 1, ow = (m->width - 1) / 2 + 1;
    size_t px = (size_t)m->block * element(m->precision);
    for (int k = 0; k < blocks(m); k++) {
        const char *from = (const char *)in + (size_t)k * m->height * m->width * px;
        char *to = (char *)out + (size_t)k * oh * ow * px;
        for (int y = 0; y < oh; y++)
            for (int x = 0; x < ow; x++)
                max_window(to + ((size_t)y * ow + x) * px, from, m, y, x);
    }
}

void conv_mean(float *y, const void *in, const struct conv_map *m)
{
    size_t plane = (size_t)m->height * m->width, b = (size_t)m->block;
    for (int c = 0; c < m->channels; c++) {
        size_t at = (size_t)c / b * plane * b + (size_t)c % b;
        double sum = 0;
        for (size_t i = 0; i < plane; i++)
            sum += (double)get(in, at + i * b, m->precision);
        y[c] = (float)(sum / (double)plane);
    }
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
    if (backend != GEMM_OPENBLAS && (precision == GEMM_F32 || onednn_has_bf16())) {
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
    if (c->onednn)
        m.block = channels == 3 ? 1 : ONEDNN_BLOCK;
    return m;
}

struct conv_map conv_in(const struct conv *c)
{
    return map_of(c, c->s.in_c, c->s.in_h, c->s.in_w);
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

static void run_patches(char *y, const char *x, const struct conv *c, char *scratch)
{
    size_t row = patch_cols(c) * element(c->precision), N = (size_t)c->s.out_c;
    float *p = (float *)(void *)(scratch + (GEMM_ROWS * row + 63) / 64 * 64);
    int pixels = c->out_h * c->out_w;
    for (int from = 0; from < pixels; from += GEMM_ROWS) {
        int n = pixels - from < GEMM_ROWS ? pixels - from : GEMM_ROWS;
        for (int i = 0; i < n; i++)
            patch(scratch + (size_t)i * row, x, c, (from + i) / c->out_w, (from + i) % c->out_w);
        memset(scratch + (size_t)n * row, 0, (size_t)(GEMM_ROWS - n) * row);
        gemm_run(p, scratch, n, c->gemm);
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
