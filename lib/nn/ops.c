/* SPDX-License-Identifier: MIT */
#include "nn/ops.h"
#include "nn/fastmath.h"
#include <math.h>

#define LANES 16

SIMD_FAST_FUSED void ops_gelu(float *x, size_t n)
{
    SIMD_CONTRACT
    for (size_t i = 0; i < n; i++)
        x[i] = x[i] * (0.5f + 0.5f * erf_poly(x[i] * 0.70710678f));
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

SIMD_INLINE float row_max(const float *s, int n)
{
    float lane[LANES];
    for (int l = 0; l < LANES; l++)
        lane[l] = s[l];
    for (int i = LANES; i < n; i += LANES)
        for (int l = 0; l < LANES; l++)
            lane[l] = s[i + l] > lane[l] ? s[i + l] : lane[l];
    float m = lane[0];
    for (int l = 1; l < LANES; l++)
        m = lane[l] > m ? lane[l] : m;
    return m;
}

SIMD_FAST_FUSED void ops_softmax_rows(float *restrict s, float *restrict inv, int R, int T,
                                      int ld, float scale)
{
    SIMD_CONTRACT
    int n = (T + LANES - 1) / LANES * LANES;
    for (int r = 0; r < R; r++, s += ld) {
        for (int i = T; i < n; i++)
            s[i] = -1e30f; /* its exponential, 2^-126, is lost in a sum that is at least 1 */
        float max = row_max(s, n), lane[LANES] = {0};
        for (int i = 0; i < n; i += LANES)
            for (int l = 0; l < LANES; l++) {
                s[i + l] = exp_poly((s[i + l] - max) * scale);
                lane[l] += s[i + l];
            }
        inv[r] = 1 / fold(lane);
    }
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
