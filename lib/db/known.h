/* SPDX-License-Identifier: MIT */
/* Are the files that were ingested still the ones on disk? Known by path, size, mtime and
 * inode; hashed again only when one of these differs, and remembered when the bytes do not.
 *
 *     struct buf why = {0};
 *     if (known_changed(db, &why)) printf("ingest is stale: %s\n", why.data);
 */
#ifndef MM_DB_KNOWN_H
#define MM_DB_KNOWN_H
#include "base/buf.h"

struct db;

/* 1 and a reason when a file of table source is gone, unreadable or has other bytes, or when
 * the INPUT folder lists other names than before or the image folder changed; else 0. Rows
 * whose file was only touched
 * get the new mtime and inode when `write` is 1 (own transaction). */
int known_changed(struct db *db, int write, struct buf *why);

/* Names and sizes of the directory's entries as one hex digest (sorted), into out; "" when it
 * is no directory. */
void known_listing(struct buf *out, const char *path);
/* The time of last change of a file or folder, as text; "" when there is none. */
void known_mtime(struct buf *out, const char *path);

#endif
