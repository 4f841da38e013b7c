/* SPDX-License-Identifier: MIT */
/* oneDNN's products for nn/engine.c, with weights where they lie in panels; not for others. In a
 * build without oneDNN there is none.
 *
 * Rows come in blocks of one size, the last one filled up with zeros: so a row's result does not
 * depend on how many there are.
 */
#ifndef MM_NN_LIBRARY_H
#define MM_NN_LIBRARY_H
#include "base/err.h"

#define LIBRARY_PANELS 2 /* computed at a time */
#define LIBRARY_ROWS 64

struct library;

int library_pays(void);
/* NULL: there is no oneDNN, or a product of it is another than ours. */
struct library *library_new(int threads, struct err *e) MM_MUST_CHECK;
void library_free(struct library *b);

/* Whether it does products of that many panels; makes ready what they need. */
int library_can(struct library *b, int panels, int K);
/* x [rows,K] bfloat16, rows <= LIBRARY_ROWS; panels: two of them -> [LIBRARY_ROWS,128], this
 * thread's until its next call. */
const float *library_run(struct library *b, const void *x, int rows, const void *panels, int K,
                         int thread);

#endif
