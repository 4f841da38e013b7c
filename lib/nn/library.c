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

enum { MANY = 64, FEW = 16, COLS = LIBRARY_PANELS * PANEL_COLS, SHAPES = 16, K_MAX = 16384 };

/* Products of one K. */
struct shape {
    int K;
    struct onednn *many, *few; /* NULL: the library packs this K otherwise */
};

struct library {
    int threads, least, n;
    struct shape shape[SHAPES];
    float **y;      /* [threads] [MANY,COLS] */
    uint16_t **x;   /* [threads] [MANY,K_MAX]: a block that is filled up */
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
    if (K % 32 == 0 && (s->many = onednn_panels(MANY, COLS, K, &e)) != NULL)
        s->few = onednn_panels(FEW, COLS, K, &e);
    return s;
}

int library_can(struct library *b, int rows, int panels, int K)
{
    if (rows < b->least || panels % LIBRARY_PANELS)
        return 0;
    const struct shape *s = shape_of(b, K);
    return s && s->many && s->few;
}

int library_rows(int rows)
{
    return rows >= MANY ? MANY : FEW;
}

const float *library_run(struct library *b, const void *x, int rows, int block,
                         const void *panels, int K, int thread)
{
    const struct shape *s = shape_of(b, K);
    size_t width = (size_t)K * sizeof(uint16_t);
    if (rows < block) { /* the rows behind may not be there */
        memcpy(b->x[thread], x, (size_t)rows * width);
        memset((char *)b->x[thread] + (size_t)rows * width, 0, (size_t)(block - rows) * width);
        x = b->x[thread];
    }
    onednn_run_panels(block == MANY ? s->many : s->few, b->y[thread], x, panels);
    return b->y[thread];
}

/* Its layout is read off descriptors of oneDNN: a product shows whether that was right. */
static int check(struct library *b, struct err *e)
{
    enum { K = 96, ROWS = 21 };
    float w[PANEL_COLS * K], want[ROWS * PANEL_COLS], worst = 0;
    uint16_t x[ROWS * K];
    _Alignas(64) unsigned char panels[2 * PANEL_COLS * K * sizeof(uint16_t)];
    if (!library_can(b, MANY, 2, K))
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
    for (int block = FEW; block <= MANY; block += MANY - FEW) {
        int rows = block < ROWS ? block : ROWS;
        const float *y = library_run(b, x, rows, block, panels, K, 0);
        for (int p = 0; p < 2; p++) {
            panel_run(want, x, K, rows, panels + (size_t)p * sizeof panels / 2, K, PANEL_DOT);
            for (int r = 0; r < rows; r++)
                for (int c = 0; c < PANEL_COLS; c++)
                    worst = fmaxf(worst, fabsf(want[r * PANEL_COLS + c] -
                                               y[r * COLS + p * PANEL_COLS + c]));
        }
    }
    return worst < 1e-3f ? 0 : err_set(e, "oneDNN %s: products of panels are off by %g",
                                       onednn_version(), (double)worst);
}

struct library *library_new(int threads, int least, struct err *e)
{
    struct library *b = xcalloc(1, sizeof *b);
    b->threads = threads;
    b->least = least;
    b->y = xcalloc((size_t)threads, sizeof *b->y);
    b->x = xcalloc((size_t)threads, sizeof *b->x);
    for (int i = 0; i < threads; i++) {
        b->y[i] = aligned_alloc(64, MANY * COLS * sizeof(float));
        b->x[i] = aligned_alloc(64, (size_t)MANY * K_MAX * sizeof(uint16_t));
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
    for (int i = 0; i < b->n; i++) {
        onednn_free(b->shape[i].many);
        onednn_free(b->shape[i].few);
    }
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

struct library *library_new(int threads, int least, struct err *e)
{
    (void)threads, (void)least;
    err_set(e, "this build has no oneDNN");
    return NULL;
}

void library_free(struct library *b)
{
    (void)b;
}

int library_can(struct library *b, int rows, int panels, int K)
{
    (void)b, (void)rows, (void)panels, (void)K;
    return 0;
}

int library_rows(int rows)
{
    return rows;
}

const float *library_run(struct library *b, const void *x, int rows, int block,
                         const void *panels, int K, int thread)
{
    (void)b, (void)x, (void)rows, (void)block, (void)panels, (void)K, (void)thread;
    return NULL;
}
#endif
