/* SPDX-License-Identifier: MIT */
#include "nn/gemm.h"
#include "base/arena.h"
#include "base/simd.h"
#include "base/util.h"
#include "nn/blas.h"
#include "nn/dot.h"
#include "nn/onednn.h"
#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct gemm {
    int N, K;
    enum gemm_precision precision;
    struct onednn *onednn; /* or: */
    float *w;              /* [N,K] */
    float *bias;           /* [N] or NULL */
    int bf16_native;       /* bf16 products as such, not as f32 of rounded numbers */
};

int gemm_pad(int rows)
{
    return (rows + GEMM_ROWS - 1) / GEMM_ROWS * GEMM_ROWS;
}

/* ---- bfloat16: the upper half of a float32 ---- */

SIMD_FAST void gemm_to_bf16_plain(uint16_t *restrict y, const float *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t b;
        memcpy(&b, &x[i], sizeof b);
        y[i] = (uint16_t)((b + 0x7fff + (b >> 16 & 1)) >> 16);
    }
}

void gemm_to_bf16(uint16_t *y, const float *x, size_t n)
{
    if (dot_here())
        dot_round(y, x, n);
    else
        gemm_to_bf16_plain(y, x, n);
}

SIMD_FAST void gemm_from_bf16(float *restrict y, const uint16_t *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t b = (uint32_t)x[i] << 16;
        memcpy(&y[i], &b, sizeof b);
    }
}

/* ---- which library ---- */

#ifdef HAVE_DNNL
#define BEST GEMM_ONEDNN
#define NATIVE_BF16 onednn_has_bf16()
#else
#define BEST GEMM_OPENBLAS
#define NATIVE_BF16 0
#endif

int gemm_backend_of(enum gemm_backend *out, const char *name, struct err *e)
{
    if (strcmp(name, "auto") == 0)
        *out = BEST;
    else if (strcmp(name, "openblas") == 0)
        *out = GEMM_OPENBLAS;
    else if (strcmp(name, "onednn") != 0)
        return err_set(e, "'%s' is not one of: auto onednn openblas", name);
    else if (BEST != GEMM_ONEDNN)
        return err_set(e, "onednn: this build has no oneDNN; install libdnnl-dev and rebuild");
    else
        *out = GEMM_ONEDNN;
    return 0;
}

const char *gemm_describe(enum gemm_backend backend, enum gemm_precision precision)
{
    static char text[160]; /* the same bytes whoever writes them */
    int native = 0;
    if (backend == GEMM_AUTO)
        backend = BEST;
#ifdef HAVE_DNNL
    if (backend == GEMM_ONEDNN) {
        native = NATIVE_BF16;
        snprintf(text, 64, "oneDNN %s", onednn_version());
    } else
#endif
        snprintf(text, sizeof text, "%s", blas_name());
    size_t n = strlen(text);
    snprintf(text + n, sizeof text - n, "%s", precision == GEMM_F32 ? ", f32"
             : native ? ", bf16" : ", bf16 as f32 products of rounded numbers");
    return text;
}

/* ---- products ---- */

static float *copy_aligned(const float *from, size_t n)
{
    float *to = aligned_alloc(64, (n * sizeof *to + 63) / 64 * 64);
    if (!to)
        die("out of memory asking for %zu floats", n);
    memcpy(to, from, n * sizeof *to);
    return to;
}

/* Rounds in place. */
static void round_bf16(float *w, size_t n)
{
    uint16_t part[1024];
    for (size_t i = 0; i < n; i += ARRAY_LEN(part)) {
        size_t m = n - i < ARRAY_LEN(part) ? n - i : ARRAY_LEN(part);
        gemm_to_bf16(part, w + i, m);
        gemm_from_bf16(w + i, part, m);
    }
}

struct gemm *gemm_new(const float *w, const float *bias, int N, int K,
                      enum gemm_precision precision, enum gemm_backend backend, struct err *e)
{
    struct gemm *g = xcalloc(1, sizeof *g);
    *g = (struct gemm){.N = N, .K = K, .precision = precision};
    if (backend == GEMM_AUTO)
        backend = BEST;
    g->bf16_native = precision == GEMM_BF16 && backend == GEMM_ONEDNN && NATIVE_BF16;
    g->w = copy_aligned(w, (size_t)N * K);
    if (bias)
        g->bias = copy_aligned(bias, (size_t)N);
    if (precision == GEMM_BF16 && !g->bf16_native)
        round_bf16(g->w, (size_t)N * K);
    blas_single_thread();
#ifdef HAVE_DNNL
    if (backend == GEMM_ONEDNN) {
        g->onednn = onednn_linear(GEMM_ROWS, N, K, g->bf16_native, g->w, bias, e);
        free(g->w);
        g->w = NULL;
        if (!g->onednn) {
            gemm_free(g);
            return NULL;
        }
    }
#else
    (void)e;
#endif
    return g;
}

void gemm_free(struct gemm *g)
{
    if (!g)
        return;
#ifdef HAVE_DNNL
    onednn_free(g->onednn);
#endif
    free(g->w);
    free(g->bias);
    free(g);
}

/* blocks of GEMM_ROWS rows */
static void product(float *y, const float *x, int blocks, const struct gemm *g)
{
    size_t yn = (size_t)GEMM_ROWS * g->N, xn = (size_t)GEMM_ROWS * g->K;
#ifdef HAVE_DNNL
    if (g->onednn) {
        onednn_run(g->onednn, y, yn * sizeof *y, x, xn * sizeof *x, blocks);
        return;
    }
#endif
    for (; blocks > 0; blocks--, x += xn, y += yn) {
        for (int r = 0; g->bias && r < GEMM_ROWS; r++)
            memcpy(y + (size_t)r * g->N, g->bias, (size_t)g->N * sizeof *y);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, GEMM_ROWS, g->N, g->K, 1, x, g->K,
                    g->w, g->K, g->bias ? 1 : 0, y, g->N);
    }
}

void gemm_run(float *y, const void *x, int rows, const struct gemm *g)
{
    size_t yn = (size_t)GEMM_ROWS * g->N, xn = (size_t)GEMM_ROWS * g->K;
    int blocks = gemm_pad(rows) / GEMM_ROWS;
    if (g->precision == GEMM_F32) {
        product(y, x, blocks, g);
        return;
    }
    const uint16_t *half = x;
#ifdef HAVE_DNNL
    if (g->bf16_native) {
        onednn_run(g->onednn, y, yn * sizeof *y, half, xn * sizeof *half, blocks);
        return;
    }
#endif
    struct arena a;
    arena_init(&a, xn);
    for (int i = 0; i < blocks; i++) {
        gemm_from_bf16(a.base, half + (size_t)i * xn, xn);
        product(y + (size_t)i * yn, a.base, 1, g);
    }
    arena_release(&a);
}
