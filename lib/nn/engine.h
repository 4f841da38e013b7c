/* SPDX-License-Identifier: MIT */
/* The steps of a large transformer, each shared by all threads: products with packed weights,
 * layer norms, attention. For networks whose weights are too many for a copy a thread and
 * whose answers somebody waits for.
 *
 *     struct engine *g = engine_new(2, engine_best(ENGINE_BF16), 257, 88);
 *     engine_norm(g, h, x, gamma, beta, 1e-6, rows, 1408);
 *     engine_linear(g, &fc1, &(struct engine_io){.x = h, .ldx = 1408, .rows = rows, .y = f,
 *                                                .ldy = 6144, .then = ENGINE_GELU});
 *     engine_free(g);
 *
 * Row-major, shapes in [brackets]. What goes into a product is an "input": floats, or bfloat16
 * where engine_input_bytes is 2; norms, activations and attention write inputs, so nothing is
 * converted twice. Sums, norms, softmax and residuals are float32. A row's result does not
 * depend on the other rows or on the number of threads.
 */
#ifndef MM_NN_ENGINE_H
#define MM_NN_ENGINE_H
#include "base/err.h"
#include "nn/attn.h"
#include "nn/panel.h"

struct engine;

/* Rows of products: each block of up to this many is computed by one thread at a time. */
#define ENGINE_ROWS 264

/* Of weights, as they lie in memory. */
enum engine_precision { ENGINE_F32, ENGINE_BF16, ENGINE_INT8 };
const char *engine_precision_name(enum engine_precision p);                 /* "bf16" */
int engine_precision_of(enum engine_precision *p, const char *name) MM_MUST_CHECK; /* -1: none */

/* The fastest kind of product here for weights of that precision. */
enum panel_kind engine_best(enum engine_precision precision);
/* keys, head_dim: of the longest attention. Dies on no memory. */
struct engine *engine_new(int threads, enum panel_kind kind, int keys, int head_dim);
void engine_free(struct engine *g); /* NULL is accepted */

/* Lets oneDNN do the products of PANEL_DOT that it can do with the panels as they lie: on
 * processors with AMX, where it is several times as fast. 0: done; -1: it cannot, or its products
 * are not ours. */
int engine_use_library(struct engine *g, struct err *e) MM_MUST_CHECK;
/* Off for what has few rows, which is a matter of memory. Whether it is on must not depend on
 * the number of rows: both round differently. */
void engine_library_on(struct engine *g, int on);
int engine_library_pays(void); /* 1: this machine has AMX and a oneDNN that uses it */

enum panel_kind engine_kind(const struct engine *g);
size_t engine_input_bytes(const struct engine *g); /* of a number: 4 or 2 */
/* "avx512f, bf16 weights": static text. */
const char *engine_describe(enum panel_kind kind);

/* y = x W^T + bias with W [N,K]: panels one behind the other, N filled up to whole ones. */
struct linear {
    const void *w;
    const float *bias; /* [N] or NULL */
    int N, K;
};

/* Bytes of the panels of W [N,K]. */
size_t engine_linear_bytes(int N, int K, enum panel_kind kind);

enum engine_then {
    ENGINE_SET,  /* y float */
    ENGINE_ADD,  /* added to y, float */
    ENGINE_GELU, /* y input */
    ENGINE_RELU, /* y input */
};

struct engine_io {
    const void *x; /* input [rows,K], ldx apart */
    size_t ldx;
    int rows;
    void *y; /* [rows,N], ldy apart */
    size_t ldy;
    enum engine_then then;
};

/* x and y must not overlap. ldx is even. */
void engine_linear(struct engine *g, const struct linear *l, const struct engine_io *io);

/* x [rows,D] floats -> y [rows,D] input, as ops_layer_norm. y must not overlap x. */
void engine_norm(struct engine *g, void *y, const float *x, const float *gamma,
                 const float *beta, double eps, int rows, int D);
/* In place: x = norm(x), and that as input to y. For norms that come after. */
void engine_norm_after(struct engine *g, void *y, float *x, const float *gamma,
                       const float *beta, double eps, int rows, int D);

/* Queries first..first+rows-1 of q see the keys of the parts, as attn_head. The parts' k and v
 * are those of head 0; head h is h * head_dim floats further. */
struct engine_seq {
    int first, rows;
    struct attn_part part[2];
    int parts;
};

struct engine_heads {
    int heads, head_dim, causal;
    size_t ldq, ldk; /* floats from row to row, of q and of the parts */
};

/* q floats -> y [rows,heads*head_dim] input. q has ATTN_SPARE_ROWS rows behind the last. */
void engine_attend(struct engine *g, void *y, const float *q, const struct engine_seq *seq, int n,
                   const struct engine_heads *h);

/* Calls piece(ctx, i, thread) for i of 0..n-1, as team_run. */
void engine_each(struct engine *g, void (*piece)(void *ctx, int i, int thread), void *ctx, int n);

#endif
