/* SPDX-License-Identifier: MIT */
#include "image/resize.h"
#include "base/util.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BITS 22 /* fraction of a weight: 8 bits of pixel, 2 of headroom, 32 in all */

/* Weights of the outputs wanted of one axis: i reads input lo[i] .. lo[i] + n[i] - 1. */
struct axis {
    int outs, taps;
    int *lo, *n; /* [outs] */
    int *w;      /* [outs, taps], fixed point */
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

/* Pillow, src/libImaging/Resample.c, precompute_coeffs and normalize_coeffs_8bpc; of the
 * outputs from .. from + outs - 1 of the `out`. */
static void axis_init(struct axis *a, int in, int out, int from, int outs,
                      enum image_filter filter)
{
    double (*f)(double) = filter == IMAGE_BICUBIC ? cubic : triangle;
    double scale = (double)in / out, fs = scale < 1 ? 1 : scale;
    double support = (filter == IMAGE_BICUBIC ? 2.0 : 1.0) * fs;
    *a = (struct axis){.outs = outs, .taps = (int)ceil(support) * 2 + 1};
    a->lo = xcalloc((size_t)outs, sizeof *a->lo);
    a->n = xcalloc((size_t)outs, sizeof *a->n);
    a->w = xcalloc((size_t)outs * (size_t)a->taps, sizeof *a->w);
    double *k = xcalloc((size_t)a->taps, sizeof *k);
    for (int i = 0; i < outs; i++) {
        double center = (from + i + 0.5) * scale, sum = 0, ss = 1.0 / fs;
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

/* Part of a picture: the rows or columns that a pass reads or has made. */
struct part {
    const unsigned char *rgb; /* of the pixel (x0, y0) */
    size_t stride;            /* bytes a row */
    int x0, y0, width, height;
};

static const unsigned char *at(const struct part *p, int x, int y)
{
    return p->rgb + (size_t)(y - p->y0) * p->stride + (size_t)(x - p->x0) * 3;
}

/* All rows of src -> dst [src height, outs, 3] */
static void horizontal(unsigned char *dst, const struct part *src, const struct axis *a)
{
    for (int y = 0; y < src->height; y++)
        for (int x = 0; x < a->outs; x++) {
            const int *w = a->w + (size_t)x * (size_t)a->taps;
            const unsigned char *p = at(src, a->lo[x], src->y0 + y);
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

/* All columns of src -> dst [outs, src width, 3] */
static void vertical(unsigned char *dst, const struct part *src, const struct axis *a)
{
    size_t stride = (size_t)src->width * 3;
    int *sum = xmalloc(stride * sizeof *sum);
    for (int y = 0; y < a->outs; y++) {
        const int *w = a->w + (size_t)y * (size_t)a->taps;
        for (size_t x = 0; x < stride; x++)
            sum[x] = 1 << (BITS - 1);
        for (int j = 0; j < a->n[y]; j++) {
            const unsigned char *line = at(src, src->x0, a->lo[y] + j);
            for (size_t x = 0; x < stride; x++)
                sum[x] += line[x] * w[j];
        }
        for (size_t x = 0; x < stride; x++)
            dst[(size_t)y * stride + x] = clip8(sum[x]);
    }
    free(sum);
}

/* Cuts p down to what the axis reads of it; lo and lo + n never fall along an axis. */
static void narrow(struct part *p, const struct axis *a, int is_vertical)
{
    int from = a->lo[0], count = a->lo[a->outs - 1] + a->n[a->outs - 1] - from;
    if (is_vertical) {
        p->rgb = at(p, p->x0, from);
        p->y0 = from;
        p->height = count;
    } else {
        p->rgb = at(p, from, p->y0);
        p->x0 = from;
        p->width = count;
    }
}

void image_resize_window(unsigned char *out, const struct image_window *window, int width,
                         int height, const struct image *img, enum image_filter filter)
{
    struct part p = {img->rgb, (size_t)img->width * 3, 0, 0, img->width, img->height};
    /* Very tall pictures that shrink are done vertically first, as Pillow does. */
    int vertical_first = img->height > 100 * img->width && height < img->height;
    struct axis x, y; /* of an axis that keeps its size the weights are 0 and 1 */
    unsigned char *own = NULL;
    axis_init(&x, img->width, width, window->left, window->width, filter);
    axis_init(&y, img->height, height, window->top, window->height, filter);
    for (int pass = 0; pass < 2; pass++) {
        int is_vertical = pass == !vertical_first;
        const struct axis *a = is_vertical ? &y : &x, *other = is_vertical ? &x : &y;
        if (pass == 0) /* the second pass reads only this much */
            narrow(&p, other, !is_vertical);
        int nw = is_vertical ? p.width : a->outs, nh = is_vertical ? a->outs : p.height;
        unsigned char *dst = pass == 1 ? out : xmalloc((size_t)nw * (size_t)nh * 3);
        if (is_vertical)
            vertical(dst, &p, a);
        else
            horizontal(dst, &p, a);
        free(own);
        own = pass == 1 ? NULL : dst;
        p = (struct part){dst, (size_t)nw * 3, is_vertical ? p.x0 : 0, is_vertical ? 0 : p.y0,
                          nw, nh};
    }
    axis_release(&x);
    axis_release(&y);
}

void image_resize(unsigned char *out, int width, int height, const struct image *img,
                  enum image_filter filter)
{
    struct image_window all = {0, 0, width, height};
    image_resize_window(out, &all, width, height, img, filter);
}
