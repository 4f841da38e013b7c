/* SPDX-License-Identifier: MIT */
/* Sizes of a BLIP-2 from its config.json, and how it wants its pictures. For blip2.c and those
 * it is made of; not for others. What the file leaves out has the defaults of Hugging Face's
 * Blip2Config (the published checkpoints leave out most).
 *
 *     struct blip2_shape s;
 *     if (blip2_shape_read(&s, dir, &e) < 0) ...
 */
#ifndef MM_MODEL_BLIP2_SHAPE_H
#define MM_MODEL_BLIP2_SHAPE_H
#include "image/resize.h"
#include "model/optlm.h"
#include "model/qformer.h"
#include "model/vit.h"

struct blip2_shape {
    struct vit_shape vit;
    struct qformer_shape qformer;
    struct optlm_shape opt; /* vocab 0: the weights say */
    int bos, stop, pad;     /* ids: before the text, end of a caption, filler */
};

/* -1: a file is missing or malformed, or asks for what is not computed here; named. */
int blip2_shape_read(struct blip2_shape *s, const char *dir, struct err *e) MM_MUST_CHECK;

/* preprocessor_config.json, or what the published one says. */
struct blip2_prep {
    int side;
    enum image_filter filter;
    double mean[3], std[3];
    float value[3][256]; /* of each byte, normalised */
};
int blip2_prep_read(struct blip2_prep *p, const char *dir, int side, struct err *e) MM_MUST_CHECK;

/* The whole picture squeezed to side x side, as Hugging Face does: planes [3,side,side]. */
void blip2_prep_pixels(float *planes, const struct image *img, const struct blip2_prep *p);

#endif
