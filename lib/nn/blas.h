/* SPDX-License-Identifier: MIT */
/* OpenBLAS on one thread: parallelism here is over runs and blocks of rows, so that no result
 * depends on the number of threads.
 *
 *     blas_single_thread();   // once, first thing in main
 */
#ifndef MM_NN_BLAS_H
#define MM_NN_BLAS_H

void blas_single_thread(void);
/* Library and kernel in use, "OpenBLAS 0.3.21 SkylakeX"; static text. */
const char *blas_name(void);

#endif
