/* SPDX-License-Identifier: MIT */
/* The JSON that says which file holds which tensor, checked as text; whether the files hold
 * them is shards.c's to check. The rules are in nn/shards.h.
 *
 *     struct shards_index x = {0};
 *     if (shards_index_read(&x, "models/y/model.safetensors.index.json", &e) == 0)
 *         ... x.at[0 .. x.count), by file, in one file by tensor ...
 *     shards_index_release(&x);                                 // on error too
 */
#ifndef MM_NN_SHARDS_INDEX_H
#define MM_NN_SHARDS_INDEX_H
#include "base/buf.h"

struct shards_name {
    const char *tensor; /* 1 to 1024 bytes */
    const char *file;   /* a bare name of 1 to 255 bytes */
};

struct shards_index {
    struct buf text; /* names are decoded in place and point into it */
    struct shards_name *at; /* [count] */
    size_t count, cap;
};

/* At least one name, none twice. */
int shards_index_read(struct shards_index *x, const char *path, struct err *e) MM_MUST_CHECK;
void shards_index_release(struct shards_index *x);

#endif
