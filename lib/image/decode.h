/* SPDX-License-Identifier: MIT */
/* JPEG and PNG files to RGB bytes, told apart by their first bytes and never by their name.
 *
 *     struct image img;
 *     if (image_decode(&img, bytes, n, &e) < 0) warn("%s: %s", path, e.text);
 *     image_release(&img);
 *
 * The pixels are Pillow's `Image.open(f).convert("RGB")`: libjpeg-turbo with the slow integer
 * IDCT and fancy upsampling, CMYK read as Adobe-inverted, grey as R = G = B, alpha dropped and
 * not composited, 16-bit samples cut to their high byte, EXIF orientation ignored (the policy
 * of Pillow, torchvision and the Hugging Face processors). What Pillow refuses (a JPEG that
 * ends early, a bad PNG checksum) is an error here too.
 * Limits are checked before memory is taken: IMAGE_MAX_SIDE, IMAGE_MAX_PIXELS, 100 scans.
 */
#ifndef MM_IMAGE_DECODE_H
#define MM_IMAGE_DECODE_H
#include "base/err.h"
#include <stddef.h>

#define IMAGE_MAX_SIDE 30000
#define IMAGE_MAX_PIXELS ((size_t)64 << 20) /* 192 MiB of RGB */

struct image {
    int width, height;
    unsigned char *rgb; /* [height, width, 3] */
};

/* "jpeg", "png", "webp", "gif", "bmp", "tiff", or "unknown". */
const char *image_format(const void *bytes, size_t n);
int image_decode(struct image *img, const void *bytes, size_t n, struct err *e) MM_MUST_CHECK;
void image_release(struct image *img);

#endif
