/* SPDX-License-Identifier: MIT */
#include "nn/tile.h"
#include "base/simd.h"
#include <assert.h>

int tile_pad(int n)
{
    return (n + TILE_COLS - 1) / TILE_COLS * TILE_COLS;
}

#ifdef __x86_64__
#define LANES 8
#define NAME(x) x##_8
#define TARGET SIMD_FUSED __attribute__((target("avx2,fma")))
#include "nn/tile_body.inc"

#define LANES 16
#define NAME(x) x##_16
#define TARGET SIMD_FUSED __attribute__((target("avx512f")))
#include "nn/tile_body.inc"
#endif

#define LANES 4
#define NAME(x) x##_4
#define TARGET SIMD_FUSED
#include "nn/tile_body.inc"

const char *tile_isa(void)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx512f"))
        return "avx512f";
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return "avx2";
#endif
    return "generic";
}

void tile_product(real *c, int ldc, const real *a, int a_row, int a_col, const real *b,
                  int ldb, int M, int N, int K, const real *bias, int add)
{
    assert(M % TILE_ROWS == 0 && N % TILE_ROWS == 0 && !(bias && add));
    size_t ar = (size_t)a_row, ac = (size_t)a_col, lc = (size_t)ldc, lb = (size_t)ldb;
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx512f")) {
        product_16(c, lc, a, ar, ac, b, lb, M, N, K, bias, add);
        return;
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        product_8(c, lc, a, ar, ac, b, lb, M, N, K, bias, add);
        return;
    }
#endif
    product_4(c, lc, a, ar, ac, b, lb, M, N, K, bias, add);
}
