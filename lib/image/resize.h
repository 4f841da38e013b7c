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

#endif
