/* SPDX-License-Identifier: MIT */
/* Photo files of table image: found below the image folder, known by size, mtime and inode,
 * hashed when one of these differs. What is missing, outside of the folder, a fifo, a symlink
 * loop or not an image by its first bytes becomes a row with its reason, never an error.
 *
 *     struct photos_stats st = {0};
 *     photos_check(db, "photos", &touched_businesses, &st);
 */
#ifndef MM_SOURCE_PHOTOS_H
#define MM_SOURCE_PHOTOS_H
#include "base/buf.h"
#include "base/err.h"
#include "source/visible.h"

struct db;

struct photos_stats {
    int64_t ok, missing, refused, hashed, changed;
};

/* root: the image folder, or NULL for none (every photo is then missing). Inside the caller's
 * transaction; ids of businesses whose photos changed are added to touched. */
void photos_check(struct db *db, const char *root, struct idset *touched,
                  struct photos_stats *st);

/* Opens root/path for reading when it is a regular file that lies inside root after all
 * symlinks are followed. Returns the descriptor (the caller closes it), or -1 and the reason.
 * *missing is 1 when there is just no such file. */
int photos_open(const char *root, const char *path, int *missing, struct err *e);

/* The bytes of root/path into out, if they are those with this SHA-256, which mm-ingest read.
 * out is the caller's to release, also after -1. */
int photos_read(struct buf *out, const char *root, const char *path,
                const unsigned char *digest, struct err *e) MM_MUST_CHECK;

#endif
