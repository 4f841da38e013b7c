/* SPDX-License-Identifier: MIT */
/* The encoders that mm-embed can run, one line each in encoder.c: text to vector, photo to
 * vector.
 *
 *     const struct encoder *en = encoder_choose(ENCODER_TEXT, "auto", &note, &e);
 *     en->text(v, text, n, &e);          // v [en->dim]
 *
 * A new network is one file and one line there. "auto" takes the first that is available and
 * says in the note what was not.
 */
#ifndef MM_MODEL_ENCODER_H
#define MM_MODEL_ENCODER_H
#include "base/err.h"
#include "image/decode.h"

enum encoder_kind { ENCODER_TEXT, ENCODER_IMAGE };

struct encoder {
    enum encoder_kind kind;
    const char *name; /* of TEXT_ENCODER or IMAGE_ENCODER */
    int version;      /* of the algorithm */
    int dim;          /* floats a vector */
    const char *what; /* for people */
    /* One of the two. Thread-safe. v [dim]. */
    int (*text)(float *v, const char *text, size_t n, struct err *e);
    int (*image)(float *v, const struct image *img, struct err *e);
};

/* The encoder of that name, or for "auto" the best available; *note (static text) says what it
 * is and what it stands in for. NULL: no such encoder, or its weights are not there. */
const struct encoder *encoder_choose(enum encoder_kind kind, const char *name,
                                     const char **note, struct err *e);

#endif
