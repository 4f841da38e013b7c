/* SPDX-License-Identifier: MIT */
/* Photos that reviews and manifests name, into table image. A part of the loader.
 *
 *     pics_begin(l);
 *     pics_put(l, &record, review, business);   // those of a review
 *     pics_photo(l, &record);                   // one of a manifest
 *     pics_close(l);                            // before others read the table
 *
 * Of several reviews that name one photo the first one has it. Into empty tables photos are only
 * appended; repeats are dropped and indices built when that ends (pics_close, pics_photo).
 */
#ifndef MM_SOURCE_PICS_H
#define MM_SOURCE_PICS_H
#include "source/loader.h"

void pics_begin(struct loader *l); /* drops the indices of a fresh load */
void pics_put(struct loader *l, const struct source_record *r, int64_t review,
              int64_t business);
void pics_photo(struct loader *l, const struct source_record *r);
void pics_close(struct loader *l);

#endif
