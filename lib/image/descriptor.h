/* SPDX-License-Identifier: MIT */
/* One documented colour and gradient descriptor of a photo: what stands in for ResNet-50 when
 * its weights are not there. No training, no weights.
 *
 *     float v[DESCRIPTOR_DIM];
 *     descriptor_of(v, &img);
 *
 * The photo is squashed to 64 x 64 (bilinear, Pillow's), then three groups, each of unit
 * length times 1/sqrt(3), so that the whole has unit length:
 *   [  0,  64)  joint RGB histogram, 4 levels a channel, square-rooted (Hellinger)
 *   [ 64, 112)  colour layout: mean R, G, B of 4 x 4 cells, minus 0.5
 *   [112, 240)  histograms of oriented gradients (Dalal and Triggs 2005) of the grey picture:
 *               4 x 4 cells, 8 unsigned orientations, linear vote between two orientations
 */
#ifndef MM_IMAGE_DESCRIPTOR_H
#define MM_IMAGE_DESCRIPTOR_H
#include "image/decode.h"

#define DESCRIPTOR_DIM 240
#define DESCRIPTOR_VERSION 1

/* v [DESCRIPTOR_DIM] */
void descriptor_of(float *v, const struct image *img);

#endif
