/* SPDX-License-Identifier: MIT */
/* A growable byte buffer that is always NUL-terminated.
 *
 *     struct buf b = {0};
 *     buf_addf(&b, "%d reviews", n);
 *     puts(b.data);
 *     buf_release(&b);
 *
 * A zeroed struct is a valid empty buffer (data may then be NULL; buf_str never is).
 * Growth dies on no memory.
 */
#ifndef MM_BASE_BUF_H
#define MM_BASE_BUF_H
#include "base/err.h"
#include <stddef.h>

struct buf {
    char *data;
    size_t len; /* bytes, without the NUL */
    size_t cap;
};

void buf_reserve(struct buf *b, size_t more); /* room for len + more + NUL */
void buf_add(struct buf *b, const void *p, size_t n);
void buf_adds(struct buf *b, const char *s);
void buf_addc(struct buf *b, int c);
void buf_addf(struct buf *b, const char *fmt, ...) MM_PRINTF(2, 3);
/* UTF-8 as a JSON string, quoted, without control characters. */
void buf_json(struct buf *b, const char *s, size_t n);
void buf_clear(struct buf *b);     /* length 0, memory kept */
void buf_release(struct buf *b);   /* frees; the struct is empty again */
const char *buf_str(const struct buf *b); /* data, or "" */

/* A whole regular file, at most max_bytes. -1: cannot be read, not regular, or too large. */
int buf_read_file(struct buf *b, const char *path, size_t max_bytes, struct err *e) MM_MUST_CHECK;

#endif
