/* SPDX-License-Identifier: MIT */
/* The PNG half of image/decode.h, by libpng. */
#ifndef MM_IMAGE_PNG_FILE_H
#define MM_IMAGE_PNG_FILE_H
#include "image/decode.h"

/* img->rgb is the caller's to release, also after -1. */
int png_file_decode(struct image *img, const void *bytes, size_t n, struct err *e) MM_MUST_CHECK;

#endif
