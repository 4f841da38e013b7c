/* SPDX-License-Identifier: MIT */
/* lib/base/team, lib/nn/panel, lib/nn/engine and attn_head against their formulas in double. */
#include "base/rng.h"
#include "base/team.h"
#include "base/util.h"
#include "nn/engine.h"
#include "nn/gemm.h"
#include "tap.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static struct rng rng;

static float *uniform(size_t n)
{
    float *x = aligned_alloc(64, (n * sizeof *x + 63) / 64 * 64);
    for (size_t i = 0; x && i < n; i++)
        x[i] = 2 * rng_uniform(&rng) - 1;
    return x;
}

static float rounded(float x)
{
    uint16_t h;
    gemm_to_bf16_plain(&h, &x, 1);
    gemm_from_bf16(&x, &h, 1);
    return x;
}

/* ---- team ---- */

static atomic_int seen[1000], most_thread;

static void count(void *ctx, int i, int thread)
{
    atomic_fetch_add(&seen[i], *(int *)ctx);
    if (thread > atomic_load(&most_thread))
        atomic_store(&most_thread, thread);
}

static void test_team(int threads)
{
    struct team *t = team_new(threads);
    int one = 1, jobs = 0, wrong = 0;
    for (int n = 0; n < 1000; n += 1 + n / 3, jobs++)
        team_run(t, count, &one, n);
    for (int r = 0; r < 3000; r++, jobs++) /* one after the other, as fast as they go */
        team_run(t, count, &one, 2);
    for (int i = 0, want; i < 1000; i++) {
        want = i < 2 ? 3000 : 0;
        for (int n = 0; n < 1000; n += 1 + n / 3)
            want += i < n;
        wrong += atomic_load(&seen[i]) != want;
        atomic_store(&seen[i], 0);
    }
    ok(wrong == 0 && atomic_load(&most_thread) < threads, "%d threads, %d jobs: every piece once",
       threads, jobs);
    ok(team_threads(t) == threads, "%d threads", threads);
    team_free(t);
    atomic_store(&most_thread, 0);
}

/* ---- products ---- */

static const char *const kind_name[] = {"f32", "bf16 weights", "int8 weights", "bf16"};

/* W [N,K] in panels. */
static void *pack(const float *w, int N, int K, enum panel_kind kind)
{
    char *p = aligned_alloc(64, engine_linear_bytes(N, K, kind) + 64);
    for (int n = 0; p && n < N; n += PANEL_COLS)
        panel_pack(p + (size_t)(n / PANEL_COLS) * panel_bytes(K, kind), w + (size_t)n * (size_t)K,
                   N - n < PANEL_COLS ? N - n : PANEL_COLS, K, kind);
    return p;
}

/* The next bfloat16 that is not smaller. */
static float rounded_up(float x)
{
    float r = rounded(x);
    return r >= x ? r : rounded(x * (1 + 0x1p-8f));
}

/* A row [K] of W as it lies in panels of a kind; 8 bits are of the largest of 32. */
static void round_row(float *w, int K, enum panel_kind kind)
{
    for (int first = 0; first < K; first += 32) {
        int n = K - first < 32 ? K - first : 32;
        float scale = 0;
        for (int k = first; k < first + n; k++)
            scale = fmaxf(scale, fabsf(w[k]) / 127);
        scale = rounded_up(scale);
        for (int k = first; kind == PANEL_BYTE && k < first + n; k++)
            w[k] = scale > 0 ? scale * rintf(w[k] / scale) : 0;
    }
    for (int k = 0; (kind == PANEL_HALF || kind == PANEL_DOT) && k < K; k++)
        w[k] = rounded(w[k]);
}

/* x as input of the kind; frees nothing. */
static void *input(const float *x, size_t n, enum panel_kind kind)
{
    uint16_t *h = aligned_alloc(64, (n * sizeof(float) + 127) / 64 * 64);
    if (kind == PANEL_DOT)
        gemm_to_bf16_plain(h, x, n);
    else
        memcpy(h, x, n * sizeof *x);
    return h;
}

struct shape {
    int rows, N, K, bias;
};

static double gelu(double x)
{
    return x * 0.5 * (1 + erf(x / sqrt(2)));
}

/* Largest error over the largest sum of |x w|, of what `then` makes of it. */
static double error_of(const float *y, const float *x, const float *w, const float *b,
                       const struct shape *s, enum panel_kind kind, enum engine_then then)
{
    double worst = 0, size = 1e-30;
    for (int r = 0; r < s->rows; r++)
        for (int n = 0; n < s->N; n++) {
            double sum = s->bias ? b[n] : 0, abs = 0;
            for (int k = 0; k < s->K; k++) {
                float xv = x[(size_t)r * s->K + k], wv = w[(size_t)n * s->K + k];
                double p = (double)(kind == PANEL_DOT ? rounded(xv) : xv) * wv;
                sum += p;
                abs += fabs(p);
            }
            double want = then == ENGINE_GELU ? gelu(sum) : then == ENGINE_RELU ? fmax(0, sum)
                          : then == ENGINE_ADD ? sum + 3 : sum;
            worst = fmax(worst, fabs(want - (double)y[(size_t)r * s->N + n]));
            size = fmax(size, abs);
        }
    return worst / size;
}

static void read_back(float *to, const void *y, size_t n, enum panel_kind kind,
                      enum engine_then then)
{
    if (kind == PANEL_DOT && then >= ENGINE_GELU)
        gemm_from_bf16(to, y, n);
    else
        memcpy(to, y, n * sizeof *to);
}

static void test_linear(const struct shape *s, enum panel_kind kind, int library)
{
    static const char *const name[] = {"", " added", " gelu", " relu"};
    struct engine *g = engine_new(2, kind, 8, 8), *one = engine_new(1, kind, 8, 8);
    struct err e;
    size_t nx = (size_t)s->rows * s->K, ny = (size_t)s->rows * s->N;
    float *x = uniform(nx), *w = uniform((size_t)s->N * s->K), *b = uniform((size_t)s->N);
    float *y = uniform(ny), *got = uniform(ny), *alone = uniform((size_t)(s->N + s->K));
    void *in = input(x, nx, kind), *panels = pack(w, s->N, s->K, kind);
    struct linear l = {panels, s->bias ? b : NULL, s->N, s->K};
    for (int n = 0; n < s->N; n++)
        round_row(w + (size_t)n * s->K, s->K, kind);
    if (library && engine_use_library(g, &e) < 0)
        die("%s", e.text);
    for (int then = ENGINE_SET; then <= ENGINE_RELU; then++) {
        for (size_t i = 0; i < ny; i++)
            y[i] = 3;
        engine_linear(g, &l, &(struct engine_io){in, (size_t)s->K, s->rows, y, (size_t)s->N,
                                                 (enum engine_then)then});
        read_back(got, y, ny, kind, (enum engine_then)then);
        double d = error_of(got, x, w, b, s, kind, (enum engine_then)then);
        double tol = kind == PANEL_DOT && then >= ENGINE_GELU ? 3e-3 : 1e-6;
        ok(d < tol, "%s%s [%d,%d][%d,%d]%s%s: %.1e", kind_name[kind],
           library ? " by the library" : "", s->rows, s->K, s->K, s->N, s->bias ? " bias" : "",
           name[then], d);
    }
    /* The last row alone, by one thread: the same bits. */
    size_t last = (size_t)s->rows - 1, width = engine_input_bytes(g) * (size_t)s->K;
    engine_linear(g, &l, &(struct engine_io){in, (size_t)s->K, s->rows, y, (size_t)s->N,
                                             ENGINE_SET});
    if (!library) {
        engine_linear(one, &l, &(struct engine_io){(char *)in + last * width, (size_t)s->K, 1,
                                                   alone, (size_t)s->N, ENGINE_SET});
        ok(memcmp(alone, y + last * (size_t)s->N, (size_t)s->N * sizeof *y) == 0,
           "the last row alone");
    }
    if (kind == PANEL_BYTE) { /* w is rounded by now */
        void *floats = pack(w, s->N, s->K, PANEL_F32);
        struct engine *f = engine_new(2, PANEL_F32, 8, 8);
        engine_linear(f, &(struct linear){floats, l.bias, s->N, s->K},
                      &(struct engine_io){in, (size_t)s->K, s->rows, got, (size_t)s->N, ENGINE_SET});
        ok(memcmp(got, y, ny * sizeof *y) == 0, "bytes give the bits of the floats they stand for");
        engine_free(f);
        free(floats);
    }
    panel_unpack(alone, panels, 3, s->K, kind);
    int same = 1;
    for (int k = 0; k < s->K; k++)
        same &= alone[k] == w[3 * s->K + k];
    ok(same, "a row unpacked");
    engine_free(g), engine_free(one);
    free(x), free(w), free(b), free(y), free(got), free(alone), free(in), free(panels);
}

static void test_products(void)
{
    static const struct shape s[] = {{1, 64, 64, 1}, {2, 70, 16, 0}, {3, 200, 588, 1},
                                     {4, 64, 1030, 1}, {5, 1024, 176, 0}, {7, 128, 1408, 1},
                                     {8, 65, 2560, 1}, {12, 128, 768, 1}, {13, 192, 352, 0},
                                     {33, 320, 160, 1}, {257, 96, 88, 1}, {301, 130, 520, 1}};
    for (int kind = 0; kind <= (panel_dot_here() ? PANEL_DOT : PANEL_BYTE); kind++)
        for (size_t i = 0; i < ARRAY_LEN(s); i++)
            test_linear(&s[i], (enum panel_kind)kind, 0);
    struct err e;
    struct engine *g = engine_new(1, PANEL_DOT, 8, 8);
    int can = panel_dot_here() && engine_use_library(g, &e) == 0;
    engine_free(g);
    for (size_t i = 0; can && i < ARRAY_LEN(s); i++)
        if (s[i].N % 128 == 0)
            test_linear(&s[i], PANEL_DOT, 1);
    if (!can)
        skip("oneDNN cannot use panels here");
}

/* ---- norms ---- */

static void test_norm(enum panel_kind kind, int rows, int D, int after)
{
    struct engine *g = engine_new(2, kind, 8, 8);
    size_t n = (size_t)rows * (size_t)D;
    float *x = uniform(n), *was = uniform(n), *gamma = uniform((size_t)D), *got = uniform(n);
    float *beta = uniform((size_t)D);
    void *y = input(x, n, kind);
    double worst = 0, kept = 0;
    memcpy(was, x, n * sizeof *x);
    if (after)
        engine_norm_after(g, y, x, gamma, beta, 1e-6, rows, D);
    else
        engine_norm(g, y, x, gamma, beta, 1e-6, rows, D);
    read_back(got, y, n, kind, ENGINE_GELU);
    for (int r = 0; r < rows; r++) {
        double mean = 0, var = 0;
        for (int i = 0; i < D; i++)
            mean += was[(size_t)r * D + i] / (double)D;
        for (int i = 0; i < D; i++)
            var += pow(was[(size_t)r * D + i] - mean, 2) / D;
        for (int i = 0; i < D; i++) {
            size_t at = (size_t)r * D + i;
            double want = (was[at] - mean) / sqrt(var + 1e-6) * gamma[i] + beta[i];
            worst = fmax(worst, fabs(want - got[at]));
            kept = fmax(kept, fabs((after ? want : was[at]) - x[at]));
        }
    }
    ok(worst < (kind == PANEL_DOT ? 2e-2 : 2e-6) && kept < 2e-6, "%s norm [%d,%d], %s: %.1e",
       after ? "a later" : "an earlier", rows, D, kind_name[kind], worst);
    engine_free(g);
    free(x), free(was), free(gamma), free(beta), free(got), free(y);
}

/* ---- attention ---- */

struct head_case {
    int queries, keys[2], d, causal;
};

static void test_head(const struct head_case *c)
{
    int n = c->keys[0] + c->keys[1], ld = 3 * c->d;
    float *q = uniform((size_t)(c->queries + ATTN_SPARE_ROWS) * (size_t)ld);
    float *kv[2] = {uniform((size_t)c->keys[0] * (size_t)ld + 1),
                    uniform((size_t)c->keys[1] * (size_t)ld + 1)};
    float *out = uniform((size_t)c->queries * (size_t)c->d);
    float *scratch = uniform(attn_scratch(n, c->d));
    struct attn_part part[2] = {{kv[0], kv[0] + c->d, c->keys[0]}, {kv[1], kv[1] + c->d, c->keys[1]}};
    double worst = 0, *p = xcalloc((size_t)n, sizeof *p);
    attn_head(out, (size_t)c->d, q, (size_t)ld, c->queries, part, 2, (size_t)ld, c->d, c->causal,
              scratch);
    for (int i = 0; i < c->queries; i++) {
        int sees = c->causal ? n - c->queries + i + 1 : n;
        double sum = 0;
        for (int t = 0; t < sees; t++) {
            const float *k = t < c->keys[0] ? kv[0] + t * ld : kv[1] + (t - c->keys[0]) * ld;
            p[t] = 0;
            for (int j = 0; j < c->d; j++)
                p[t] += (double)q[i * ld + j] * k[j];
            sum += p[t] = exp(p[t] / sqrt(c->d));
        }
        for (int j = 0; j < c->d; j++) {
            double v = 0;
            for (int t = 0; t < sees; t++)
                v += p[t] / sum * (t < c->keys[0] ? kv[0] + t * ld
                                                  : kv[1] + (t - c->keys[0]) * ld)[c->d + j];
            worst = fmax(worst, fabs(v - out[i * c->d + j]));
        }
    }
    ok(worst < 2e-6, "%d queries, %d and %d keys of %d%s: %.1e", c->queries, c->keys[0],
       c->keys[1], c->d, c->causal ? ", causal" : "", worst);
    free(q), free(kv[0]), free(kv[1]), free(out), free(scratch), free(p);
}

static void test_attention(void)
{
    static const struct head_case c[] = {{257, {257, 0}, 88, 0}, {32, {257, 0}, 64, 0},
                                         {33, {33, 0}, 80, 1}, {33, {0, 33}, 80, 1},
                                         {1, {33, 19}, 80, 0}, {1, {1, 0}, 8, 0},
                                         {40, {17, 40}, 16, 1}, {2, {33, 2}, 80, 1},
                                         {5, {5, 0}, 88, 0}, {31, {100, 31}, 24, 1}};
    for (size_t i = 0; i < ARRAY_LEN(c); i++)
        test_head(&c[i]);
}

int main(void)
{
    rng_seed(&rng, 5, 0);
    for (int t = 1; t <= 5; t++)
        test_team(t);
    test_products();
    for (int kind = 0; kind <= (panel_dot_here() ? PANEL_DOT : PANEL_BYTE); kind++)
        for (int after = 0; after < 2; after++) {
            test_norm((enum panel_kind)kind, 3, 1408, after);
            test_norm((enum panel_kind)kind, 50, 88, after);
        }
    test_attention();
    printf("# %s\n", engine_describe(engine_best(ENGINE_BF16)));
    return done();
}
