/* SPDX-License-Identifier: MIT */
#include "nn/engine.h"
#include "base/arena.h"
#include "base/simd.h"
#include "base/team.h"
#include "base/util.h"
#include "nn/gemm.h"
#include "nn/library.h"
#include "nn/ops.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NORM_ROWS 16 /* of a piece */

struct engine {
    struct team *team;
    enum panel_kind kind;
    int keys, head_dim;
    struct arena memory;
    float **tile; /* [threads] [ENGINE_ROWS,64] */
    float **attn; /* [threads] scratch of attn_head */
    float **head; /* [threads] [keys,head_dim]: what a head gives */
    struct library *library; /* or NULL */
    int library_on;
};

static const char *const precision_names[] = {"f32", "bf16", "int8"};

const char *engine_precision_name(enum engine_precision p)
{
    return precision_names[p];
}

int engine_precision_of(enum engine_precision *p, const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(precision_names); i++)
        if (strcmp(name, precision_names[i]) == 0) {
            *p = (enum engine_precision)i;
            return 0;
        }
    return -1;
}

enum panel_kind engine_best(enum engine_precision precision)
{
    if (precision != ENGINE_BF16)
        return precision == ENGINE_F32 ? PANEL_F32 : PANEL_BYTE;
    return panel_dot_here() && (panel_dot_pays() || engine_library_pays()) ? PANEL_DOT : PANEL_HALF;
}

int engine_library_pays(void)
{
    return library_pays();
}

int engine_use_library(struct engine *g, struct err *e)
{
    if (g->kind != PANEL_DOT)
        return err_set(e, "only products of bfloat16 inputs can be the library's");
    g->library = library_new(team_threads(g->team), e);
    g->library_on = g->library != NULL;
    return g->library ? 0 : -1;
}

void engine_library_on(struct engine *g, int on)
{
    g->library_on = on && g->library;
}

struct engine *engine_new(int threads, enum panel_kind kind, int keys, int head_dim)
{
    struct engine *g = xcalloc(1, sizeof *g);
    size_t tile = (size_t)ENGINE_ROWS * PANEL_COLS, attn = attn_scratch(keys, head_dim);
    size_t head = (size_t)keys * (size_t)head_dim, n = (size_t)threads;
    g->kind = kind;
    g->keys = keys;
    g->head_dim = head_dim;
    arena_init(&g->memory, n * (arena_room(tile) + arena_room(attn) + arena_room(head)));
    g->tile = xcalloc(n, sizeof *g->tile);
    g->attn = xcalloc(n, sizeof *g->attn);
    g->head = xcalloc(n, sizeof *g->head);
    for (size_t i = 0; i < n; i++) {
        g->tile[i] = arena_take(&g->memory, tile);
        g->attn[i] = arena_take(&g->memory, attn);
        g->head[i] = arena_take(&g->memory, head);
    }
    g->team = team_new(threads);
    return g;
}

void engine_free(struct engine *g)
{
    if (!g)
        return;
    team_free(g->team);
    library_free(g->library);
    arena_release(&g->memory);
    free(g->tile);
    free(g->attn);
    free(g->head);
    free(g);
}

enum panel_kind engine_kind(const struct engine *g)
{
    return g->kind;
}

size_t engine_input_bytes(const struct engine *g)
{
    return g->kind == PANEL_DOT ? sizeof(uint16_t) : sizeof(float);
}

const char *engine_describe(enum panel_kind kind)
{
    static const char *const what[] = {"f32", "bf16 weights", "int8 weights", "bf16"};
    static char text[64]; /* the same bytes whoever writes them */
    const char *isa = kind != PANEL_DOT       ? panel_isa()
                      : engine_library_pays() ? "amx" : "avx512_bf16";
    snprintf(text, sizeof text, "%s, %s", isa, what[kind]);
    return text;
}

void engine_each(struct engine *g, void (*piece)(void *ctx, int i, int thread), void *ctx, int n)
{
    team_run(g->team, piece, ctx, n);
}

/* Row `row` of an input whose rows are ld numbers apart. */
static void *at_row(const struct engine *g, const void *base, size_t row, size_t ld)
{
    return (char *)(uintptr_t)base + row * ld * engine_input_bytes(g);
}

/* n floats as inputs. */
static void put_input(const struct engine *g, void *to, const float *x, size_t n)
{
    if (g->kind == PANEL_DOT)
        gemm_to_bf16(to, x, n);
    else
        memcpy(to, x, n * sizeof *x);
}

/* ---- products ---- */

size_t engine_linear_bytes(int N, int K, enum panel_kind kind)
{
    return (size_t)((N + PANEL_COLS - 1) / PANEL_COLS) * panel_bytes(K, kind);
}

struct product {
    struct engine *g;
    const struct linear *l;
    const struct engine_io *io;
    int blocks, panels, group; /* of rows; of columns; panels a piece */
};

/* The first cols of each row of tile [rows,64] plus bias [64]; added to y or put there. */
SIMD_FAST static void put_rows(float *restrict y, size_t ldy, const float *restrict tile,
                               const float *restrict bias, int rows, int cols, int add)
{
    for (int r = 0; r < rows; r++, tile += PANEL_COLS, y += ldy)
        for (int c = 0; c < cols; c++)
            y[c] = (add ? y[c] : 0) + (tile[c] + bias[c]);
}

SIMD_FAST static void add_bias(float *restrict tile, const float *restrict bias, int rows)
{
    for (int r = 0; r < rows; r++, tile += PANEL_COLS)
        for (int c = 0; c < PANEL_COLS; c++)
            tile[c] += bias[c];
}

static void put_floats(const struct product *p, const float *tile, const float *bias, int row,
                       int rows, int col, int cols)
{
    float *y = (float *)p->io->y + (size_t)row * p->io->ldy + col;
    put_rows(y, p->io->ldy, tile, bias, rows, cols, p->io->then == ENGINE_ADD);
}

static void put_activated(const struct product *p, float *tile, const float *bias, int row,
                          int rows, int col, int cols)
{
    struct engine *g = p->g;
    add_bias(tile, bias, rows);
    if (p->io->then == ENGINE_GELU)
        ops_gelu(tile, (size_t)rows * PANEL_COLS);
    else
        ops_relu(tile, (size_t)rows * PANEL_COLS);
    for (int r = 0; r < rows; r++) {
        char *y = at_row(g, p->io->y, (size_t)(row + r), p->io->ldy);
        put_input(g, y + (size_t)col * engine_input_bytes(g), tile + r * PANEL_COLS, (size_t)cols);
    }
}

/* What comes of a tile [rows,64] of sums. */
static void put_tile(const struct product *p, float *tile, int row, int rows, int col, int cols)
{
    float bias[PANEL_COLS] = {0};
    if (p->l->bias)
        memcpy(bias, p->l->bias + col, (size_t)cols * sizeof *bias);
    if (p->io->then == ENGINE_SET || p->io->then == ENGINE_ADD)
        put_floats(p, tile, bias, row, rows, col, cols);
    else
        put_activated(p, tile, bias, row, rows, col, cols);
}

static void one_product(void *ctx, int i, int thread)
{
    const struct product *p = ctx;
    struct engine *g = p->g;
    const struct linear *l = p->l;
    int row = i % p->blocks * ENGINE_ROWS, first = i / p->blocks * p->group;
    int rows = p->io->rows - row < ENGINE_ROWS ? p->io->rows - row : ENGINE_ROWS;
    const void *x = at_row(g, p->io->x, (size_t)row, p->io->ldx);
    for (int k = first; k < first + p->group && k < p->panels; k++) {
        int col = k * PANEL_COLS, cols = l->N - col < PANEL_COLS ? l->N - col : PANEL_COLS;
        const char *w = (const char *)l->w + (size_t)k * panel_bytes(l->K, g->kind);
        panel_run(g->tile[thread], x, p->io->ldx, rows, w, l->K, g->kind);
        put_tile(p, g->tile[thread], row, rows, col, cols);
    }
}

/* Pieces of LIBRARY_ROWS rows by two panels. */
static void library_product(void *ctx, int i, int thread)
{
    const struct product *p = ctx;
    struct engine *g = p->g;
    const struct linear *l = p->l;
    int row = i % p->blocks * LIBRARY_ROWS, panel = i / p->blocks * LIBRARY_PANELS;
    int rows = p->io->rows - row < LIBRARY_ROWS ? p->io->rows - row : LIBRARY_ROWS;
    const char *w = (const char *)l->w + (size_t)panel * panel_bytes(l->K, g->kind);
    const float *y = library_run(g->library, at_row(g, p->io->x, (size_t)row, p->io->ldx), rows,
                                 w, l->K, thread);
    for (int k = 0; k < LIBRARY_PANELS && panel + k < p->panels; k++) {
        int col = (panel + k) * PANEL_COLS;
        int cols = l->N - col < PANEL_COLS ? l->N - col : PANEL_COLS;
        for (int r = 0; r < rows; r++)
            memcpy(g->tile[thread] + r * PANEL_COLS,
                   y + r * LIBRARY_PANELS * PANEL_COLS + k * PANEL_COLS,
                   PANEL_COLS * sizeof(float));
        put_tile(p, g->tile[thread], row, rows, col, cols);
    }
}

void engine_linear(struct engine *g, const struct linear *l, const struct engine_io *io)
{
    struct product p = {g, l, io, (io->rows + ENGINE_ROWS - 1) / ENGINE_ROWS,
                        (l->N + PANEL_COLS - 1) / PANEL_COLS, 1};
    assert(io->ldx % 2 == 0 && l->K % 2 == 0);
    if (g->library_on && io->ldx == (size_t)l->K && library_can(g->library, p.panels, l->K)) {
        p.blocks = (io->rows + LIBRARY_ROWS - 1) / LIBRARY_ROWS;
        team_run(g->team, library_product, &p, p.blocks * (p.panels / LIBRARY_PANELS));
        return;
    }
    if (io->rows <= 32) /* a panel alone is too little: taking a piece costs time too */
        p.group = 4;
    team_run(g->team, one_product, &p, p.blocks * ((p.panels + p.group - 1) / p.group));
}

/* ---- layer norms ---- */

struct norm {
    struct engine *g;
    void *y;
    const float *from; /* before, or */
    float *x;          /* after: in place */
    const float *gamma, *beta;
    double eps;
    int rows, D;
};

static void one_norm(void *ctx, int i, int thread)
{
    const struct norm *n = ctx;
    size_t D = (size_t)n->D;
    for (int r = i * NORM_ROWS; r < (i + 1) * NORM_ROWS && r < n->rows; r++) {
        void *y = at_row(n->g, n->y, (size_t)r, D);
        float *x = n->x ? n->x + (size_t)r * D : n->g->kind == PANEL_DOT ? n->g->tile[thread] : y;
        if (!n->x)
            memcpy(x, n->from + (size_t)r * D, D * sizeof *x);
        ops_layer_norm(x, NULL, n->gamma, n->beta, n->eps, 1, n->D);
        if (x != y)
            put_input(n->g, y, x, D);
    }
}

static void run_norm(struct norm *n)
{
    assert(n->D <= ENGINE_ROWS * PANEL_COLS);
    team_run(n->g->team, one_norm, n, (n->rows + NORM_ROWS - 1) / NORM_ROWS);
}

void engine_norm(struct engine *g, void *y, const float *x, const float *gamma,
                 const float *beta, double eps, int rows, int D)
{
    run_norm(&(struct norm){g, y, x, NULL, gamma, beta, eps, rows, D});
}

void engine_norm_after(struct engine *g, void *y, float *x, const float *gamma,
                       const float *beta, double eps, int rows, int D)
{
    run_norm(&(struct norm){g, y, NULL, x, gamma, beta, eps, rows, D});
}

/* ---- attention ---- */

struct attend {
    struct engine *g;
    void *y;
    const float *q;
    const struct engine_seq *seq;
    const struct engine_heads *h;
};

static void one_head(void *ctx, int i, int thread)
{
    const struct attend *a = ctx;
    struct engine *g = a->g;
    const struct engine_seq *s = &a->seq[i / a->h->heads];
    size_t d = (size_t)a->h->head_dim, at = (size_t)(i % a->h->heads) * d;
    size_t D = (size_t)a->h->heads * d;
    struct attn_part part[2];
    for (int k = 0; k < s->parts; k++)
        part[k] = (struct attn_part){s->part[k].k + at, s->part[k].v + at, s->part[k].n};
    attn_head(g->head[thread], d, a->q + (size_t)s->first * a->h->ldq + at, a->h->ldq, s->rows,
              part, s->parts, a->h->ldk, a->h->head_dim, a->h->causal, g->attn[thread]);
    for (size_t r = 0; r < (size_t)s->rows; r++) {
        char *y = at_row(g, a->y, (size_t)s->first + r, D);
        put_input(g, y + at * engine_input_bytes(g), g->head[thread] + r * d, d);
    }
}

void engine_attend(struct engine *g, void *y, const float *q, const struct engine_seq *seq, int n,
                   const struct engine_heads *h)
{
    struct attend a = {g, y, q, seq, h};
    for (int i = 0; i < n; i++)
        assert(seq[i].rows <= g->keys && h->head_dim <= g->head_dim &&
               seq[i].part[0].n + (seq[i].parts > 1 ? seq[i].part[1].n : 0) <= g->keys);
    team_run(g->team, one_head, &a, n * h->heads);
}
