/* SPDX-License-Identifier: MIT */
/* oneDNN's products for nn/engine.c, with weights where they lie in panels; not for others. In a
 * build without oneDNN there is none.
 *
 * Rows come in blocks of one size, the last one filled up with zeros: so a row's result does not
 * depend on how many there are. Which size is decided by whether there are at least 64 of them.
 */
#ifndef MM_NN_LIBRARY_H
#define MM_NN_LIBRARY_H
#include "base/err.h"

#define LIBRARY_PANELS 2 /* computed at a time */

struct library;

int library_pays(void);
/* NULL: there is no oneDNN, or a product of it is another than ours. */
struct library *library_new(int threads, int least, struct err *e) MM_MUST_CHECK;
void library_free(struct library *b);

/* Whether it does products of that many rows and panels; makes ready what they need. */
int library_can(struct library *b, int rows, int panels, int K);
int library_rows(int rows); /* of a block */
/* x [rows,K] bfloat16, rows <= block; panels: two of them -> [block,128], this thread's until its
 * next call. */
const float *library_run(struct library *b, const void *x, int rows, int block,
                         const void *panels, int K, int thread);

#endif
