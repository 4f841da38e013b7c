/* SPDX-License-Identifier: MIT */
/* A model folder as a ResNet of bottleneck blocks: names, structure, folded weights. The part
 * of resnet50.c that reads; not for others.
 *
 *     struct resnet50_file f = {.precision = GEMM_F32};
 *     if (resnet50_file_open(&f, dir, &e) == 0 &&
 *         resnet50_file_conv(&w, &bias, &out_c, &f, &place, in_c, &e) == 0) ...
 *     resnet50_file_close(&f);
 */
#ifndef MM_MODEL_RESNET50_LOAD_H
#define MM_MODEL_RESNET50_LOAD_H
#include "nn/conv.h"
#include "nn/safetensors.h"

#define RESNET50_STAGES 6   /* at most; the maps of a seventh would have no pixel left */
#define RESNET50_BLOCKS 256 /* at most, of all stages */

struct resnet50_file {
    char *path; /* of the weights */
    enum gemm_precision precision;
    enum gemm_backend backend;
    struct safetensors *st;
    int hf;             /* names of Hugging Face; else of torchvision */
    const char *prefix; /* "resnet." or "" */
    int stages, depth[RESNET50_STAGES];
    int width[RESNET50_STAGES];    /* channels that come out of each stage */
    const struct st_tensor **used; /* [n_used] */
    int n_used;
};

/* Which convolution: 1..3 of a block, or: */
enum { RESNET50_STEM = 0, RESNET50_SHORTCUT = 4 };

struct resnet50_place {
    int stage, block, conv;
};

/* Maps the weights of dir and counts blocks; resnet50_file_close works also after a failure. */
int resnet50_file_open(struct resnet50_file *f, const char *dir, struct err *e) MM_MUST_CHECK;
void resnet50_file_close(struct resnet50_file *f);

int resnet50_kernel(const struct resnet50_place *at);
int resnet50_file_has(const struct resnet50_file *f, const struct resnet50_place *at);

/* The convolution with its batch norm folded in (in double; eps 1e-5): w [out,in_c,k,k], bias
 * [out], both for the caller to free, also after a failure. */
int resnet50_file_conv(float **w, float **bias, int *out_c, struct resnet50_file *f,
                       const struct resnet50_place *at, int in_c, struct err *e) MM_MUST_CHECK;

/* When all is read: -1 when the file holds tensors that a ResNet of this kind has no use for,
 * or when config.json describes another one. stem: channels of the first convolution. */
int resnet50_file_check(const struct resnet50_file *f, int stem, struct err *e) MM_MUST_CHECK;

#endif
