/* SPDX-License-Identifier: MIT */
/* Float vectors as BLOBs: little-endian float32, what numpy.frombuffer(b, '<f4') and
 * sqlite-vec read.
 *
 *     vec_bind(q, ":vec", v, 384);
 *     const float *v = vec_column(q, 2, 384, &e);
 */
#ifndef MM_DB_VEC_H
#define MM_DB_VEC_H
#include "base/err.h"
#include <sqlite3.h>
#include <stddef.h>

/* v [n] is borrowed until the statement is reset. */
void vec_bind(sqlite3_stmt *q, const char *name, const float *v, size_t n);
/* Copies column col into v [n]. -1: another length, or a value that is not finite. */
int vec_column(float *v, sqlite3_stmt *q, int col, size_t n, struct err *e) MM_MUST_CHECK;

#endif
