/* SPDX-License-Identifier: MIT */
#include "train/layer.h"
#include "base/rng.h"
#include "base/simd.h"
#include "nn/tile.h"
#include <assert.h>
#include <string.h>

typedef real v16
    __attribute__((vector_size(16 * sizeof(real)), aligned(sizeof(real)), may_alias));
#define LOAD(p) (*(const v16 *)(p))
#define STORE(p, v) (*(v16 *)(p) = (v))

static int round_up(int n)
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
    return real_room(in * o) + real_room(out * i) + real_room(o) +
           real_room(round_up(out) * i) + real_room(o);
}

void layer_dense_init(struct layer_dense *l, int in, int out, real *params, real *grads,
                      struct arena *scratch)
{
    size_t i = tile_pad(in), o = tile_pad(out), nw = (size_t)in * out;
    *l = (struct layer_dense){.in = in, .out = out, .w = params, .b = params + nw,
                              .dw = grads, .db = grads + nw};
    l->wt = real_take(scratch, in * o);
    l->wp = real_take(scratch, out * i);
    l->bp = real_take(scratch, o);
    l->gw = real_take(scratch, round_up(out) * i);
    l->gb = real_take(scratch, o);
}

void layer_dense_pack(struct layer_dense *l)
{
    size_t in_ld = tile_pad(l->in), out_ld = tile_pad(l->out);
    for (int n = 0; n < l->out; n++) {
        const real *row = l->w + (size_t)n * l->in;
        memcpy(l->wp + n * in_ld, row, l->in * sizeof(real));
        for (int k = 0; k < l->in; k++)
            l->wt[k * out_ld + n] = row[k];
    }
    memcpy(l->bp, l->b, l->out * sizeof(real));
    memset(l->gw, 0, round_up(l->out) * in_ld * sizeof(real));
    memset(l->gb, 0, out_ld * sizeof(real));
}

SIMD_FAST void layer_dense_unpack(struct layer_dense *l)
{
    size_t in_ld = tile_pad(l->in);
    for (int n = 0; n < l->out; n++) {
        real *dw = l->dw + (size_t)n * l->in;
        const real *gw = l->gw + n * in_ld;
        for (int k = 0; k < l->in; k++)
            dw[k] += gw[k];
        l->db[n] += l->gb[n];
    }
}

void layer_dense_forward(const struct layer_dense *l, real *y, int y_ld, const real *x,
                         int x_ld, int rows)
{
    tile_product(y, y_ld, x, x_ld, 1, l->wt, tile_pad(l->out), round_up(rows), round_up(l->out),
                 l->in, l->bp, 0); /* y = x W^T + b */
}

/* One addition a row and column, in row order. sum and dy have room up to a multiple of 16. */
SIMD_FAST static void add_rows(real *sum, const real *dy, int ld, int cols, int rows)
{
    for (int c = 0; c < cols; c += 16) {
        v16 s = LOAD(sum + c);
        for (int r = 0; r < rows; r++)
            s += LOAD(dy + (size_t)r * ld + c);
        STORE(sum + c, s);
    }
}

void layer_dense_backward(struct layer_dense *l, real *dx, int dx_ld, const real *dy,
                          int dy_ld, const real *x, int x_ld, int rows)
{
    int in_ld = tile_pad(l->in), cols = round_up(l->in);
    tile_product(l->gw, in_ld, dy, 1, dy_ld, x, x_ld, round_up(l->out), cols, rows, NULL,
                 1); /* dW += dy^T x */
    add_rows(l->gb, dy, dy_ld, l->out, rows);
    if (dx)
        tile_product(dx, dx_ld, dy, dy_ld, 1, l->wp, in_ld, round_up(rows), cols, l->out, NULL,
                     0); /* dx = dy W */
}

/* ---- activations ---- */

SIMD_FAST void layer_relu(real *y, int ld, int cols, int rows)
{
    for (int r = 0; r < rows; r++, y += ld)
        for (int c = 0; c < cols; c++)
            y[c] = y[c] < 0 ? 0 : y[c];
}

SIMD_FAST void layer_relu_backward(real *dy, int dy_ld, const real *y, int y_ld, int cols,
                                   int rows, real scale)
{
    for (int r = 0; r < rows; r++, dy += dy_ld, y += y_ld)
        for (int c = 0; c < cols; c++)
            dy[c] *= y[c] > 0 ? scale : 0;
}

SIMD_FAST void layer_tanh(real *y, int ld, int cols, int rows)
{
    for (int r = 0; r < rows; r++, y += ld)
        for (int c = 0; c < cols; c++) {
            real e = real_exp(2 * y[c]);
            y[c] = (e - 1) / (e + 1);
        }
}

SIMD_FAST void layer_tanh_backward(real *dy, int dy_ld, const real *y, int y_ld, int cols,
                                   int rows)
{
    for (int r = 0; r < rows; r++, dy += dy_ld, y += y_ld)
        for (int c = 0; c < cols; c++)
            dy[c] *= 1 - y[c] * y[c];
}

/* ---- dropout ---- */

SIMD_FAST static void drop_row(real *y, int cols, uint32_t k0, uint32_t k1, uint32_t below,
                               real scale)
{
    for (int c = 0; c < cols; c++) {
        uint32_t h = (uint32_t)c * 0x9e3779b9u + k0;
        h = (h ^ h >> 16) * 0x7feb352du;
        h = (h ^ h >> 15 ^ k1) * 0x846ca68bu;
        h ^= h >> 16;
        real s = h < below ? 0 : scale;
        y[c] = y[c] < 0 ? 0 : y[c] * s;
    }
}

void layer_relu_dropout(real *y, int ld, int cols, int rows, const int *ids,
                        const struct layer_dropout *d)
{
    assert(d->p >= 0 && d->p < 1);
    if (d->p <= 0) {
        layer_relu(y, ld, cols, rows);
        return;
    }
    uint32_t below = (uint32_t)(d->p * 4294967296.0);
    real scale = 1 / (1 - d->p);
    for (int r = 0; r < rows; r++, y += ld) {
        uint64_t k = rng_mix(d->key ^ rng_mix((uint64_t)ids[r] << 8 | (unsigned)d->site));
        drop_row(y, cols, (uint32_t)k, (uint32_t)(k >> 32), below, scale);
    }
}

/* ---- embedding bag ---- */

/* y [n] = sum of the bag's rows, from column c on: two registers, then one value at a time. */
SIMD_INLINE void bag_sum(const struct layer_bag *l, real *y, const real *table, const int *bags)
{
    int c = 0;
    for (; c + 32 <= l->dim; c += 32) {
        v16 s0 = {0}, s1 = {0};
        for (int i = 0; i < l->bag; i++) {
            const real *v = table + (size_t)bags[i] * l->dim + c;
            if (bags[i] != l->pad)
                s0 += LOAD(v), s1 += LOAD(v + 16);
        }
        STORE(y + c, s0), STORE(y + c + 16, s1);
    }
    for (; c < l->dim; c++) {
        y[c] = 0;
        for (int i = 0; i < l->bag; i++)
            if (bags[i] != l->pad)
                y[c] += table[(size_t)bags[i] * l->dim + c];
    }
}

SIMD_FAST void layer_bag_forward(const struct layer_bag *l, real *y, int y_ld,
                                 const real *table, const int *bags, int rows)
{
    for (int r = 0; r < rows; r++, y += y_ld, bags += l->bag)
        bag_sum(l, y, table, bags);
}

SIMD_FAST void layer_bag_backward(const struct layer_bag *l, real *restrict dtable,
                                  const real *restrict dy, int dy_ld, const int *bags,
                                  int rows)
{
    for (int r = 0; r < rows; r++, dy += dy_ld, bags += l->bag)
        for (int i = 0; i < l->bag; i++) {
            real *v = dtable + (size_t)bags[i] * l->dim;
            int c = 0;
            if (bags[i] != l->pad) {
                for (; c + 16 <= l->dim; c += 16)
                    STORE(v + c, LOAD(v + c) + LOAD(dy + c));
                for (; c < l->dim; c++)
                    v[c] += dy[c];
            }
        }
}

/* ---- dot interaction ---- */

int layer_dots_pairs(int n)
{
    return n * (n - 1) / 2;
}

/* 16 partial sums, halves added (gcc would not make the tree out of scalars), what is left. */
SIMD_INLINE real dot(const real *a, const real *b, int n)
{
    typedef real v8 __attribute__((vector_size(8 * sizeof(real))));
    typedef real v4 __attribute__((vector_size(4 * sizeof(real))));
    union {
        v16 all;
        v8 half[2];
    } s16 = {.all = {0}};
    union {
        v8 all;
        v4 half[2];
    } s8;
    int k = 0;
    for (; k + 16 <= n; k += 16)
        s16.all += LOAD(a + k) * LOAD(b + k);
    s8.all = s16.half[0] + s16.half[1];
    v4 s = s8.half[0] + s8.half[1];
    real sum = (s[0] + s[2]) + (s[1] + s[3]);
    for (; k < n; k++)
        sum += a[k] * b[k];
    return sum;
}

SIMD_FAST void layer_dots_forward(const struct layer_dots *l, real *x, int ld, int rows)
{
    for (int r = 0; r < rows; r++, x += ld) {
        real *z = x + l->z;
        for (int i = 1; i < l->n; i++)
            for (int j = 0; j < i; j++)
                *z++ = dot(x + layer_dots_at(l, i), x + layer_dots_at(l, j), l->dim);
    }
}

SIMD_INLINE real gradient_of(const real *dz, int i, int j)
{
    return i > j ? dz[i * (i - 1) / 2 + j] : dz[j * (j - 1) / 2 + i];
}

SIMD_FAST void layer_dots_backward(const struct layer_dots *l, real *dx, int dx_ld,
                                   const real *x, int ld, int rows)
{
    for (int r = 0; r < rows; r++, dx += dx_ld, x += ld)
        for (int v = 0; v < l->n_train; v++) {
            real *d = dx + layer_dots_at(l, v);
            int c = 0;
            for (; c + 16 <= l->dim; c += 16) {
                v16 s = LOAD(d + c);
                for (int u = 0; u < l->n; u++)
                    if (u != v)
                        s += gradient_of(dx + l->z, u, v) * LOAD(x + layer_dots_at(l, u) + c);
                STORE(d + c, s);
            }
            for (; c < l->dim; c++)
                for (int u = 0; u < l->n; u++)
                    if (u != v)
                        d[c] += gradient_of(dx + l->z, u, v) * x[layer_dots_at(l, u) + c];
        }
}

/* ---- sigmoid and loss ---- */

SIMD_FAST void layer_sigmoid(real *p, const real *z, int n)
{
    for (int i = 0; i < n; i++)
        p[i] = 1 / (1 + real_exp(-z[i]));
}

SIMD_FAST static void bce_rows(real *loss, real *dz, const real *z, const real *y,
                               const real *w, int n, real scale)
{
    for (int i = 0; i < n; i++) {
        real e = real_exp(z[i] < 0 ? z[i] : -z[i]), s = 1 / (1 + e);
        real p = z[i] < 0 ? e * s : s;
        loss[i] = (z[i] > 0 ? z[i] : 0) - z[i] * y[i] + real_log1p(e);
        dz[i] = w[i] * (p - y[i]) * scale;
    }
}

void layer_bce(real *dz, struct layer_loss *sum, const real *z, const unsigned char *y, int n,
               const real weight[2], real scale)
{
    real loss[64], d[64], label[64], w[64];
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
