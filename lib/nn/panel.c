/* SPDX-License-Identifier: MIT */
#include "nn/panel.h"
#include "base/simd.h"
#include "nn/dot.h"
#include "nn/gemm.h"
#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 12")
#endif

/* Bytes ahead that a tile asks for: the processor's own prefetching ends with a page. */
#define AHEAD 8192
/* So many k at a time: that part of x stays in the first cache while it meets all columns, that
 * part of the panel in the second while it meets all rows. Even. */
#define K_BLOCK 512
#define BYTE_GROUP 32 /* k that share a scale */
#define BYTE_ONE 0x1p24f /* a byte as the highest of a word */

/* y [rows,64], the sums so far with add. K in floats or bytes, or in pairs for bfloat16. */
typedef void (*tile_function)(float *y, const float *x, size_t ldx, const void *w, int K, int add);

#ifdef __x86_64__
#define LANES 16
#define ROWS 12
#define NAME(x) x##_16
#define TARGET SIMD_FUSED __attribute__((target("avx512f")))
#include "nn/panel_body.inc"

#define LANES 8
#define ROWS 6
#define NAME(x) x##_8
#define TARGET SIMD_FUSED __attribute__((target("avx2,fma")))
#include "nn/panel_body.inc"
#endif

#define LANES 4
#define ROWS 4
#define NAME(x) x##_4
#define TARGET SIMD_FUSED
#include "nn/panel_body.inc"

int panel_dot_here(void)
{
    return dot_here();
}

int panel_dot_pays(void)
{
#ifdef __x86_64__
    return dot_here() && __builtin_cpu_is("amd");
#else
    return 0;
#endif
}

/* The functions for a kind (not PANEL_DOT), [1..*rows]. */
static const tile_function *tiles_here(int *rows, enum panel_kind kind)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx512f")) {
        *rows = 12;
        return tiles_16[kind];
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        *rows = 6;
        return tiles_8[kind];
    }
#endif
    *rows = 4;
    return tiles_4[kind];
}

static void widen_here(float *to, const void *panel, int K)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx512f"))
        widen_16(to, panel, K);
    else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        widen_8(to, panel, K);
    else
#endif
        widen_4(to, panel, K);
}

const char *panel_isa(void)
{
    int rows;
    tiles_here(&rows, PANEL_F32);
    return rows == 12 ? "avx512f" : rows == 6 ? "avx2" : "generic";
}

/* ---- packing ---- */

size_t panel_bytes(int K, enum panel_kind kind)
{
    if (kind == PANEL_BYTE)
        return (size_t)((K + 2 * BYTE_GROUP - 1) / (2 * BYTE_GROUP) + (K + 3) / 4) * PANEL_COLS * 4;
    return (size_t)K * PANEL_COLS * (kind == PANEL_F32 ? sizeof(float) : sizeof(uint16_t));
}

/* The two groups that k is in: their scales [64][2], then bytes [16][64][4]. */
static char *groups_of(const void *panel, size_t k)
{
    size_t from = k / (2 * BYTE_GROUP) * (2 * BYTE_GROUP);
    return (char *)(uintptr_t)panel + panel_bytes((int)from, PANEL_BYTE);
}

static uint16_t *scale_at(const void *panel, size_t k, size_t c)
{
    return (uint16_t *)(void *)groups_of(panel, k) + 2 * c + k / BYTE_GROUP % 2;
}

static signed char *byte_at(const void *panel, size_t k, size_t c)
{
    size_t i = k % (2 * BYTE_GROUP);
    return (signed char *)groups_of(panel, k) + (1 + i / 4) * PANEL_COLS * 4 + c * 4 + i % 4;
}

/* The step between bytes by which the largest of x [n] is 127 or a little less: a bfloat16, so it
 * is rounded up. 0: all of x is zero, or as good as. */
static float byte_step(const float *x, int n)
{
    float most = 0;
    uint32_t bits;
    for (int i = 0; i < n; i++)
        most = fmaxf(most, fabsf(x[i]));
    most /= 127;
    memcpy(&bits, &most, sizeof bits);
    bits = (bits + 0xffff) & 0xffff0000u;
    memcpy(&most, &bits, sizeof most);
    return most / BYTE_ONE < FLT_MIN ? 0 : most;
}

/* K of one column, c, of a panel of zeros. */
static void pack_bytes(void *panel, const float *w, size_t c, int K)
{
    for (int from = 0; from < K; from += BYTE_GROUP) {
        int to = K - from < BYTE_GROUP ? K : from + BYTE_GROUP;
        float step = byte_step(w + from, to - from), scale = step / BYTE_ONE;
        gemm_to_bf16_plain(scale_at(panel, (size_t)from, c), &scale, 1);
        for (int k = from; step > 0 && k < to; k++)
            *byte_at(panel, (size_t)k, c) = (signed char)lrintf(w[k] / step);
    }
}

static void pack_halves(uint16_t *panel, const float *w, size_t c, int K)
{
    uint16_t part[512];
    size_t ld = (size_t)K;
    for (size_t k = 0; k < ld; k += 512) {
        size_t m = ld - k < 512 ? ld - k : 512;
        gemm_to_bf16_plain(part, w + k, m);
        for (size_t i = 0; i < m; i++)
            panel[((k + i) / 2 * PANEL_COLS + c) * 2 + (k + i) % 2] = part[i];
    }
}

void panel_pack(void *panel, const float *w, int n, int K, enum panel_kind kind)
{
    size_t cols = PANEL_COLS, ld = (size_t)K;
    assert(n <= PANEL_COLS && K % 2 == 0);
    memset(panel, 0, panel_bytes(K, kind));
    if (kind == PANEL_F32) {
        float *to = panel;
        for (size_t k = 0; k < ld; k++)
            for (size_t c = 0; c < (size_t)n; c++)
                to[k * cols + c] = w[c * ld + k];
        return;
    }
    for (size_t c = 0; c < (size_t)n; c++)
        if (kind == PANEL_BYTE)
            pack_bytes(panel, w + c * ld, c, K);
        else
            pack_halves(panel, w + c * ld, c, K);
}

void panel_unpack(float *w, const void *panel, int column, int K, enum panel_kind kind)
{
    size_t cols = PANEL_COLS, c = (size_t)column;
    const float *f = panel;
    const uint16_t *h = panel;
    for (size_t k = 0; k < (size_t)K; k++)
        if (kind == PANEL_F32) {
            w[k] = f[k * cols + c];
        } else if (kind == PANEL_BYTE) {
            gemm_from_bf16(&w[k], scale_at(panel, k, c), 1);
            w[k] *= (float)*byte_at(panel, k, c) * BYTE_ONE;
        } else
            gemm_from_bf16(&w[k], &h[(k / 2 * cols + c) * 2 + k % 2], 1);
}

/* ---- products ---- */

/* Into as few tiles as there may be, all of about the same number of rows. */
static void run_block(float *y, const float *x, size_t ldx, int rows, const void *w, int K,
                      int add, enum panel_kind kind)
{
    int most;
    const tile_function *tile = tiles_here(&most, kind);
    int tiles = (rows + most - 1) / most;
    for (int t = 0; t < tiles; t++) {
        int from = (int)((int64_t)rows * t / tiles);
        int to = (int)((int64_t)rows * (t + 1) / tiles);
        tile[to - from](y + (size_t)from * PANEL_COLS, x + (size_t)from * ldx, ldx, w,
                        kind == PANEL_HALF ? K / 2 : K, add);
    }
}

/* Bytes that meet many tiles are made floats once; so are those of an odd number. The sums
 * are the same. */
static void run_floats(float *y, const float *x, size_t ldx, int rows, const char *panel, int K,
                       enum panel_kind kind)
{
    _Alignas(64) float wide[K_BLOCK * PANEL_COLS];
    int most;
    tiles_here(&most, kind);
    int widen = kind == PANEL_BYTE && (rows > 2 * most || K % 4 != 0);
    for (int k = 0; k < K; k += K_BLOCK) {
        int n = K - k < K_BLOCK ? K - k : K_BLOCK;
        const char *w = panel + panel_bytes(k, kind);
        if (widen)
            widen_here(wide, w, n);
        run_block(y, x + k, ldx, rows, widen ? (const void *)wide : w, n, k > 0,
                  widen ? PANEL_F32 : kind);
    }
}

void panel_run(float *y, const void *x, size_t ldx, int rows, const void *panel, int K,
               enum panel_kind kind)
{
    if (kind == PANEL_DOT)
        dot_panel(y, x, ldx / 2, rows, panel, K / 2);
    else
        run_floats(y, x, ldx, rows, panel, K, kind);
}
