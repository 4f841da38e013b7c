/* SPDX-License-Identifier: MIT */
/* Convolution of one picture, y = [relu](x * W + b [+ y]), with weights packed once: oneDNN's
 * own kernels, or OpenBLAS over patches laid out as rows (im2col).
 *
 *     struct conv_shape shape = {.in_c = 64, .out_c = 64, .kernel = 3, .stride = 1, .pad = 1,
 *                                .in_h = 56, .in_w = 56, .relu = 1};
 *     struct conv *c = conv_new(&shape, w, b, GEMM_F32, GEMM_AUTO, &e);
 *     conv_run(y, x, c, scratch);
 *
 * Activations are maps in blocks of channels, [C/block, H, W, block], C filled up with zeros;
 * float, or uint16_t bfloat16 in GEMM_BF16. Pictures are computed one by one, each on one
 * thread, so a result depends on the picture alone. Measured for all of ResNet-50 on one Zen 4
 * core with oneDNN 2.6, GFLOP/s one picture and four at a time: f32 105 and 108, bf16 226 and
 * 219; plain [H,W,C] maps instead of blocks: f32 96.
 */
#ifndef MM_NN_CONV_H
#define MM_NN_CONV_H
#include "nn/gemm.h"

struct conv_shape {
    int in_c, out_c, kernel, stride, pad; /* square kernel */
    int in_h, in_w;
    int relu; /* max(0, .) last */
    int add;  /* the output is added to what y holds */
};

/* How the activations of a network lie in memory. */
struct conv_map {
    int channels, height, width;
    int block; /* channels a block */
    enum gemm_precision precision;
};

struct conv;

/* w [out,in,kernel,kernel], bias [out]; both are copied. An input of 3 channels is a picture:
 * its map may have other blocks than the output of another convolution, see conv_in. NULL with
 * e on failure. */
struct conv *conv_new(const struct conv_shape *shape, const float *w, const float *bias,
                      enum gemm_precision precision, enum gemm_backend backend,
                      struct err *e) MM_MUST_CHECK;
void conv_free(struct conv *c);

struct conv_map conv_in(const struct conv *c);
struct conv_map conv_out(const struct conv *c);
size_t conv_map_bytes(const struct conv_map *m); /* a multiple of 64 */
size_t conv_scratch_bytes(const struct conv *c); /* may be 0 */

/* x: conv_in's map, y: conv_out's, scratch: conv_scratch_bytes; 64-byte aligned, no overlap.
 * Thread-safe. */
void conv_run(void *y, const void *x, const struct conv *c, void *scratch);

/* planes [C,H,W] float -> the map m. */
void conv_from_planes(void *map, const float *planes, const struct conv_map *m);
/* Maximum over 3x3 windows with stride 2 and padding 1 (padding never wins). out: C,
 * (H-1)/2+1, (W-1)/2+1. */
void conv_max_pool(void *out, const void *in, const struct conv_map *m);
/* Mean over height and width -> y [C]. */
void conv_mean(float *y, const void *in, const struct conv_map *m);

#endif
