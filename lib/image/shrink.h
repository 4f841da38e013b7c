/* SPDX-License-Identifier: MIT */
/* A photo made small enough to be sent: its longer side at most so many pixels, as JPEG.
 *
 *     image_shrink(&out, &type, bytes, n, 512, &e);
 *
 * A JPEG or PNG that is small enough already goes out byte for byte. The same bytes give the
 * same bytes.
 */
#ifndef MM_IMAGE_SHRINK_H
#define MM_IMAGE_SHRINK_H
#include "base/buf.h"
#include "base/err.h"

enum { IMAGE_SHRINK_QUALITY = 85 }; /* of the JPEG */

/* side 0: as it is. type: "image/jpeg" or "image/png". out is replaced. */
int image_shrink(struct buf *out, const char **type, const void *bytes, size_t n, int side,
                 struct err *e) MM_MUST_CHECK;

#endif
