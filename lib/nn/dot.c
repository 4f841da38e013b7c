/* SPDX-License-Identifier: MIT */
#include "nn/dot.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#ifdef __x86_64__
#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bf16")))

int dot_here(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bf16");
}

/* One row, 16 columns: s += a b for the pair of word *a. */
#define STEP(s, a, b) \
    s = _mm512_dpbf16_ps(s, (__m512bh)_mm512_set1_epi32((int)(a)), (__m512bh)(b))
#define LOAD(p) _mm512_loadu_si512((const void *)(p))
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 6")
#endif

/* 4 rows by 32 columns in eight accumulators: they hide the latency of 6 cycles. */
TARGET static void dot_4x2(float *c, size_t ldc, const uint32_t *a, size_t lda,
                           const uint32_t *b, size_t ldb, int K)
{
    __m512 z = _mm512_setzero_ps(), s00 = z, s01 = z, s10 = z, s11 = z, s20 = z, s21 = z;
    __m512 s30 = z, s31 = z;
    for (int k = 0; k < K; k++, a++, b += ldb) {
        __m512i b0 = LOAD(b), b1 = LOAD(b + 16);
        STEP(s00, a[0], b0), STEP(s01, a[0], b1);
        STEP(s10, a[lda], b0), STEP(s11, a[lda], b1);
        STEP(s20, a[2 * lda], b0), STEP(s21, a[2 * lda], b1);
        STEP(s30, a[3 * lda], b0), STEP(s31, a[3 * lda], b1);
    }
    float *c1 = c + ldc, *c2 = c1 + ldc, *c3 = c2 + ldc;
    _mm512_storeu_ps(c, s00), _mm512_storeu_ps(c + 16, s01);
    _mm512_storeu_ps(c1, s10), _mm512_storeu_ps(c1 + 16, s11);
    _mm512_storeu_ps(c2, s20), _mm512_storeu_ps(c2 + 16, s21);
    _mm512_storeu_ps(c3, s30), _mm512_storeu_ps(c3 + 16, s31);
}

/* The last 16 columns, when their number is odd: 8 rows, for the same reason. */
TARGET static void dot_8x1(float *c, size_t ldc, const uint32_t *a, size_t lda,
                           const uint32_t *b, size_t ldb, int K)
{
    __m512 z = _mm512_setzero_ps(), s0 = z, s1 = z, s2 = z, s3 = z, s4 = z, s5 = z, s6 = z;
    __m512 s7 = z;
    for (int k = 0; k < K; k++, a++, b += ldb) {
        __m512i w = LOAD(b);
        const uint32_t *a4 = a + 4 * lda;
        STEP(s0, a[0], w), STEP(s1, a[lda], w), STEP(s2, a[2 * lda], w), STEP(s3, a[3 * lda], w);
        STEP(s4, a4[0], w), STEP(s5, a4[lda], w), STEP(s6, a4[2 * lda], w);
        STEP(s7, a4[3 * lda], w);
    }
    float *c4 = c + 4 * ldc;
    _mm512_storeu_ps(c, s0), _mm512_storeu_ps(c + ldc, s1);
    _mm512_storeu_ps(c + 2 * ldc, s2), _mm512_storeu_ps(c + 3 * ldc, s3);
    _mm512_storeu_ps(c4, s4), _mm512_storeu_ps(c4 + ldc, s5);
    _mm512_storeu_ps(c4 + 2 * ldc, s6), _mm512_storeu_ps(c4 + 3 * ldc, s7);
}

void dot_product(float *c, int ldc, const uint32_t *a, int lda, const uint32_t *b, int ldb, int M,
                 int N, int K)
{
    assert(M % DOT_ROWS == 0 && N % DOT_COLS == 0);
    size_t lc = (size_t)ldc, la = (size_t)lda, lb = (size_t)ldb;
    for (int m = 0; m < M; m += 8, c += 8 * lc, a += 8 * la) {
        int n = 0;
        for (; n + 32 <= N; n += 32)
            for (size_t h = 0; h < 8; h += 4)
                dot_4x2(c + n + h * lc, lc, a + h * la, la, b + n, lb, K);
        if (n < N)
            dot_8x1(c + n, lc, a, la, b + n, lb, K);
    }
}

/* rows is a constant wherever this is inlined: up to 24 sums live in registers. */
TARGET static inline __attribute__((always_inline)) void
panel_tile(float *y, const uint32_t *x, size_t ldx, const uint32_t *w, int K, int add,
           const int rows)
{
    __m512 s[6][4];
    UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int j = 0; j < 4; j++)
            s[r][j] = add ? _mm512_loadu_ps(y + r * 64 + j * 16) : _mm512_setzero_ps();
    for (int k = 0; k < K; k++, w += 64) {
        __m512i b[4];
        UNROLL for (int j = 0; j < 4; j++) {
            b[j] = LOAD(w + j * 16);
            _mm_prefetch((const char *)(w + j * 16) + 8192, _MM_HINT_T0);
        }
        UNROLL for (int r = 0; r < rows; r++)
            UNROLL for (int j = 0; j < 4; j++)
                STEP(s[r][j], x[(size_t)r * ldx + (size_t)k], b[j]);
    }
    UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int j = 0; j < 4; j++)
            _mm512_storeu_ps(y + r * 64 + j * 16, s[r][j]);
}

#define TILE(n) \
    TARGET static void tile_##n(float *y, const uint32_t *x, size_t ldx, const uint32_t *w, \
                                int K, int add) \
    { \
        panel_tile(y, x, ldx, w, K, add, n); \
    }
TILE(1) TILE(2) TILE(3) TILE(4) TILE(5) TILE(6)

/* 256 words at a time: a tile's part of x stays in the first cache. */
void dot_panel(float *y, const uint32_t *x, size_t ldx, int rows, const uint32_t *panel, int K)
{
    static void (*const tile[])(float *, const uint32_t *, size_t, const uint32_t *, int, int) = {
        NULL, tile_1, tile_2, tile_3, tile_4, tile_5, tile_6};
    int tiles = (rows + 5) / 6;
    for (int k = 0; k < K; k += 256, panel += (size_t)256 * 64)
        for (int t = 0; t < tiles; t++) {
            int from = (int)((int64_t)rows * t / tiles);
            int to = (int)((int64_t)rows * (t + 1) / tiles);
            tile[to - from](y + (size_t)from * 64, x + (size_t)from * ldx + k, ldx, panel,
                            K - k < 256 ? K - k : 256, k > 0);
        }
}

TARGET void dot_round(uint16_t *y, const float *x, size_t n)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        _mm256_storeu_si256((void *)(y + i),
                            (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(x + i)));
    if (i < n) {
        __mmask16 rest = (__mmask16)((1u << (n - i)) - 1);
        uint16_t part[16];
        _mm256_storeu_si256((void *)part,
                            (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(rest, x + i)));
        memcpy(y + i, part, (n - i) * sizeof *y);
    }
}

#else

int dot_here(void)
{
    return 0;
}

void dot_product(float *c, int ldc, const uint32_t *a, int lda, const uint32_t *b, int ldb, int M,
                 int N, int K)
{
    (void)c, (void)ldc, (void)a, (void)lda, (void)b, (void)ldb, (void)M, (void)N, (void)K;
    abort(); /* dot_here() said no */
}

void dot_panel(float *y, const uint32_t *x, size_t ldx, int rows, const uint32_t *panel, int K)
{
    (void)y, (void)x, (void)ldx, (void)rows, (void)panel, (void)K;
    abort();
}

void dot_round(uint16_t *y, const float *x, size_t n)
{
    (void)y, (void)x, (void)n;
    abort();
}
#endif
