/* SPDX-License-Identifier: MIT */
/* lib/nn/ops and lib/nn/attn against their formulas in double. */
#include "base/rng.h"
#include "base/util.h"
#include "nn/attn.h"
#include "nn/gemm.h"
#include "nn/ops.h"
#include "tap.h"
#include <stdlib.h>
#include <string.h>

static struct rng rng;

static float *normal(size_t n, double scale)
{
    float *x = xmalloc(n * sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(scale * rng_normal(&rng));
    return x;
}

static void test_gelu(void)
{
    enum { N = 200001 };
    float *x = xmalloc(N * sizeof *x);
    double worst = 0;
    for (int i = 0; i < N; i++)
        x[i] = -10 + 20 * (float)i / (N - 1);
    ops_gelu(x, N);
    for (int i = 0; i < N; i++) {
        double t = (double)(-10 + 20 * (float)i / (N - 1));
        worst = fmax(worst, fabs(x[i] - t * 0.5 * (1 + erf(t / sqrt(2)))));
    }
    ok(worst < 1e-6, "gelu from -10 to 10: %.1e", worst);
    float ends[] = {0, -0.0f, 100, -100, 1e30f};
    ops_gelu(ends, 5);
    ok(ends[0] == 0 && ends[2] == 100 && ends[3] == 0 && ends[4] == 1e30f, "gelu far out");
    free(x);
}

static void test_layer_norm(int R, int D, int add)
{
    float *x = normal((size_t)R * D, 3), *y = normal((size_t)R * D, 1);
    float *g = normal((size_t)D, 1), *b = normal((size_t)D, 1), *was = xmalloc((size_t)R * D * 4);
    double worst = 0;
    for (int i = 0; i < R * D; i++)
        x[i] += 5; /* a mean that must go */
    memcpy(was, x, (size_t)R * D * 4);
    ops_layer_norm(x, add ? y : NULL, g, b, 1e-12, R, D);
    for (int r = 0; r < R; r++) {
        double mean = 0, var = 0;
        for (int i = 0; i < D; i++)
            mean += (double)was[r * D + i] + (add ? y[r * D + i] : 0);
        mean /= D;
        for (int i = 0; i < D; i++)
            var += pow((double)was[r * D + i] + (add ? y[r * D + i] : 0) - mean, 2) / D;
        for (int i = 0; i < D; i++) {
            double z = (double)was[r * D + i] + (add ? y[r * D + i] : 0);
            worst = fmax(worst, fabs((z - mean) / sqrt(var + 1e-12) * g[i] + b[i] - x[r * D + i]));
        }
    }
    ok(worst < 5e-6, "layer norm [%d,%d]%s: %.1e", R, D, add ? " of a sum" : "", worst);
    free(x), free(y), free(g), free(b), free(was);
}

static void test_small(void)
{
    float x[2][3] = {{1, 2, 3}, {3, 4, 8}}, y[3], zero[4] = {0}, v[2] = {3, 4};
    ops_mean_rows(y, x[0], 2, 3);
    ok(y[0] == 2 && y[1] == 3 && y[2] == 5.5f, "mean of rows");
    ops_unit(v, 2);
    near(v[0], 0.6, 1e-7, "unit length");
    ops_unit(zero, 4);
    ok(zero[0] == 0, "a zero vector stays zero");
}

/* softmax(Q K^T / sqrt d) V of one head in double. */
static void naive(double *out, const float *qkv, int T, int heads, int d, int h)
{
    int D = heads * d;
    double *p = xmalloc((size_t)T * sizeof *p);
    for (int i = 0; i < T; i++) {
        double sum = 0, max = -1e300;
        for (int j = 0; j < T; j++) {
            p[j] = 0;
            for (int c = 0; c < d; c++)
                p[j] += (double)qkv[(size_t)i * 3 * D + h * d + c] *
                        qkv[(size_t)j * 3 * D + D + h * d + c];
            p[j] /= sqrt(d);
            max = fmax(max, p[j]);
        }
        for (int j = 0; j < T; j++)
            sum += p[j] = exp(p[j] - max);
        for (int c = 0; c < d; c++) {
            double s = 0;
            for (int j = 0; j < T; j++)
                s += p[j] / sum * qkv[(size_t)j * 3 * D + 2 * D + h * d + c];
            out[(size_t)i * D + h * d + c] = s;
        }
    }
    free(p);
}

static void test_attention(int T, int heads, int d)
{
    int D = heads * d;
    size_t rows = (size_t)T + ATTN_SPARE_ROWS;
    float *qkv = normal(rows * 3 * D, 1.5), *ctx = xcalloc(rows * D, sizeof *ctx);
    float *scratch = xcalloc(attn_scratch(T, d), sizeof *scratch);
    double *want = xmalloc((size_t)T * D * sizeof *want), worst = 0;
    attn_run(ctx, qkv, T, heads, d, scratch);
    for (int h = 0; h < heads; h++)
        naive(want, qkv, T, heads, d, h);
    for (int i = 0; i < T * D; i++)
        worst = fmax(worst, fabs(want[i] - ctx[i]));
    ok(worst < 5e-6, "attention, %d tokens, %d heads of %d: %.1e", T, heads, d, worst);
    /* the rows behind the sequence do not matter */
    float *again = xcalloc(rows * D, sizeof *again);
    for (size_t i = (size_t)T * 3 * D; i < rows * 3 * D; i++)
        qkv[i] = -1000 * qkv[i] + 7;
    attn_run(again, qkv, T, heads, d, scratch);
    ok(memcmp(ctx, again, (size_t)T * D * sizeof *ctx) == 0, "what lies behind does not matter");
    free(qkv), free(ctx), free(scratch), free(want), free(again);
}

/* Against attn_run of the rounded numbers: what is left is the rounding of the numerators. */
static void test_attention_bf16(int T, int heads, int d)
{
    int D = heads * d;
    size_t rows = (size_t)T + ATTN_SPARE_ROWS, n = rows * 3 * D;
    float *qkv = normal(n, 1), *want = xcalloc(rows * D, sizeof *want);
    float *ctx = xcalloc(rows * D, sizeof *ctx), *again = xcalloc(rows * D, sizeof *again);
    float *scratch = xcalloc(attn_scratch(T, d), sizeof *scratch);
    uint16_t *half = xcalloc(n, sizeof *half);
    double worst = 0;
    gemm_to_bf16(half, qkv, n);
    gemm_from_bf16(qkv, half, n);
    attn_run(want, qkv, T, heads, d, scratch);
    attn_run_bf16(ctx, half, T, heads, d, scratch);
    for (int i = 0; i < T * D; i++)
        worst = fmax(worst, fabs((double)want[i] - ctx[i]));
    ok(worst < 6e-3 && (T == 1 || worst > 1e-6), "bf16 attention, %d tokens, %d heads of %d: %.1e",
       T, heads, d, worst);
    for (size_t i = (size_t)T * 3 * D; i < n; i++)
        half[i] = 0x4480; /* 1024 */
    attn_run_bf16(again, half, T, heads, d, scratch);
    ok(memcmp(ctx, again, (size_t)T * D * sizeof *ctx) == 0, "what lies behind does not matter");
    free(qkv), free(want), free(ctx), free(again), free(scratch), free(half);
}

int main(void)
{
    static const int T[] = {1, 2, 7, 16, 31, 32, 33, 100, 256};
    rng_seed(&rng, 11, 0);
    test_gelu();
    test_layer_norm(3, 384, 1);
    test_layer_norm(2, 1408, 0);
    test_layer_norm(1, 33, 1);
    test_small();
    for (size_t i = 0; i < ARRAY_LEN(T); i++)
        test_attention(T[i], 3, i % 2 ? 32 : 16);
    test_attention(50, 2, 80);
    for (size_t i = 0; i < ARRAY_LEN(T); i++)
        if (attn_has_bf16())
            test_attention_bf16(T[i], 3, i % 2 ? 32 : 16);
        else
            skip("this CPU has no bf16 instruction");
    return done();
}
