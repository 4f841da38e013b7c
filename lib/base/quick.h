/* SPDX-License-Identifier: MIT */
/* A fast digest (XXH3, 64 bits, by libxxhash) for one question: are these the bytes that were
 * there before? Reads at the speed of memory where SHA-256 takes a second a gigabyte. It
 * guards against nobody: what identifies a content is its SHA-256. The digest is that of the
 * digests of blocks of 4 MiB, so that a file is read by several threads.
 *
 *     struct quick *h = quick_new();
 *     quick_add(h, block, n);
 *     int64_t digest = quick_end(h);          // starts anew
 *     quick_free(h);
 */
#ifndef MM_BASE_QUICK_H
#define MM_BASE_QUICK_H
#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

struct quick;

struct quick *quick_new(void);
void quick_free(struct quick *h); /* NULL is accepted */
void quick_add(struct quick *h, const void *p, size_t n);
int64_t quick_end(struct quick *h);

/* Of an open file from offset 0, the same as quick_add of its bytes; the position is not moved.
 * At most 4 threads. */
int quick_fd(int64_t *digest, int fd, struct err *e) MM_MUST_CHECK;

#endif
