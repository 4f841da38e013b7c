/* SPDX-License-Identifier: MIT */
/* Convolutions against sums in double, both libraries and both precisions; pooling. */
#include "base/rng.h"
#include "base/util.h"
#include "nn/conv.h"
#include "nn/onednn.h"
#include "tap.h"
#include <stdlib.h>
#include <sys/mman.h>

/* Zeroed bytes, 64-byte aligned, that end where a page ends which cannot be touched: the
 * libraries are not built with the sanitizers. */
static void *aligned(size_t bytes)
{
    size_t room = (bytes + 63) / 64 * 64, pages = (room + 4095) / 4096 * 4096;
    char *p = mmap(NULL, pages + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED || mprotect(p + pages, 4096, PROT_NONE) != 0)
        die("out of memory");
    return p + pages - room;
}

static void release(void *p, size_t bytes)
{
    size_t room = (bytes + 63) / 64 * 64, pages = (room + 4095) / 4096 * 4096;
    munmap((char *)p + room - pages, pages + 4096);
}

static float *random_floats(size_t n, struct rng *r, float scale)
{
    float *x = xmalloc(n * sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = scale * rng_normal(r);
    return x;
}

static void round_all(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint16_t h;
        gemm_to_bf16(&h, x + i, 1);
        gemm_from_bf16(x + i, &h, 1);
    }
}

/* map -> planes [C,H,W], the reverse of conv_from_planes. */
static float *planes_of(const void *map, const struct conv_map *m)
{
    size_t plane = (size_t)m->height * m->width, b = (size_t)m->block;
    float *p = xmalloc((size_t)m->channels * plane * sizeof *p);
    for (int c = 0; c < m->channels; c++)
        for (size_t i = 0; i < plane; i++) {
            size_t at = ((size_t)c / b * plane + i) * b + (size_t)c % b;
            float *to = &p[(size_t)c * plane + i];
            if (m->precision == GEMM_F32)
                *to = ((const float *)map)[at];
            else
                gemm_from_bf16(to, (const uint16_t *)map + at, 1);
        }
    return p;
}

/* ---- the same in double, nothing clever ---- */

static double one(const float *x, const float *w, const struct conv_shape *s, int o, int oy, int ox)
{
    double sum = 0;
    for (int c = 0; c < s->in_c; c++)
        for (int ky = 0; ky < s->kernel; ky++)
            for (int kx = 0; kx < s->kernel; kx++) {
                int y = oy * s->stride - s->pad + ky, z = ox * s->stride - s->pad + kx;
                if (y < 0 || z < 0 || y >= s->in_h || z >= s->in_w)
                    continue;
                sum += (double)x[((size_t)c * s->in_h + y) * s->in_w + z] *
                       w[(((size_t)o * s->in_c + c) * s->kernel + ky) * s->kernel + kx];
            }
    return sum;
}

/* Largest |got - want| as a share of the largest |want|. */
static double compare(const float *got, const float *x, const float *w, const float *b,
                      const float *was, const struct conv_shape *s, int oh, int ow)
{
    double worst = 0, largest = 0;
    for (int o = 0; o < s->out_c; o++)
        for (int y = 0; y < oh; y++)
            for (int z = 0; z < ow; z++) {
                size_t at = ((size_t)o * oh + y) * ow + z;
                double v = one(x, w, s, o, y, z) + b[o] + (s->add ? was[at] : 0);
                v = s->relu && v < 0 ? 0 : v;
                worst = fmax(worst, fabs(v - got[at]));
                largest = fmax(largest, fabs(v));
            }
    return largest > 0 ? worst / largest : 1;
}

static const char *const backend_name[] = {"auto", "oneDNN", "OpenBLAS"};

/* The largest error of one shape, or 1. */
static double try_shape(const struct conv_shape *s, enum gemm_precision p, enum gemm_backend b,
                        struct rng *r)
{
    struct err e = {""};
    int oh = (s->in_h + 2 * s->pad - s->kernel) / s->stride + 1;
    int ow = (s->in_w + 2 * s->pad - s->kernel) / s->stride + 1;
    size_t wn = (size_t)s->out_c * s->in_c * s->kernel * s->kernel;
    size_t xn = (size_t)s->in_c * s->in_h * s->in_w, yn = (size_t)s->out_c * oh * ow;
    float *w = random_floats(wn, r, 0.1f), *bias = random_floats((size_t)s->out_c, r, 1);
    float *x = random_floats(xn, r, 1), *was = random_floats(yn, r, 1);
    if (p == GEMM_BF16) {
        round_all(w, wn);
        round_all(x, xn);
        round_all(was, yn);
    }
    struct conv *c = conv_new(s, w, bias, p, b, &e);
    double worst = 1;
    if (c) {
        struct conv_map in = conv_in(c), out = conv_out(c);
        void *from = aligned(conv_map_bytes(&in)), *to = aligned(conv_map_bytes(&out));
        void *scratch = aligned(conv_scratch_bytes(c));
        conv_from_planes(from, x, &in);
        conv_from_planes(to, was, &out);
        conv_run(to, from, c, scratch);
        float *got = planes_of(to, &out);
        worst = out.height == oh && out.width == ow && out.channels == s->out_c
                    ? compare(got, x, w, bias, was, s, oh, ow) : 1;
        free(got);
        release(from, conv_map_bytes(&in));
        release(to, conv_map_bytes(&out));
        release(scratch, conv_scratch_bytes(c));
    } else
        printf("# %s\n", e.text);
    conv_free(c);
    free(w);
    free(bias);
    free(x);
    free(was);
    return worst;
}

static void test_shapes(enum gemm_precision p, enum gemm_backend b)
{
    static const int kernel[] = {1, 3, 7}, channels[] = {3, 8, 16, 24, 64};
    static const int side[][2] = {{7, 7}, {9, 14}, {15, 11}};
    double limit = p == GEMM_F32 ? 5e-6 : 4e-3; /* bfloat16 keeps 8 bits: half a step is 2^-9 */
    double worst = 0;
    int shapes = 0;
    struct rng r;
    rng_seed(&r, 11, 0);
    for (size_t k = 0; k < ARRAY_LEN(kernel); k++)
        for (size_t ci = 0; ci < ARRAY_LEN(channels); ci++)
            for (int v = 0; v < 8; v++) {
                const int *hw = side[(k + ci + (size_t)v) % 3];
                struct conv_shape s = {channels[ci], channels[(ci + (size_t)v) % 5], kernel[k],
                                       1 + (v & 1), kernel[k] / 2, hw[0], hw[1], v >> 1 & 1, v >> 2};
                double error = try_shape(&s, p, b, &r);
                if (error > limit)
                    printf("# [%d,%d,%d,%d] stride %d on %dx%d relu %d add %d: %g\n", s.out_c,
                           s.in_c, s.kernel, s.kernel, s.stride, s.in_h, s.in_w, s.relu, s.add,
                           error);
                worst = fmax(worst, error);
                shapes++;
            }
    ok(worst <= limit, "%d convolutions, %s %s: largest error %.2g of the largest output", shapes,
       backend_name[b], p == GEMM_F32 ? "f32" : "bf16", worst);
}

/* ---- pooling ---- */

static void test_max_pool(enum gemm_precision p)
{
    static const int shape[][4] = {{64, 112, 112, 16}, {24, 7, 9, 16}, {5, 8, 6, 5}, {3, 1, 1, 1},
                                   {8, 2, 1, 8}};
    int wrong = 0;
    struct rng r;
    rng_seed(&r, 3, 0);
    for (size_t i = 0; i < ARRAY_LEN(shape); i++) {
        struct conv_map m = {shape[i][0], shape[i][1], shape[i][2], shape[i][3], p}, o = m;
        o.height = (m.height - 1) / 2 + 1;
        o.width = (m.width - 1) / 2 + 1;
        size_t n = (size_t)m.channels * m.height * m.width;
        float *x = random_floats(n, &r, 1);
        if (p == GEMM_BF16)
            round_all(x, n);
        void *in = aligned(conv_map_bytes(&m)), *out = aligned(conv_map_bytes(&o));
        conv_from_planes(in, x, &m);
        conv_max_pool(out, in, &m);
        float *got = planes_of(out, &o);
        for (int c = 0; c < m.channels; c++)
            for (int j = 0; j < o.height * o.width; j++) {
                float want = -INFINITY;
                for (int t = 0; t < 9; t++) {
                    int y = j / o.width * 2 - 1 + t / 3, z = j % o.width * 2 - 1 + t % 3;
                    if (y >= 0 && z >= 0 && y < m.height && z < m.width)
                        want = fmaxf(want, x[((size_t)c * m.height + y) * m.width + z]);
                }
                wrong += got[(size_t)c * o.height * o.width + j] != want;
            }
        free(x);
        free(got);
        release(in, conv_map_bytes(&m));
        release(out, conv_map_bytes(&o));
    }
    ok(wrong == 0, "max pooling, %s: %d pixels differ", p == GEMM_F32 ? "f32" : "bf16", wrong);
}

static void test_mean(enum gemm_precision p)
{
    static const int shape[][4] = {{2048, 7, 7, 16}, {40, 5, 3, 16}, {100, 7, 7, 100}, {3, 1, 1, 1}};
    double worst = 0;
    struct rng r;
    rng_seed(&r, 4, 0);
    for (size_t i = 0; i < ARRAY_LEN(shape); i++) {
        struct conv_map m = {shape[i][0], shape[i][1], shape[i][2], shape[i][3], p};
        size_t plane = (size_t)m.height * m.width, n = (size_t)m.channels * plane;
        float *x = random_floats(n, &r, 1), *y = random_floats((size_t)m.channels + 1, &r, 1);
        float guard = y[m.channels];
        if (p == GEMM_BF16)
            round_all(x, n);
        void *in = aligned(conv_map_bytes(&m));
        conv_from_planes(in, x, &m);
        conv_mean(y, in, &m);
        for (int c = 0; c < m.channels; c++) {
            double sum = 0;
            for (size_t j = 0; j < plane; j++)
                sum += (double)x[(size_t)c * plane + j];
            worst = fmax(worst, fabs(sum / (double)plane - y[c]));
        }
        worst = y[m.channels] == guard ? worst : 1;
        free(x);
        free(y);
        release(in, conv_map_bytes(&m));
    }
    ok(worst < 1e-7, "means, %s: largest error %.2g", p == GEMM_F32 ? "f32" : "bf16", worst);
}

int main(void)
{
    for (int p = GEMM_F32; p <= GEMM_BF16; p++) {
#ifdef HAVE_DNNL
        printf("# %s, blocks of %d channels\n", gemm_describe(GEMM_ONEDNN, p), onednn_block());
        test_shapes(p, GEMM_ONEDNN);
#else
        skip("oneDNN is not in this build");
#endif
        test_shapes(p, GEMM_OPENBLAS);
        test_max_pool(p);
        test_mean(p);
    }
    return done();
}
