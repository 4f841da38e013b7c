/* SPDX-License-Identifier: MIT */
/* A set of row ids, one bit each; grows as needed. A zeroed struct is empty.
 *
 *     struct idset s = {0};
 *     idset_add(&s, 7);
 *     for (int64_t id = idset_next(&s, 1); id > 0; id = idset_next(&s, id + 1))
 *         ...
 *     idset_release(&s);
 */
#ifndef MM_SOURCE_IDSET_H
#define MM_SOURCE_IDSET_H
#include <stddef.h>
#include <stdint.h>

struct idset {
    uint64_t *word;
    size_t words;
};

void idset_add(struct idset *s, int64_t id);
int idset_has(const struct idset *s, int64_t id);
/* The smallest member >= id, or -1. */
int64_t idset_next(const struct idset *s, int64_t id);
int64_t idset_count(const struct idset *s);
void idset_release(struct idset *s);

#endif
