/* SPDX-License-Identifier: MIT */
#include "image/planes.h"

void image_byte_values(float value[3][256], const double mean[3], const double std[3])
{
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < 256; i++) {
            float x = (float)i / 255.0f;
            value[c][i] = (x - (float)mean[c]) / (float)std[c];
        }
}

void image_planes(float *planes, const unsigned char *rgb, size_t pixels,
                  const float value[3][256])
{
    for (size_t i = 0; i < pixels; i++)
        for (size_t c = 0; c < 3; c++)
            planes[c * pixels + i] = value[c][rgb[i * 3 + c]];
}
