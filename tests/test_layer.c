/* SPDX-License-Identifier: MIT */
#include "train/layer.h"
#include "base/rng.h"
#include "base/util.h"
#include "tap.h"
#include "nn/tile.h"
#include <stdlib.h>

static void fill(float *x, int n, uint64_t seed)
{
    struct rng r;
    rng_seed(&r, seed, 0);
    for (int i = 0; i < n; i++)
        x[i] = rng_normal(&r);
}

static void test_tile(void)
{
    enum { M = 16, N = 56, K = 37, LDA = 40 }; /* N: two, one and half a register */
    float a[LDA * LDA], b[K * N], c[M * N], bias[N];
    double worst[3] = {0, 0, 0};
    fill(a, LDA * LDA, 1);
    fill(b, K * N, 2);
    fill(bias, N, 3);
    tile_product(c, N, a, LDA, 1, b, N, M, N, K, bias, 0);
    for (int pass = 0; pass < 3; pass++) { /* with bias, added to it, A transposed */
        if (pass == 1)
            tile_product(c, N, a, LDA, 1, b, N, M, N, K, NULL, 1);
        if (pass == 2)
            tile_product(c, N, a, 1, LDA, b, N, M, N, K, NULL, 0);
        for (int m = 0; m < M; m++)
            for (int n = 0; n < N; n++) {
                double s = 0;
                for (int k = 0; k < K; k++)
                    s += (double)(pass < 2 ? a[m * LDA + k] : a[k * LDA + m]) * b[k * N + n];
                double want = pass == 0 ? s + bias[n] : pass == 1 ? 2 * s + bias[n] : s;
                worst[pass] = fmax(worst[pass], fabs(want - c[m * N + n]));
            }
    }
    printf("# tile_product runs on %s\n", tile_isa());
    near(worst[0], 0, 1e-5, "product with bias");
    near(worst[1], 0, 2e-5, "product added to what is there");
    near(worst[2], 0, 1e-5, "product with A transposed");
}

/* Sum of y * probe is the scalar whose gradient is checked. */
static double probe(const float *y, const float *g, int rows, int cols, int y_ld, int g_ld)
{
    double s = 0;
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < cols; c++)
            s += (double)y[r * y_ld + c] * g[r * g_ld + c];
    return s;
}

static void test_dense(void)
{
    enum { B = 6, D = 5, N = 3, LD = 16 };
    float params[D * N + N], grads[D * N + N] = {0}, x[8 * LD] = {0}, y[8 * LD], g[8 * LD] = {0};
    float dx[8 * LD], tmp[8 * LD];
    struct arena a;
    struct layer_dense l;
    arena_init(&a, layer_dense_room(D, N));
    layer_dense_init(&l, D, N, params, grads, &a);
    fill(params, D * N + N, 4);
    fill(tmp, 8 * LD, 5);
    for (int r = 0; r < B; r++) {
        memcpy(x + r * LD, tmp + r * LD, D * sizeof *x);
        memcpy(g + r * LD, tmp + r * LD + 8, N * sizeof *g);
    }
    layer_dense_pack(&l);
    layer_dense_forward(&l, y, LD, x, LD, B);
    double want = params[D * N + 1];
    for (int k = 0; k < D; k++)
        want += (double)params[D + k] * x[2 * LD + k];
    near(y[2 * LD + 1], want, 1e-5, "dense: y = x W^T + b");
    layer_dense_backward(&l, dx, LD, g, LD, x, LD, B);
    layer_dense_unpack(&l);
    double worst = 0;
    for (int i = 0; i < D * N + N + B * D; i++) {
        int input = i - (D * N + N);
        float *v = input < 0 ? params + i : x + input / D * LD + input % D, keep = *v;
        double s[2], ana = input < 0 ? grads[i] : dx[input / D * LD + input % D];
        for (int k = 0; k < 2; k++) {
            *v = keep + (k ? -1e-2f : 1e-2f);
            layer_dense_pack(&l);
            layer_dense_forward(&l, y, LD, x, LD, B);
            s[k] = probe(y, g, B, N, LD, LD);
        }
        *v = keep;
        worst = fmax(worst, fabs((s[0] - s[1]) / 2e-2 - ana));
    }
    near(worst, 0, 2e-4, "dense: gradients of W, b and x");
    arena_release(&a);
}

static void test_activations(void)
{
    enum { N = 32 };
    float x[N], y[N], up[N], down[N], g[N], d[N];
    double worst = 0, worst_tanh = 0, error = 0;
    fill(x, N, 6);
    fill(g, N, 7);
    memcpy(y, x, sizeof x);
    memcpy(d, g, sizeof g);
    layer_tanh(y, N, N, 1);
    layer_tanh_backward(d, N, y, N, N, 1);
    for (int i = 0; i < N; i++)
        up[i] = x[i] + 1e-2f, down[i] = x[i] - 1e-2f;
    layer_tanh(up, N, N, 1);
    layer_tanh(down, N, N, 1);
    for (int i = 0; i < N; i++)
        worst_tanh = fmax(worst_tanh, fabs(g[i] * (up[i] - down[i]) / 2e-2 - d[i]));
    near(worst_tanh, 0, 1e-3, "tanh: gradient");
    memcpy(y, x, sizeof x);
    memcpy(d, g, sizeof g);
    x[0] = y[0] = 0;
    layer_relu(y, N, N, 1);
    layer_relu_backward(d, N, y, N, N, 1, 2);
    for (int i = 0; i < N; i++)
        worst = fmax(worst, fabs(d[i] - (x[i] > 0 ? 2 * g[i] : 0)) + fabs(y[i] - fmaxf(x[i], 0)));
    near(worst, 0, 0, "ReLU: value, gradient, 0 has none");
    float nan[16] = {NAN};
    layer_relu(nan, 16, 16, 1);
    ok(isnan(nan[0]), "ReLU keeps a NaN");
    for (float z = -30; z < 30; z += 0.001f) {
        float t = z;
        layer_tanh(&t, 1, 1, 1);
        error = fmax(error, fabs(t - tanh((double)z)));
    }
    printf("# tanh: largest error %.2e\n", error);
    ok(error < 2e-7, "tanh within 2e-7");
}

static void test_dropout(void)
{
    enum { B = 400, D = 48 };
    static float y[B * D], z[B * D];
    int ids[B], back[B], zero = 0, moved = 0, same = 0;
    struct layer_dropout d = {0.3f, 99, 1}, other = {0.3f, 100, 1}, site = {0.3f, 99, 2};
    for (int i = 0; i < B; i++)
        ids[i] = i * 7, back[i] = (B - 1 - i) * 7;
    for (int i = 0; i < B * D; i++)
        y[i] = z[i] = 1;
    layer_relu_dropout(y, D, D, B, ids, &d);
    layer_relu_dropout(z, D, D, B, back, &d);
    for (int i = 0; i < B * D; i++) {
        zero += y[i] == 0;
        moved += y[i] != z[(B - 1 - i / D) * D + i % D];
    }
    near(zero / (double)(B * D), 0.3, 0.015, "dropout: share of zeros");
    near(fmaxf(y[0], y[1]), 1 / 0.7, 1e-6, "dropout: the others are scaled");
    ok(moved == 0, "dropout: a row's mask does not depend on its place");
    for (int i = 0; i < D; i++)
        z[i] = i % 2 ? -1 : 2, moved += i % 2 == 0 && y[i] > 0;
    layer_relu_dropout(z, D, D, 1, ids, &d);
    for (int i = 0; i < D; i++)
        moved -= i % 2 == 0 && z[i] == 2 * y[i] && y[i] > 0, same += i % 2 && z[i] != 0;
    ok(moved == 0 && same == 0, "dropout: the ReLU goes first");
    z[0] = NAN;
    layer_relu_dropout(z, D, D, 1, ids, &d);
    ok(isnan(z[0]), "dropout keeps a NaN");
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < B * D; i++)
            z[i] = 1;
        layer_relu_dropout(z, D, D, B, ids, k ? &site : &other);
        same = 0;
        for (int i = 0; i < B * D; i++)
            same += (y[i] == 0) == (z[i] == 0);
        near(same / (double)(B * D), 0.58, 0.02,
             k ? "dropout: sites are independent" : "dropout: epochs are independent");
    }
    double col = 0, row = 0; /* a column or a row that is dropped too often */
    for (int c = 0; c < D; c++) {
        int n = 0;
        for (int r = 0; r < B; r++)
            n += y[r * D + c] == 0;
        col = fmax(col, fabs(n / (double)B - 0.3));
    }
    for (int r = 0; r < B; r++) {
        int n = 0;
        for (int c = 0; c < D; c++)
            n += y[r * D + c] == 0;
        row = fmax(row, fabs(n / (double)D - 0.3));
    }
    ok(col < 0.1 && row < 0.3, "dropout: no column (%.3f) or row (%.3f) stands out", col, row);
}

static void test_bag(int D)
{
    enum { V = 4, MOST = 39, LD = 48, BAG = 3 };
    struct layer_bag l = {D, BAG, V};
    float table[(V + 1) * MOST], y[8 * LD] = {0}, dt[(V + 1) * MOST] = {0}, dy[8 * LD] = {0};
    int bags[] = {1, V, 1, V, V, V, 0, 2, 3};
    fill(table, (V + 1) * D, 8); /* the padding row too: it must be skipped, not just be 0 */
    fill(dy, 3 * LD, 9);
    layer_bag_forward(&l, y, LD, table, bags, 3);
    near(y[1], 2 * table[D + 1], 1e-6, "bag: a repeated index counts twice, padding not");
    ok(y[LD] == 0 && y[LD + 1] == 0 && y[LD + 2] == 0, "bag: padding alone gives zeros");
    int end = D - 1;
    near(y[2 * LD + end], table[end] + table[2 * D + end] + table[3 * D + end], 1e-6, "bag: sum");
    layer_bag_backward(&l, dt, dy, LD, bags, 3);
    near(dt[D], 2 * dy[0], 1e-6, "bag: a repeated index gathers twice");
    near(dt[3 * D + end], dy[2 * LD + end], 1e-6, "bag: gradient of a single index");
    ok(dt[V * D] == 0 && dt[V * D + 1] == 0 && dt[V * D + 2] == 0,
       "bag: the padding row has no gradient");
}

/* dim 32 runs in registers, 38 with a rest, 7 is all rest. Two layouts: vector 0 first, and
 * vector 0 after the others. */
static void test_dots(int dim, int last)
{
    enum { B = 5, N = 4, LD = 192, P = 6, TRAIN = 2 };
    static const int pair[P][2] = {{1, 0}, {2, 0}, {2, 1}, {3, 0}, {3, 1}, {3, 2}};
    static float x[B * LD], dx[B * LD], before[B * LD];
    struct layer_dots l = {.n = N, .n_train = TRAIN, .dim = dim, .z = N * dim,
                           .first = last ? 3 * dim : 0, .rest = last ? 0 : dim};
    double worst = 0, most = 0, others = 0;
    fill(x, B * LD, 10);
    fill(dx, B * LD, 11);
    memcpy(before, dx, sizeof dx);
    layer_dots_forward(&l, x, LD, B);
    for (int q = 0; q < P; q++) {
        double want = 0;
        for (int k = 0; k < dim; k++)
            want += (double)x[LD + layer_dots_at(&l, pair[q][0]) + k] *
                    x[LD + layer_dots_at(&l, pair[q][1]) + k];
        worst = fmax(worst, fabs(want - x[LD + l.z + q]));
    }
    near(worst, 0, 2e-5, "dots: strict lower triangle in row order");
    layer_dots_backward(&l, dx, LD, x, LD, B);
    worst = 0;
    for (int r = 0; r < B; r++)
        for (int v = 0; v < N; v++)
            for (int k = 0; k < dim; k++) {
                int at = r * LD + layer_dots_at(&l, v) + k;
                double want = before[at];
                for (int q = 0; q < P; q++)
                    for (int s = 0; s < 2; s++)
                        if (pair[q][s] == v && v < TRAIN)
                            want += (double)before[r * LD + l.z + q] *
                                    x[r * LD + layer_dots_at(&l, pair[q][!s]) + k];
                worst = fmax(worst, fabs(want - dx[at]));
                most = fmax(most, fabs(want));
                others += v >= TRAIN && dx[at] != before[at];
            }
    ok(worst < 1e-6 * most, "dots: gradient added to the trained vectors' (%.1e)", worst / most);
    ok(others == 0, "dots: inputs have no gradient");
}

static void test_loss(void)
{
    float w[2] = {0.9f, 0.1f}, z[4] = {-3, 0.5f, 100, -100}, d[4], p;
    unsigned char y[4] = {1, 0, 0, 0};
    struct layer_loss sum = {0, 0};
    double loss_error = 0, p_error = 0, grad = 0;
    layer_bce(d, &sum, z, y, 4, w, 0.25f);
    near(sum.plain, log1p(exp(3)) + log1p(exp(.5)) + 100, 1e-4, "bce: sum of losses");
    near(sum.weighted, .1 * log1p(exp(3)) + .9 * (log1p(exp(.5)) + 100), 1e-4,
         "bce: each with the weight of its own label");
    near(d[0], .1 * (1 / (1 + exp(3)) - 1) * .25, 1e-7, "bce: gradient of a positive");
    near(d[1], .9 / (1 + exp(-.5)) * .25, 1e-7, "bce: gradient of a negative");
    for (float t = -80; t < 80; t += 0.003f) {
        for (unsigned char label = 0; label < 2; label++) {
            struct layer_loss s = {0, 0};
            layer_bce(d, &s, &t, &label, 1, (float[]){1, 1}, 1);
            double x = label ? -(double)t : (double)t, want = fmax(x, 0) + log1p(exp(-fabs(x)));
            loss_error = fmax(loss_error, fabs(s.plain - want) / fmax(1, want));
            grad = fmax(grad, fabs(d[0] - (1 / (1 + exp(-(double)t)) - label)));
        }
        layer_sigmoid(&p, &t, 1);
        p_error = fmax(p_error, fabs(p - 1 / (1 + exp(-(double)t))));
    }
    printf("# largest errors: loss %.2e, its gradient %.2e, sigmoid %.2e\n", loss_error, grad,
           p_error);
    ok(loss_error < 4e-7 && grad < 2e-7 && p_error < 2e-7, "bce and sigmoid within their bounds");
    z[0] = NAN;
    layer_bce(d, &sum, z, y, 1, w, 1);
    ok(isnan(sum.plain) && isnan(d[0]), "bce: a NaN comes through");
}

int main(void)
{
    test_tile();
    test_dense();
    test_activations();
    test_dropout();
    test_bag(3);
    test_bag(39);
    test_dots(32, 0);
    test_dots(38, 1);
    test_dots(7, 1);
    ok(layer_dots_pairs(4) == 6 && layer_dots_pairs(1) == 0, "dots: number of pairs");
    test_loss();
    return done();
}
