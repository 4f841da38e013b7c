/* SPDX-License-Identifier: MIT */
#include "nn/ops.h"
#include "nn/fastmath.h"
#include <math.h>
#include <stdint.h>

#define LANES 16

SIMD_FAST_FUSED void ops_gelu(float *x, size_t n)
{
    SIMD_CONTRACT
    for (size_t i = 0; i < n; i++)
        x[i] = x[i] * (0.5f + 0.5f * erf_poly(x[i] * 0.70710678f));
}

SIMD_FAST void ops_relu(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = x[i] > 0 ? x[i] : 0;
}

/* The lanes of a sum, added pairwise. */
SIMD_INLINE float fold(const float *lane)
{
    float s[LANES];
    for (int i = 0; i < LANES; i++)
        s[i] = lane[i];
    for (int half = LANES / 2; half; half /= 2)
        for (int i = 0; i < half; i++)
            s[i] += s[i + half];
    return s[0];
}

SIMD_INLINE float row_sum(const float *x, int D)
{
    float lane[LANES] = {0};
    int i = 0;
    for (; i + LANES <= D; i += LANES)
        for (int l = 0; l < LANES; l++)
            lane[l] += x[i + l];
    for (int l = 0; i < D; i++, l++)
        lane[l] += x[i];
    return fold(lane);
}

SIMD_INLINE float row_square_sum(const float *x, float mean, int D)
{
    float lane[LANES] = {0};
    int i = 0;
    for (; i + LANES <= D; i += LANES)
        for (int l = 0; l < LANES; l++)
            lane[l] += (x[i + l] - mean) * (x[i + l] - mean);
    for (int l = 0; i < D; i++, l++)
        lane[l] += (x[i] - mean) * (x[i] - mean);
    return fold(lane);
}

SIMD_FAST_FUSED void ops_layer_norm(float *restrict x, const float *restrict add,
                                    const float *restrict gamma, const float *restrict beta,
                                    double eps, int R, int D)
{
    SIMD_CONTRACT
    for (int r = 0; r < R; r++, x += D) {
        if (add) {
            for (int i = 0; i < D; i++)
                x[i] += add[i];
            add += D;
        }
        float mean = row_sum(x, D) / (float)D;
        float var = row_square_sum(x, mean, D) / (float)D;
        float inv = (float)(1 / sqrt((double)var + eps));
        for (int i = 0; i < D; i++)
            x[i] = (x[i] - mean) * inv * gamma[i] + beta[i];
    }
}

/* As a vector type: gcc 12 leaves this loop scalar when it is written over an array. */
typedef float lanes __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t masks __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

SIMD_INLINE float row_max(const float *s, int n)
{
    lanes max = *(const lanes *)s;
    for (int i = LANES; i < n; i += LANES) {
        lanes x = *(const lanes *)(s + i);
        masks more = x > max;
        max = (lanes)((more & (masks)x) | (~more & (masks)max));
    }
    float m = max[0];
    for (int l = 1; l < LANES; l++)
        m = max[l] > m ? max[l] : m;
    return m;
}

/* Makes the numbers behind the T-th so small that their exponential, 2^-126, is lost in a sum
 * that is at least 1. In one register: single stores would hold up the load that follows. */
SIMD_INLINE void hide_behind(float *s, int T)
{
    static const masks lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    const masks small = (masks)(lanes){-1e30f, -1e30f, -1e30f, -1e30f, -1e30f, -1e30f,
                                       -1e30f, -1e30f, -1e30f, -1e30f, -1e30f, -1e30f,
                                       -1e30f, -1e30f, -1e30f, -1e30f};
    if (T % LANES == 0)
        return;
    s += T / LANES * LANES;
    masks keep = lane < T % LANES, x = *(masks *)s;
    *(masks *)s = (keep & x) | (~keep & small);
}

SIMD_FAST_FUSED void ops_softmax_rows(float *restrict s, float *restrict inv, int R, int T,
                                      int ld, float scale)
{
    SIMD_CONTRACT
    int n = (T + LANES - 1) / LANES * LANES;
    for (int r = 0; r < R; r++, s += ld) {
        hide_behind(s, T);
        float max = row_max(s, n), lane[LANES] = {0};
        for (int i = 0; i < n; i += LANES)
            for (int l = 0; l < LANES; l++) {
                float x = (s[i + l] - max) * scale;
                s[i + l] = exp_within(x > -87 ? x : -87);
                lane[l] += s[i + l];
            }
        inv[r] = 1 / fold(lane);
    }
}

SIMD_FAST_FUSED void ops_dot_rows(float *restrict s, const float *restrict x,
                                  const float *restrict q, int R, int D, size_t ld)
{
    SIMD_CONTRACT
    for (int r = 0; r < R; r++, x += ld) {
        float lane[LANES] = {0};
        int i = 0;
        for (; i + LANES <= D; i += LANES)
            for (int l = 0; l < LANES; l++)
                lane[l] += x[i + l] * q[i + l];
        for (int l = 0; i < D; i++, l++)
            lane[l] += x[i] * q[i];
        s[r] = fold(lane);
    }
}

SIMD_FAST_FUSED void ops_add_rows(float *restrict y, const float *restrict x,
                                  const float *restrict f, int R, int D, size_t ld)
{
    SIMD_CONTRACT
    for (int r = 0; r < R; r++, x += ld)
        for (int i = 0; i < D; i++)
            y[i] += f[r] * x[i];
}

SIMD_FAST void ops_scale_rows(float *restrict y, const float *restrict f, int R, int D, int ld)
{
    for (int r = 0; r < R; r++, y += ld)
        for (int i = 0; i < D; i++)
            y[i] *= f[r];
}

SIMD_FAST void ops_mean_rows(float *restrict y, const float *restrict x, int R, int D)
{
    for (int i = 0; i < D; i++)
        y[i] = 0;
    for (int r = 0; r < R; r++, x += D)
        for (int i = 0; i < D; i++)
            y[i] += x[i];
    for (int i = 0; i < D; i++)
        y[i] /= (float)R;
}

void ops_unit(float *x, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += (double)x[i] * x[i];
    double norm = sqrt(sum);
    if (norm < 1e-12)
        norm = 1e-12;
    for (int i = 0; i < n; i++)
        x[i] = (float)(x[i] / norm);
}
