/* SPDX-License-Identifier: MIT */
/* lib/nn/gemm against a sum in double, for both libraries and both precisions. */
#include "base/arena.h"
#include "base/rng.h"
#include "base/util.h"
#include "nn/gemm.h"
#include "tap.h"
#include <stdlib.h>
#include <string.h>

static struct rng rng;

static float uniform(void)
{
    return (float)(2 * rng_uniform(&rng) - 1);
}

static float rounded(float x)
{
    uint16_t h;
    gemm_to_bf16(&h, &x, 1);
    gemm_from_bf16(&x, &h, 1);
    return x;
}

struct shape {
    int N, K, rows, bias;
};

/* The largest error of a product, over the largest sum of |x w| there is. */
static double error_of(const float *y, const float *x, const float *w, const float *b,
                       const struct shape *s)
{
    double worst = 0, size = 1e-30;
    for (int r = 0; r < s->rows; r++)
        for (int n = 0; n < s->N; n++) {
            double sum = s->bias ? b[n] : 0, abs = 0;
            for (int k = 0; k < s->K; k++) {
                double p = (double)x[(size_t)r * s->K + k] * w[(size_t)n * s->K + k];
                sum += p;
                abs += fabs(p);
            }
            worst = fmax(worst, fabs(sum - (double)y[(size_t)r * s->N + n]));
            size = fmax(size, abs);
        }
    return worst / size;
}

static void test_product(const struct shape *s, enum gemm_precision p, enum gemm_backend backend)
{
    struct arena a;
    struct err e;
    size_t in = (size_t)gemm_pad(s->rows) * s->K, out = (size_t)gemm_pad(s->rows) * s->N;
    size_t nw = (size_t)s->N * s->K;
    arena_init(&a, 2 * arena_room(in) + 2 * arena_room(out) + arena_room(nw) +
               arena_room((size_t)s->N));
    float *x = arena_take(&a, in), *w = arena_take(&a, nw), *b = arena_take(&a, (size_t)s->N);
    float *y = arena_take(&a, out), *y2 = arena_take(&a, out);
    uint16_t *half = (uint16_t *)(void *)arena_take(&a, in);
    for (size_t i = 0; i < in; i++)
        x[i] = uniform();
    for (size_t i = 0; i < nw; i++)
        w[i] = uniform();
    for (int i = 0; i < s->N; i++)
        b[i] = uniform();
    struct gemm *g = gemm_new(w, s->bias ? b : NULL, s->N, s->K, p, backend, &e);
    if (!g)
        die("%s", e.text);
    gemm_to_bf16(half, x, in);
    gemm_run(y, p == GEMM_BF16 ? (void *)half : x, s->rows, g);
    /* the last row again, alone and first */
    size_t last = (size_t)(s->rows - 1);
    if (p == GEMM_BF16)
        memmove(half, half + last * s->K, (size_t)s->K * sizeof *half);
    memcpy(y2, x, (size_t)s->K * sizeof *x); /* keep row 0 of x */
    memmove(x, x + last * s->K, (size_t)s->K * sizeof *x);
    float *row0 = xmalloc((size_t)s->K * sizeof *row0);
    memcpy(row0, y2, (size_t)s->K * sizeof *row0);
    gemm_run(y2, p == GEMM_BF16 ? (void *)half : x, 1, g);
    int same = memcmp(y2, y + last * s->N, (size_t)s->N * sizeof *y) == 0;
    memcpy(x, row0, (size_t)s->K * sizeof *x);
    if (p == GEMM_BF16) { /* what the product is of: rounded numbers */
        for (size_t i = 0; i < in; i++)
            x[i] = rounded(x[i]);
        for (size_t i = 0; i < nw; i++)
            w[i] = rounded(w[i]);
    }
    double worst = error_of(y, x, w, b, s);
    ok(worst < 1e-6 && same, "%s: [%d,%d] x [%d,%d]%s: %.1e, a row is the same anywhere",
       gemm_describe(backend, p), s->rows, s->K, s->N, s->K, s->bias ? " + b" : "", worst);
    free(row0);
    gemm_free(g);
    arena_release(&a);
}

/* Nearest even, for every upper half and the lower halves around its ties. */
static void test_bf16(void (*to)(uint16_t *, const float *, size_t), const char *what)
{
    static const uint32_t low[] = {0, 1, 0x7fff, 0x8000, 0x8001, 0xffff};
    int bad = 0;
    for (uint32_t high = 0; high < 0x10000; high++)
        for (size_t i = 0; i < ARRAY_LEN(low); i++) {
            uint32_t bits = high << 16 | low[i], back;
            float x, y;
            memcpy(&x, &bits, sizeof x);
            if (isnan(x))
                continue;
            uint16_t h;
            to(&h, &x, 1);
            gemm_from_bf16(&y, &h, 1);
            memcpy(&back, &y, sizeof back);
            uint32_t up = low[i] > 0x8000 || (low[i] == 0x8000 && high & 1);
            int tiny = (high & 0x7f80) == 0; /* with the instruction they become 0 */
            bad += back != (high + up) << 16 && !(tiny && (back & 0x7fffffff) == 0);
        }
    ok(bad == 0, "bfloat16, %s: nearest even for all upper halves", what);
}

int main(void)
{
    static const struct shape shapes[] = {{17, 33, 1, 1}, {384, 384, 64, 1}, {1152, 384, 65, 1},
                                          {100, 1536, 130, 0}, {16, 16, 63, 1}, {1, 7, 200, 1},
                                          {384, 1536, 3, 1}};
    static const enum gemm_backend backends[] = {GEMM_AUTO, GEMM_OPENBLAS};
    struct err e;
    enum gemm_backend b;
    rng_seed(&rng, 5, 0);
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++)
        for (int k = 0; k < 4; k++)
            test_product(&shapes[i], k & 1 ? GEMM_BF16 : GEMM_F32, backends[k / 2]);
    test_bf16(gemm_to_bf16, "this CPU");
    test_bf16(gemm_to_bf16_plain, "plain C");
    ok(gemm_backend_of(&b, "openblas", &e) == 0 && b == GEMM_OPENBLAS, "openblas by name");
    ok(gemm_backend_of(&b, "auto", &e) == 0 && b != GEMM_AUTO, "auto is resolved");
    ok(gemm_backend_of(&b, "mkl", &e) < 0 && strstr(e.text, "openblas"), "mkl: %s", e.text);
    return done();
}
