/* SPDX-License-Identifier: MIT */
#include "nn/panel.h"
#include "base/simd.h"
#include "nn/dot.h"
#include "nn/gemm.h"
#include <assert.h>
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

/* y [rows,64], the sums so far with add. K in floats, or in pairs for bfloat16. */
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

/* The functions for a kind, [1..*rows]. */
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

const char *panel_isa(void)
{
    int rows;
    tiles_here(&rows, PANEL_F32);
    return rows == 12 ? "avx512f" : rows == 6 ? "avx2" : "generic";
}

/* ---- packing ---- */

size_t panel_bytes(int K, enum panel_kind kind)
{
    return (size_t)K * PANEL_COLS * (kind == PANEL_F32 ? sizeof(float) : sizeof(uint16_t));
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
    uint16_t *to = panel, part[512];
    for (size_t c = 0; c < (size_t)n; c++)
        for (size_t k = 0; k < ld; k += 512) {
            size_t m = ld - k < 512 ? ld - k : 512;
            gemm_to_bf16_plain(part, w + c * ld + k, m);
            for (size_t i = 0; i < m; i++)
                to[((k + i) / 2 * cols + c) * 2 + (k + i) % 2] = part[i];
        }
}

void panel_unpack(float *w, const void *panel, int column, int K, enum panel_kind kind)
{
    size_t cols = PANEL_COLS, c = (size_t)column;
    const float *f = panel;
    const uint16_t *h = panel;
    for (size_t k = 0; k < (size_t)K; k++)
        if (kind == PANEL_F32)
            w[k] = f[k * cols + c];
        else
            gemm_from_bf16(&w[k], &h[(k / 2 * cols + c) * 2 + k % 2], 1);
}

/* ---- products ---- */

/* Into as few tiles as there may be, all of about the same number of rows. */
static void run_floats(float *y, const float *x, size_t ldx, int rows, const char *panel, int K,
                       enum panel_kind kind)
{
    int most, per = kind == PANEL_F32 ? 1 : 2; /* k a step of the tile */
    const tile_function *tile = tiles_here(&most, kind);
    int tiles = (rows + most - 1) / most;
    for (int k = 0; k < K; k += K_BLOCK) {
        int n = K - k < K_BLOCK ? K - k : K_BLOCK;
        const char *w = panel + panel_bytes(k, kind);
        for (int t = 0; t < tiles; t++) {
            int from = (int)((int64_t)rows * t / tiles);
            int to = (int)((int64_t)rows * (t + 1) / tiles);
            tile[to - from](y + (size_t)from * PANEL_COLS, x + (size_t)from * ldx + k, ldx, w,
                            n / per, k > 0);
        }
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
