/* SPDX-License-Identifier: MIT */
#include "image/resize.h"
#include "base/util.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BITS 22 /* fraction of a weight: 8 bits of pixel, 2 of headroom, 32 in all */

/* Weights of one axis: output i reads input lo[i] .. lo[i] + n[i] - 1. */
struct axis {
    int in, out, taps;
    int *lo, *n; /* [out] */
    int *w;      /* [out, taps], fixed point */
};

static double triangle(double x)
{
    x = fabs(x);
    return x < 1 ? 1 - x : 0;
}

static double cubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

/* Pillow, src/libImaging/Resample.c, precompute_coeffs and normalize_coeffs_8bpc. */
static void axis_init(struct axis *a, int in, int out, enum image_filter filter)
{
    double (*f)(double) = filter == IMAGE_BICUBIC ? cubic : triangle;
    double scale = (double)in / out, fs = scale < 1 ? 1 : scale;
    double support = (filter == IMAGE_BICUBIC ? 2.0 : 1.0) * fs;
    *a = (struct axis){.in = in, .out = out, .taps = (int)ceil(support) * 2 + 1};
    a->lo = xcalloc((size_t)out, sizeof *a->lo);
    a->n = xcalloc((size_t)out, sizeof *a->n);
    a->w = xcalloc((size_t)out * (size_t)a->taps, sizeof *a->w);
    double *k = xcalloc((size_t)a->taps, sizeof *k);
    for (int i = 0; i < out; i++) {
        double center = (i + 0.5) * scale, sum = 0, ss = 1.0 / fs;
        int lo = (int)(center - support + 0.5), hi = (int)(center + support + 0.5);
        lo = lo < 0 ? 0 : lo;
        hi = hi > in ? in : hi;
        for (int j = lo; j < hi; j++)
            sum += k[j - lo] = f((j - center + 0.5) * ss);
        for (int j = 0; j < hi - lo; j++) {
            double w = (sum != 0 ? k[j] / sum : k[j]) * (1 << BITS);
            a->w[(size_t)i * (size_t)a->taps + (size_t)j] = (int)(w < 0 ? w - 0.5 : w + 0.5);
        }
        a->lo[i] = lo;
        a->n[i] = hi - lo;
    }
    free(k);
}

static void axis_release(struct axis *a)
{
    free(a->lo);
    free(a->n);
    free(a->w);
}

static unsigned char clip8(int s)
{
    s >>= BITS;
    return (unsigned char)(s < 0 ? 0 : s > 255 ? 255 : s);
}

/* src [rows, a->in, 3] -> dst [rows, a->out, 3] */
static void horizontal(unsigned char *dst, const unsigned char *src, int rows, const struct axis *a)
{
    for (int y = 0; y < rows; y++) {
        const unsigned char *line = src + (size_t)y * (size_t)a->in * 3;
        for (int x = 0; x < a->out; x++) {
            const int *w = a->w + (size_t)x * (size_t)a->taps;
            const unsigned char *p = line + (size_t)a->lo[x] * 3;
            int s0 = 1 << (BITS - 1), s1 = s0, s2 = s0;
            for (int j = 0; j < a->n[x]; j++, p += 3) {
                s0 += p[0] * w[j];
                s1 += p[1] * w[j];
                s2 += p[2] * w[j];
            }
            *dst++ = clip8(s0);
            *dst++ = clip8(s1);
            *dst++ = clip8(s2);
        }
    }
}

/* src [a->in, width, 3] -> dst [a->out, width, 3] */
static void vertical(unsigned char *dst, const unsigned char *src, int width, const struct axis *a)
{
    size_t stride = (size_t)width * 3;
    int *sum = xmalloc(stride * sizeof *sum);
    for (int y = 0; y < a->out; y++) {
        const int *w = a->w + (size_t)y * (size_t)a->taps;
        for (size_t x = 0; x < stride; x++)
            sum[x] = 1 << (BITS - 1);
        for (int j = 0; j < a->n[y]; j++) {
            const unsigned char *line = src + (size_t)(a->lo[y] + j) * stride;
            for (size_t x = 0; x < stride; x++)
                sum[x] += line[x] * w[j];
        }
        for (size_t x = 0; x < stride; x++)
            dst[(size_t)y * stride + x] = clip8(sum[x]);
    }
    free(sum);
}

void image_resize(unsigned char *out, int width, int height, const struct image *img,
                  enum image_filter filter)
{
    const unsigned char *src = img->rgb;
    int w = img->width, h = img->height;
    /* Very tall pictures that shrink are done vertically first, as Pillow does. */
    int vertical_first = h > 100 * w && height < h;
    unsigned char *part = NULL;
    struct axis a;
    for (int pass = 0; pass < 2; pass++) {
        int is_vertical = pass == !vertical_first;
        int to = is_vertical ? height : width, from = is_vertical ? h : w;
        if (from == to)
            continue;
        int nw = is_vertical ? w : to, nh = is_vertical ? to : h;
        unsigned char *dst = nw == width && nh == height
                                 ? out : xmalloc((size_t)nw * (size_t)nh * 3);
        axis_init(&a, from, to, filter);
        if (is_vertical)
            vertical(dst, src, w, &a);
        else
            horizontal(dst, src, h, &a);
        axis_release(&a);
        free(part);
        part = dst == out ? NULL : dst;
        src = dst;
        w = nw;
        h = nh;
    }
    if (src != out)
        memcpy(out, src, (size_t)width * (size_t)height * 3);
    free(part);
}
