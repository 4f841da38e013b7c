/* SPDX-License-Identifier: MIT */
/* The file SHA256SUMS of a model's folder, as sha256sum and models.sh write it: where it names a
 * file, that must have the digest.
 *
 *     struct buf sums = {0};
 *     if (sums_read(&sums, dir, &e) < 0 || sums_check_file(&sums, "DIR/vocab.json", &e) < 0) ...
 *     buf_release(&sums);
 */
#ifndef MM_MODEL_SUMS_H
#define MM_MODEL_SUMS_H
#include "base/buf.h"
#include "base/sha256.h"

/* Empty where there is none; -1: it is there and cannot be read. */
int sums_read(struct buf *sums, const char *dir, struct err *e) MM_MUST_CHECK;
/* -1: path's line has another digest. */
int sums_check(const struct buf *sums, const char *path, const unsigned char digest[SHA256_BYTES],
               struct err *e) MM_MUST_CHECK;
/* The same of a file that is read for it, at most 64 MiB, if it has a line and is there. */
int sums_check_file(const struct buf *sums, const char *path, struct err *e) MM_MUST_CHECK;

#endif
