/* SPDX-License-Identifier: MIT */
/* How a ResNet wants its photos: the part of resnet50.c that reads the preprocessing of a
 * model folder and makes pixels. Not for others.
 *
 *     struct resnet50_prep p;
 *     if (resnet50_prep_read(&p, dir, 1, &e) < 0) ...
 *     resnet50_prep_pixels(planes, &img, &p);
 */
#ifndef MM_MODEL_RESNET50_PREP_H
#define MM_MODEL_RESNET50_PREP_H
#include "image/resize.h"

struct resnet50_prep {
    int side;   /* the shorter side becomes this, the other keeps the ratio */
    enum image_filter filter;
    int floor;  /* crop offset rounded down, as Hugging Face does; else half to even */
    double mean[3], std[3];
    float value[3][256]; /* of each byte, normalised */
    char text[96];       /* "256 -> 224 bicubic, crop floor" */
};

/* hf: the names of the tensors are those of Hugging Face. */
int resnet50_prep_read(struct resnet50_prep *p, const char *dir, int hf,
                       struct err *e) MM_MUST_CHECK;

/* planes [3,224,224] */
void resnet50_prep_pixels(float *planes, const struct image *img, const struct resnet50_prep *p);

#endif
