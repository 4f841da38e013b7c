/* SPDX-License-Identifier: MIT */
/* Exponential and error function as polynomials, for loops that gcc vectorises: expf and erff
 * of the C library stay scalar in such loops (measured with gcc 12).
 *
 *     SIMD_FAST void exponentials(float *y, int n)
 *     {
 *         for (int i = 0; i < n; i++)
 *             y[i] = exp_poly(y[i]);
 *     }
 */
#ifndef MM_NN_FASTMATH_H
#define MM_NN_FASTMATH_H
#include "base/simd.h"
#include <stdint.h>
#include <string.h>

/* exp(x) for -87 <= x <= 87: 2^n times a polynomial of degree 6 on |r| <= ln(2)/2, fitted on
 * Chebyshev nodes with relative weights (2e-8); relative error under 2e-7. Adding 1.5*2^23
 * rounds to an integer; ln 2 is split (Cody and Waite) so that n*hi is exact. */
SIMD_INLINE float exp_within(float x)
{
    float shifted = x * 1.44269504f + 12582912.0f, n = shifted - 12582912.0f;
    float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = 0.00138294091f;
    p = p * r + 0.00837477949f;
    p = p * r + 0.0416683592f;
    p = p * r + 0.166664213f;
    p = p * r + 0.499999911f;
    p = p * r + 1;
    p = p * r + 1;
    uint32_t bits; /* n sits in the low bits of shifted: no conversion, which a NaN forbids */
    float two_n;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits + 127) << 23;
    memcpy(&two_n, &bits, sizeof two_n);
    return p * two_n;
}

/* exp(x), clamped outside |x| <= 87; a NaN comes through. */
SIMD_INLINE float exp_poly(float x)
{
    x = x < -87 ? -87 : x;
    return exp_within(x > 87 ? 87 : x);
}

/* erf(x), absolute error under 2e-7: x P(v), v = 2 x^2/c^2 - 1, P of degree 16 fitted by least
 * squares on Chebyshev nodes; from |x| = c on the value rounds to 1. In v, not in x^2: there
 * the coefficients would grow to thousands and cancel. */
SIMD_INLINE float erf_poly(float x)
{
    const float c = 3.92f;
    float t = x > -c ? x : -c; /* in this order one instruction each; a NaN is lost */
    t = t < c ? t : c;
    float v = t * t * (2 / (c * c)) - 1;
    float p = 0.000328078924f;
    p = p * v - 0.000910891104f;
    p = p * v + 0.000803022529f;
    p = p * v - 0.0011460993f;
    p = p * v + 0.00399412215f;
    p = p * v - 0.00802789908f;
    p = p * v + 0.0124859018f;
    p = p * v - 0.0197196119f;
    p = p * v + 0.0304887723f;
    p = p * v - 0.0435468182f;
    p = p * v + 0.0581996255f;
    p = p * v - 0.0739974454f;
    p = p * v + 0.090620786f;
    p = p * v - 0.109181218f;
    p = p * v + 0.134083465f;
    p = p * v - 0.180108577f;
    p = p * v + 0.360736817f;
    return t * p;
}

#endif
