/* SPDX-License-Identifier: MIT */
/* The number type of what is trained: float, and double in the one test program that compares
 * the same sources with PyTorch's float64 (Makefile, EXACT_SRC).
 *
 *     real *w = real_take(&arena, n);
 *     for (int i = 0; i < n; i++)
 *         p[i] = 1 / (1 + real_exp(-z[i]));
 *
 * In float the functions are this project's polynomials, which vectorise, with the errors
 * given below; in double they are the C library's. What is only read (features, vectors, the
 * files of them) stays float in both.
 */
#ifndef MM_NN_REAL_H
#define MM_NN_REAL_H
#include "base/arena.h"
#include "base/simd.h"
#include "nn/fastmath.h"
#include <math.h>

#ifdef MM_REAL_DOUBLE
typedef double real;

SIMD_INLINE real real_exp(real x)
{
    return exp(x);
}

SIMD_INLINE real real_log1p(real u)
{
    return log1p(u);
}

SIMD_INLINE real real_sqrt(real x)
{
    return sqrt(x);
}
#else
typedef float real;

/* Relative error under 2e-7; clamped outside |x| <= 87. */
SIMD_INLINE real real_exp(real x)
{
    return exp_poly(x);
}

/* log(1+u) for 0 <= u <= 1: 2 atanh(s), s = u/(2+u) <= 1/3; the first term left out is under
 * 2e-9 of the sum. */
SIMD_INLINE real real_log1p(real u)
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

SIMD_INLINE real real_sqrt(real x)
{
    return sqrtf(x);
}
#endif

/* An arena counts floats. */
#define REAL_FLOATS (sizeof(real) / sizeof(float))

static inline size_t real_room(size_t n)
{
    return arena_room(n * REAL_FLOATS);
}

static inline real *real_take(struct arena *a, size_t n)
{
    return (real *)(void *)arena_take(a, n * REAL_FLOATS);
}

#endif
