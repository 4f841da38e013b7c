/* SPDX-License-Identifier: MIT */
/* The seam of all inference: y = x W^T + b with weights packed once, in f32 or bf16, by oneDNN
 * where it is installed (the fastest on current CPUs) or by OpenBLAS.
 *
 *     struct gemm *g = gemm_new(w, b, 1536, 384, GEMM_F32, GEMM_AUTO, &e);
 *     gemm_run(y, x, rows, g);               // x [rows,384], y [rows,1536]
 *     gemm_free(g);
 *
 * Row-major, shapes in [brackets]. Products run on the calling thread alone, always in blocks
 * of GEMM_ROWS rows, so no row of y depends on how many rows there are, on the others, or on
 * the number of threads. Measured on one Zen 4 core, GFLOP/s for [64,384][384,1536] and
 * [64,1536][1536,384]: oneDNN 2.6 f32 113 and 113, bf16 225 and 228; OpenBLAS 0.3.21 90 and
 * 85. More rows a block gain nothing there.
 */
#ifndef MM_NN_GEMM_H
#define MM_NN_GEMM_H
#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

#define GEMM_ROWS 64

/* GEMM_BF16: inputs and weights are rounded to bfloat16, sums are float32. */
enum gemm_precision { GEMM_F32, GEMM_BF16 };
enum gemm_backend { GEMM_AUTO, GEMM_ONEDNN, GEMM_OPENBLAS };

struct gemm;

/* "auto", "onednn" or "openblas" to the enum; -1 and a sentence for others, or for oneDNN in a
 * build without it. AUTO becomes what this build has. */
int gemm_backend_of(enum gemm_backend *out, const char *name, struct err *e) MM_MUST_CHECK;
/* "oneDNN 2.6.3, bf16 instructions": what would compute, static text. bf16 on a CPU without
 * the instructions is computed as f32 products of rounded numbers, which this says. */
const char *gemm_describe(enum gemm_backend backend, enum gemm_precision precision);

/* w [N,K], bias [N] or NULL; both are copied. NULL with e on failure. */
struct gemm *gemm_new(const float *w, const float *bias, int N, int K,
                      enum gemm_precision precision, enum gemm_backend backend,
                      struct err *e) MM_MUST_CHECK;
void gemm_free(struct gemm *g);

/* x [rows,K], float, or uint16_t bfloat16 for a GEMM_BF16 product -> y [rows,N] float. x and y
 * have room for rows rounded up to GEMM_ROWS; what lies beyond rows is read, computed and
 * meaningless, so it must be initialised. No overlap; 64-byte aligned. Thread-safe. */
void gemm_run(float *y, const void *x, int rows, const struct gemm *g);

int gemm_pad(int rows); /* rows rounded up to GEMM_ROWS */

/* float32 to bfloat16, nearest even, and back. x must not be NaN; what is below 2^-126 may
 * become 0. No overlap. */
void gemm_to_bf16(uint16_t *y, const float *x, size_t n);
void gemm_to_bf16_plain(uint16_t *y, const float *x, size_t n); /* as without the instruction */
void gemm_from_bf16(float *y, const uint16_t *x, size_t n);

#endif
