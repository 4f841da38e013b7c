/* SPDX-License-Identifier: MIT */
#include "nn/library.h"
#include "base/rng.h"
#include "base/util.h"
#include "nn/gemm.h"
#include "nn/onednn.h"
#include "nn/panel.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#ifdef HAVE_DNNL

enum { COLS = LIBRARY_PANELS * PANEL_COLS, SHAPES = 16, K_MAX = 16384 };

/* Products of one K. */
struct shape {
    int K;
    struct onednn *product; /* NULL: the library packs this K otherwise */
};

struct library {
    int threads, n;
    struct shape shape[SHAPES];
    float **y;    /* [threads] [LIBRARY_ROWS,COLS] */
    uint16_t **x; /* [threads] [LIBRARY_ROWS,K_MAX]: a block that is filled up */
};

int library_pays(void)
{
    return onednn_has_tiles();
}

static struct shape *shape_of(struct library *b, int K)
{
    struct err e;
    for (int i = 0; i < b->n; i++)
        if (b->shape[i].K == K)
            return &b->shape[i];
    if (b->n == SHAPES || K > K_MAX)
        return NULL;
    struct shape *s = &b->shape[b->n++];
    *s = (struct shape){.K = K};
    if (K % 32 == 0)
        s->product = onednn_panels(LIBRARY_ROWS, COLS, K, &e);
    return s;
}

int library_can(struct library *b, int panels, int K)
{
    const struct shape *s = panels % LIBRARY_PANELS ? NULL : shape_of(b, K);
    return s && s->product;
}

const float *library_run(struct library *b, const void *x, int rows, const void *panels, int K,
                         int thread)
{
    const struct shape *s = shape_of(b, K);
    size_t width = (size_t)K * sizeof(uint16_t);
    if (rows < LIBRARY_ROWS) { /* the rows behind may not be there */
        memcpy(b->x[thread], x, (size_t)rows * width);
        memset((char *)b->x[thread] + (size_t)rows * width, 0,
               (size_t)(LIBRARY_ROWS - rows) * width);
        x = b->x[thread];
    }
    onednn_run_panels(s->product, b->y[thread], x, panels);
    return b->y[thread];
}

/* Its layout is read off descriptors of oneDNN: a product shows whether that was right. */
static int check(struct library *b, struct err *e)
{
    enum { K = 96, ROWS = 21 };
    float w[PANEL_COLS * K], want[ROWS * PANEL_COLS], worst = 0;
    uint16_t x[ROWS * K];
    _Alignas(64) unsigned char panels[2 * PANEL_COLS * K * sizeof(uint16_t)];
    if (!library_can(b, LIBRARY_PANELS, K))
        return err_set(e, "oneDNN %s packs weights in another way", onednn_version());
    for (size_t i = 0; i < ROWS * K; i++) {
        float v = (float)(rng_mix(i) >> 40) * 0x1p-23f - 1;
        gemm_to_bf16_plain(&x[i], &v, 1);
    }
    for (int p = 0; p < 2; p++) {
        for (size_t i = 0; i < PANEL_COLS * K; i++)
            w[i] = (float)(rng_mix(i + (size_t)p * 1000000) >> 40) * 0x1p-23f - 1;
        panel_pack(panels + (size_t)p * sizeof panels / 2, w, PANEL_COLS, K, PANEL_HALF);
    }
    const float *y = library_run(b, x, ROWS, panels, K, 0);
    for (int p = 0; p < 2; p++) {
        panel_run(want, x, K, ROWS, panels + (size_t)p * sizeof panels / 2, K, PANEL_DOT);
        for (int r = 0; r < ROWS; r++)
            for (int c = 0; c < PANEL_COLS; c++)
                worst = fmaxf(worst, fabsf(want[r * PANEL_COLS + c] -
                                           y[r * COLS + p * PANEL_COLS + c]));
    }
    return worst < 1e-3f ? 0 : err_set(e, "oneDNN %s: products of panels are off by %g",
                                       onednn_version(), (double)worst);
}

struct library *library_new(int threads, struct err *e)
{
    struct library *b = xcalloc(1, sizeof *b);
    b->threads = threads;
    b->y = xcalloc((size_t)threads, sizeof *b->y);
    b->x = xcalloc((size_t)threads, sizeof *b->x);
    for (int i = 0; i < threads; i++) {
        b->y[i] = aligned_alloc(64, LIBRARY_ROWS * COLS * sizeof(float));
        b->x[i] = aligned_alloc(64, (size_t)LIBRARY_ROWS * K_MAX * sizeof(uint16_t));
        if (!b->y[i] || !b->x[i])
            die("out of memory");
    }
    if (panel_dot_here() && check(b, e) == 0)
        return b;
    if (!panel_dot_here())
        err_set(e, "this CPU has no instruction for pairs of bfloat16");
    library_free(b);
    return NULL;
}

void library_free(struct library *b)
{
    if (!b)
        return;
    for (int i = 0; i < b->n; i++)
        onednn_free(b->shape[i].product);
    for (int i = 0; i < b->threads; i++) {
        free(b->y[i]);
        free(b->x[i]);
    }
    free(b->y);
    free(b->x);
    free(b);
}

#else

int library_pays(void)
{
    return 0;
}

struct library *library_new(int threads, struct err *e)
{
    (void)threads;
    err_set(e, "this build has no oneDNN");
    return NULL;
}

void library_free(struct library *b)
{
    (void)b;
}

int library_can(struct library *b, int panels, int K)
{
    (void)b, (void)panels, (void)K;
    return 0;
}

const float *library_run(struct library *b, const void *x, int rows, const void *panels, int K,
                         int thread)
{
    (void)b, (void)x, (void)rows, (void)panels, (void)K, (void)thread;
    return NULL;
}
#endif
