/* SPDX-License-Identifier: MIT */
/* Drawn photos: rooms and plates, cared for or shabby, 96 x 72, each a little different.
 *
 *     struct picture p;
 *     picture_draw(&p, slot, bad, index);
 *     if (picture_encode(&bytes, &p, PICTURE_JPEG, &e) < 0) ...
 *
 * Integers only: the pixels are the same on every machine. The bytes of a file also depend on
 * the libraries that compress it.
 */
#ifndef MM_SAMPLE_PICTURE_H
#define MM_SAMPLE_PICTURE_H
#include "base/buf.h"
#include "base/err.h"

enum { PICTURE_WIDTH = 96, PICTURE_HEIGHT = 72 };
enum picture_kind { PICTURE_JPEG, PICTURE_PNG };

struct picture {
    unsigned char rgb[PICTURE_HEIGHT][PICTURE_WIDTH][3];
};

/* What phrase_caption(slot, bad) says; index makes it one of a kind. */
void picture_draw(struct picture *p, int slot, int bad, int index);

/* Appends the file's bytes. -1: the compressor failed. */
int picture_encode(struct buf *out, const struct picture *p, enum picture_kind kind,
                   struct err *e) MM_MUST_CHECK;

#endif
