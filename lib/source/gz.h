/* SPDX-License-Identifier: MIT */
/* Bytes of a file that is plain or gzip, told apart by its first bytes and not by its
 * name.
 *
 *     struct gz *in = gz_open("reviews.json.gz", &e);
 *     while ((n = gz_read(in, block, sizeof block, &e)) > 0)
 *         ...
 *     gz_close(in);
 *
 * Plain files go from read() straight into the caller's block; gzip (RFC 1952, several
 * members one after another, zero padding at the end) through zlib. Memory is fixed: 256
 * KiB and zlib's window for gzip, nothing for plain files, 64 KiB once something was
 * peeked.
 */
#ifndef MM_SOURCE_GZ_H
#define MM_SOURCE_GZ_H
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GZ_PEEK_MAX 65536

struct gz;

/* NULL: missing, unreadable, not a regular file, or packed in another way (zip, bzip2,
 * xz, zstd, 7z). A fifo never makes it wait. */
struct gz *gz_open(const char *path, struct err *e) MM_MUST_CHECK;
void gz_close(struct gz *g); /* NULL is accepted */

/* Bytes read, at most n; 0 at the end; -1: read error, damaged or truncated gzip data. */
int64_t gz_read(struct gz *g, void *p, size_t n, struct err *e) MM_MUST_CHECK;

/* The first bytes (at most GZ_PEEK_MAX), which stay to be read: valid until the next
 * call. Only before the first gz_read. *n < GZ_PEEK_MAX says that this is the whole file.
 */
int gz_peek(struct gz *g, const char **head, size_t *n, struct err *e) MM_MUST_CHECK;

const char *gz_path(const struct gz *g);
int64_t gz_stored_bytes(const struct gz *g); /* read from the file so far, packed */
int64_t gz_size(const struct gz *g); /* of the file as stored: for a progress bar */

#endif
