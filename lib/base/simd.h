/* SPDX-License-Identifier: MIT */
/* How a loop over floats is compiled for the machine that runs it: plain C, three instruction
 * sets, chosen at start-up.
 *
 *     SIMD_FAST void relu(float *y, int n)
 *     {
 *         for (int i = 0; i < n; i++)
 *             y[i] = y[i] > 0 ? y[i] : 0;
 *     }
 *
 * SIMD_FAST vectorises also at -O2. clang 14 gives such functions a name that other files
 * cannot link to, so there it is off: correct, slower.
 * SIMD_FUSED (with SIMD_CONTRACT as the first line of the body) lets the compiler fuse a
 * multiplication with an addition, which the Makefile forbids everywhere else. Only where it
 * is a third of the time: results of such functions differ in the last bit between machines
 * with and without the instruction.
 */
#ifndef MM_BASE_SIMD_H
#define MM_BASE_SIMD_H

#if defined(__x86_64__) && !defined(__clang__)
#define SIMD_FAST \
    __attribute__((target_clones("avx512f", "avx2", "default"), \
                   optimize("O3", "no-math-errno", "no-trapping-math")))
#define SIMD_FAST_FUSED \
    __attribute__((target_clones("avx512f", "arch=haswell", "default"), \
                   optimize("O3", "no-math-errno", "no-trapping-math", "fp-contract=fast")))
#else
#define SIMD_FAST
#define SIMD_FAST_FUSED
#endif

#ifdef __clang__
#define SIMD_CONTRACT _Pragma("clang fp contract(fast)")
#define SIMD_FUSED
#else
#define SIMD_CONTRACT
#define SIMD_FUSED __attribute__((optimize("fp-contract=fast")))
#endif

/* For their helpers: gcc does not inline across different optimize attributes by itself. */
#define SIMD_INLINE static inline __attribute__((always_inline))

#endif
