/* SPDX-License-Identifier: MIT */
/* Pillow's antialiased resize, exactly: two passes (horizontal first), filter widened when
 * shrinking, weights rounded to 22 bits, the intermediate rounded to 8 bits. The order of the
 * passes is that of Pillow up to 12; Pillow 13.0 does some upright pictures vertically first
 * when both axes shrink by different factors (measured: 1 level of difference, seldom more).
 *
 *     unsigned char out[224 * 224 * 3];
 *     image_resize(out, 224, 224, &img, IMAGE_BICUBIC);
 */
#ifndef MM_IMAGE_RESIZE_H
#define MM_IMAGE_RESIZE_H
#include "image/decode.h"

enum image_filter { IMAGE_BILINEAR, IMAGE_BICUBIC /* a = -0.5 */ };

/* img [h, w, 3] -> out [height, width, 3], the caller's. width, height >= 1. out must not
 * overlap img. */
void image_resize(unsigned char *out, int width, int height, const struct image *img,
                  enum image_filter filter);

/* A part of the resized picture. */
struct image_window {
    int left, top, width, height;
};

/* The window, which must lie inside, of what image_resize(width, height) would give, byte for
 * byte; out [window height, window width, 3]. Costs time and memory for the window alone: a
 * photo of 30000 x 2 whose short side is to become 256 would be 3,840,000 pixels wide. */
void image_resize_window(unsigned char *out, const struct image_window *window, int width,
                         int height, const struct image *img, enum image_filter filter);

#endif
