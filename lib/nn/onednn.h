/* SPDX-License-Identifier: MIT */
/* What gemm and conv need of oneDNN, versions 2 and 3 behind one face. Only in builds that
 * define HAVE_DNNL.
 *
 *     struct onednn *p = onednn_linear(64, 1536, 384, 0, w, b, &e);
 *     onednn_run(p, y, 0, x, 0, 1);
 *
 * Everything runs on the calling thread alone.
 */
#ifndef MM_NN_ONEDNN_H
#define MM_NN_ONEDNN_H
#include "base/err.h"
#include <stddef.h>

struct onednn; /* a primitive with its packed weights */

struct onednn_conv {
    int in_c, out_c, kernel, stride, pad, in_h, in_w;
    int relu, add;
};

/* bf16 instructions on this CPU and in this library. */
int onednn_has_bf16(void);
const char *onednn_version(void); /* "2.6.3", static text */
/* Channels a block of activations (see conv.h) for which there are kernels on this CPU: 16 with
 * AVX-512, 8 with less, 0 where there are none and a convolution would be a plain loop. */
int onednn_block(void);

/* x [rows,K] (float, or bfloat16) -> y [rows,N] float; w [N,K], bias [N] or NULL. */
struct onednn *onednn_linear(int rows, int N, int K, int bf16, const float *w,
                             const float *bias, struct err *e) MM_MUST_CHECK;
/* AMX tiles of bfloat16 on this CPU, in this library and from this system: products of matrices
 * at several times the speed of any other instruction. */
int onednn_has_tiles(void);
/* x [rows,K] bfloat16 times panels of W [N,K] as nn/panel.h packs them -> y [rows,N] float. NULL,
 * with e, where the library would have them packed otherwise. */
struct onednn *onednn_panels(int rows, int N, int K, struct err *e) MM_MUST_CHECK;
void onednn_run_panels(const struct onednn *p, float *y, const void *x, const void *panels);

/* One picture; w [out,in,k,k], bias [out]. Activations (float, or bfloat16) in blocks of
 * onednn_block() channels, [C/16,H,W,16], filled up with zeros; an input of 3 channels is
 * [3,H,W]. relu: max(0, .) last; add: the output is added to what dst holds. */
struct onednn *onednn_conv(const struct onednn_conv *shape, int bf16, const float *w,
                           const float *bias, struct err *e) MM_MUST_CHECK;
void onednn_free(struct onednn *p);

/* Runs it count times, each time dst_step and src_step bytes further. Thread-safe. dst and src
 * are 64-byte aligned. */
void onednn_run(const struct onednn *p, void *dst, size_t dst_step, const void *src,
                size_t src_step, int count);

#endif
