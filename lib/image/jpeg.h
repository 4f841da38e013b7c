/* SPDX-License-Identifier: MIT */
/* The JPEG half of image/decode.h, by libjpeg-turbo. */
#ifndef MM_IMAGE_JPEG_H
#define MM_IMAGE_JPEG_H
#include "image/decode.h"

/* img->rgb is the caller's to release, also after -1. */
int jpeg_file_decode(struct image *img, const void *bytes, size_t n, struct err *e) MM_MUST_CHECK;

#endif
