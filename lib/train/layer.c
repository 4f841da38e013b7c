/* SPDX-License-Identifier: MIT */
#include "train/layer.h"
#include "base/rng.h"
#include "base/simd.h"
#include "nn/fastmath.h"
#include "nn/tile.h"
#include <assert.h>
#include <math.h>
#include <string.h>

static int round_rows(int n)
{
    return (n + TILE_ROWS - 1) / TILE_ROWS * TILE_ROWS;
}

/* ---- dense ---- */

size_t layer_dense_params(int in, int out)
{
    return (size_t)in * out + out;
}

size_t layer_dense_room(int in, int out)
{
    size_t i = tile_pad(in), o = tile_pad(out);
    return arena_room(in * o) + arena_room(out * i) + arena_room(o) +
           arena_room(round_rows(out) * i) + arena_room(o);
}

void layer_dense_init(struct layer_dense *l, int in, int out, float *params, float *grads,
                      struct arena *scratch)
{
    size_t i = tile_pad(in), o = tile_pad(out), nw = (size_t)in * out;
    *l = (struct layer_dense){.in = in, .out = out, .w = params, .b = params + nw,
                              .dw = grads, .db = grads + nw};
    l->wt = arena_take(scratch, in * o);
    l->wp = arena_take(scratch, out * i);
    l->bp = arena_take(scratch, o);
    l->gw = arena_take(scratch, round_rows(out) * i);
    l->gb = arena_take(scratch, o);
}

void layer_dense_pack(struct layer_dense *l)
{
    size_t in_ld = tile_pad(l->in), out_ld = tile_pad(l->out);
    for (int n = 0; n < l->out; n++) {
        const float *row = l->w + (size_t)n * l->in;
        memcpy(l->wp + n * in_ld, row, l->in * sizeof(float));
        for (int k = 0; k < l->in; k++)
            l->wt[k * out_ld + n] = row[k];
    }
    memcpy(l->bp, l->b, l->out * sizeof(float));
    memset(l->gw, 0, round_rows(l->out) * in_ld * sizeof(float));
    memset(l->gb, 0, out_ld * sizeof(float));
}

SIMD_FAST void layer_dense_unpack(struct layer_dense *l)
{
    size_t in_ld = tile_pad(l->in);
    for (int n = 0; n < l->out; n++) {
        float *dw = l->dw + (size_t)n * l->in;
        const float *gw = l->gw + n * in_ld;
        for (int k = 0; k < l->in; k++)
            dw[k] += gw[k];
        l->db[n] += l->gb[n];
    }
}

void layer_dense_forward(const struct layer_dense *l, float *y, int y_ld, const float *x,
                         int x_ld, int rows)
{
    tile_product(y, y_ld, x, x_ld, 1, l->wt, tile_pad(l->out), round_rows(rows),
                 tile_pad(l->out), l->in, l->bp, 0); /* y = x W^T + b */
}

/* One addition a row and column, in row order. */
SIMD_FAST static void add_rows(float *sum, const float *dy, int ld, int cols, int rows)
{
    for (int r = 0; r < rows; r++, dy += ld)
        for (int c = 0; c < cols; c++)
            sum[c] += dy[c];
}

void layer_dense_backward(struct layer_dense *l, float *dx, int dx_ld, const float *dy,
                          int dy_ld, const float *x, int x_ld, int rows)
{
    int in_ld = tile_pad(l->in);
    tile_product(l->gw, in_ld, dy, 1, dy_ld, x, x_ld, round_rows(l->out), in_ld, rows, NULL,
                 1); /* dW += dy^T x */
    add_rows(l->gb, dy, dy_ld, l->out, rows);
    if (dx)
        tile_product(dx, dx_ld, dy, dy_ld, 1, l->wp, in_ld, round_rows(rows), in_ld, l->out,
                     NULL, 0); /* dx = dy W */
}

/* ---- activations ---- */

SIMD_FAST void layer_relu(float *y, int ld, int cols, int rows)
{
    for (int r = 0; r < rows; r++, y += ld)
        for (int c = 0; c < cols; c++)
            y[c] = y[c] < 0 ? 0 : y[c];
}

SIMD_FAST void layer_relu_backward(float *dy, int dy_ld, const float *y, int y_ld, int cols,
                                   int rows, float scale)
{
    for (int r = 0; r < rows; r++, dy += dy_ld, y += y_ld)
        for (int c = 0; c < cols; c++)
            dy[c] *= y[c] > 0 ? scale : 0;
}

/* log(1+u) for 0 <= u <= 1: 2 atanh(s), s = u/(2+u) <= 1/3; the first term left out is under
 * 2e-9 of the sum. */
SIMD_INLINE float log1p_poly(float u)
{
    float s = u / (2 + u), q = s * s, p = 1.0f / 15;
    p = p * q + 1.0f / 13;
    p = p * q + 1.0f / 11;
    p = p * q + 1.0f / 9;
    p = p * q + 1.0f / 7;
    p = p * q + 0.2f;
    p = p * q + 1.0f / 3;
    p = p * q + 1;
    return 2 * s * p;
}

SIMD_FAST void layer_tanh(float *y, int ld, int cols, int rows)
{
    for (int r = 0; r < rows; r++, y += ld)
        for (int c = 0; c < cols; c++) {
            float e = exp_poly(2 * y[c]);
            y[c] = (e - 1) / (e + 1);
        }
}

SIMD_FAST void layer_tanh_backward(float *dy, int dy_ld, const float *y, int y_ld, int cols,
                                   int rows)
{
    for (int r = 0; r < rows; r++, dy += dy_ld, y += y_ld)
        for (int c = 0; c < cols; c++)
            dy[c] *= 1 - y[c] * y[c];
}

/* ---- dropout ---- */

SIMD_FAST static void drop_row(float *y, int cols, uint32_t k0, uint32_t k1, uint32_t below,
                               float scale)
{
    for (int c = 0; c < cols; c++) {
        uint32_t h = (uint32_t)c * 0x9e3779b9u + k0;
        h = (h ^ h >> 16) * 0x7feb352du;
        h = (h ^ h >> 15 ^ k1) * 0x846ca68bu;
        h ^= h >> 16;
        y[c] = h < below ? 0 : y[c] * scale;
    }
}

void layer_dropout(float *y, int ld, int cols, int rows, const int *ids,
                   const struct layer_dropout *d)
{
    assert(d->p >= 0 && d->p < 1);
    if (d->p <= 0)
        return;
    uint32_t below = (uint32_t)(d->p * 4294967296.0);
    for (int r = 0; r < rows; r++, y += ld) {
        uint64_t k = rng_mix(d->key ^ rng_mix((uint64_t)ids[r] << 8 | (unsigned)d->site));
        drop_row(y, cols, (uint32_t)k, (uint32_t)(k >> 32), below, 1 / (1 - d->p));
    }
}

/* ---- embedding bag ---- */

SIMD_FAST void layer_bag_forward(const struct layer_bag *l, float *restrict y, int y_ld,
                                 const float *restrict table, const int *bags, int rows)
{
    for (int r = 0; r < rows; r++, y += y_ld, bags += l->bag) {
        memset(y, 0, l->dim * sizeof(float));
        for (int i = 0; i < l->bag; i++) {
            const float *v = table + (size_t)bags[i] * l->dim;
            if (bags[i] != l->pad)
                for (int c = 0; c < l->dim; c++)
                    y[c] += v[c];
        }
    }
}

SIMD_FAST void layer_bag_backward(const struct layer_bag *l, float *restrict dtable,
                                  const float *restrict dy, int dy_ld, const int *bags,
                                  int rows)
{
    for (int r = 0; r < rows; r++, dy += dy_ld, bags += l->bag)
        for (int i = 0; i < l->bag; i++) {
            float *v = dtable + (size_t)bags[i] * l->dim;
            if (bags[i] != l->pad)
                for (int c = 0; c < l->dim; c++)
                    v[c] += dy[c];
        }
}

/* ---- dot interaction ---- */

int layer_dots_pairs(int n)
{
    return n * (n - 1) / 2;
}

typedef float v16 __attribute__((vector_size(64), aligned(4), may_alias));
typedef float v8 __attribute__((vector_size(32)));
typedef float v4 __attribute__((vector_size(16)));

/* 16 partial sums, then halves added: gcc would not make the tree out of scalars. */
SIMD_INLINE float dot16(const float *a, const float *b, int ld)
{
    union {
        v16 all;
        v8 half[2];
    } s16;
    union {
        v8 all;
        v4 half[2];
    } s8;
    s16.all = *(const v16 *)a * *(const v16 *)b;
    for (int k = 16; k < ld; k += 16)
        s16.all += *(const v16 *)(a + k) * *(const v16 *)(b + k);
    s8.all = s16.half[0] + s16.half[1];
    v4 s = s8.half[0] + s8.half[1];
    return (s[0] + s[2]) + (s[1] + s[3]);
}

SIMD_FAST void layer_dots_forward(float *z, int z_ld, const float *T, int n, int ld, int rows)
{
    for (int r = 0; r < rows; r++, z += z_ld, T += (size_t)n * ld) {
        float *q = z;
        for (int i = 1; i < n; i++)
            for (int j = 0; j < i; j++)
                *q++ = dot16(T + (size_t)i * ld, T + (size_t)j * ld, ld);
    }
}

SIMD_INLINE void axpy(float *restrict y, float a, const float *restrict x, int n)
{
    for (int k = 0; k < n; k++)
        y[k] += a * x[k];
}

SIMD_FAST void layer_dots_backward(float *dT, int n_train, const float *dz, int dz_ld,
                                   const float *T, int n, int ld, int rows)
{
    for (int r = 0; r < rows; r++, dz += dz_ld, T += (size_t)n * ld) {
        const float *g = dz;
        for (int i = 1; i < n; i++)
            for (int j = 0; j < i; j++, g++) {
                if (i < n_train)
                    axpy(dT + (size_t)i * ld, *g, T + (size_t)j * ld, ld);
                if (j < n_train)
                    axpy(dT + (size_t)j * ld, *g, T + (size_t)i * ld, ld);
            }
        dT += (size_t)n_train * ld;
    }
}

/* ---- sigmoid and loss ---- */

SIMD_FAST void layer_sigmoid(float *p, const float *z, int n)
{
    for (int i = 0; i < n; i++)
        p[i] = 1 / (1 + exp_poly(-z[i]));
}

SIMD_FAST static void bce_rows(float *loss, float *dz, const float *z, const float *y,
                               const float *w, int n, float scale)
{
    for (int i = 0; i < n; i++) {
        float e = exp_poly(-fabsf(z[i])), s = 1 / (1 + e);
        float p = z[i] < 0 ? e * s : s;
        loss[i] = (z[i] > 0 ? z[i] : 0) - z[i] * y[i] + log1p_poly(e);
        dz[i] = w[i] * (p - y[i]) * scale;
    }
}

void layer_bce(float *dz, struct layer_loss *sum, const float *z, const unsigned char *y, int n,
               const float weight[2], float scale)
{
    float loss[64], d[64], label[64], w[64];
    for (int at = 0; at < n; at += 64) {
        int m = n - at < 64 ? n - at : 64;
        for (int i = 0; i < m; i++) {
            label[i] = y[at + i];
            w[i] = weight[y[at + i]];
        }
        bce_rows(loss, d, z + at, label, w, m, scale);
        for (int i = 0; i < m; i++) {
            sum->plain += loss[i];
            sum->weighted += w[i] * (double)loss[i];
        }
        if (dz)
            memcpy(dz + at, d, m * sizeof *d);
    }
}
