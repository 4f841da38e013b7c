/* SPDX-License-Identifier: MIT */
/* Large arrays in files instead of the heap: the kernel may write their pages out and drop
 * them, so memory stays bounded by what is being used.
 *
 *     struct mapped m;
 *     if (mapped_new(&m, "mm.db.d/features/x.feat", bytes, &e) < 0) ...
 *     fill(m.data);
 *     if (mapped_keep(&m, &e) < 0) ...      // now there under its name, or not at all
 *     mapped_release(&m);
 *     if (mapped_open(&m, "mm.db.d/features/x.feat", &e) < 0) ...   // read only
 *
 * Blocks of the disk are reserved before anything is written: a full disk is an error, never
 * a signal. A zeroed struct may be released.
 */
#ifndef MM_BASE_MAPPED_H
#define MM_BASE_MAPPED_H
#include "base/err.h"
#include <stddef.h>

struct mapped {
    void *data;
    size_t bytes;
    char *path, *part; /* NULL: no name; part: the name until mapped_keep */
    int fd;            /* -1 once it is not needed */
};

/* A file of zeros to be kept as path. Until then it is PATH.PID.part, and gone on release. */
int mapped_new(struct mapped *m, const char *path, size_t bytes, struct err *e) MM_MUST_CHECK;
/* One without a name in dir, gone with the process. */
int mapped_temp(struct mapped *m, const char *dir, size_t bytes, struct err *e) MM_MUST_CHECK;
/* Makes a nameless one larger; data may move, what it held stays. */
int mapped_grow(struct mapped *m, size_t bytes, struct err *e) MM_MUST_CHECK;
/* On disk, then under its name. */
int mapped_keep(struct mapped *m, struct err *e) MM_MUST_CHECK;
/* An existing file, read only. */
int mapped_open(struct mapped *m, const char *path, struct err *e) MM_MUST_CHECK;
void mapped_release(struct mapped *m);
/* Removes what killed processes left in a folder of mapped_new("...suffix"). */
void mapped_sweep(const char *folder, const char *suffix);

#endif
