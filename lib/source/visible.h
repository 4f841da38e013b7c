/* SPDX-License-Identifier: MIT */
/* Upkeep of table visible: who sees which reviews and photos, per fold, with the sums and the
 * set digests over them (schema.sql says what a row means).
 *
 *     struct visible_stats st = {0};
 *     visible_update(db, &rule, NULL, NULL, &st);      // every entity
 *     visible_update(db, &rule, users, businesses, &st); // only those whose bit is set
 *
 * A set digest is SHA-256 over the sorted content digests of its members (a photo adds its key),
 * so it does not depend on row ids or on the order of files. Cost: one sort of all members, or
 * of the touched entities' members; memory: the members of one entity.
 */
#ifndef MM_SOURCE_VISIBLE_H
#define MM_SOURCE_VISIBLE_H
#include <stddef.h>
#include <stdint.h>

struct db;

/* A set of row ids, one bit each; grows as needed. A zeroed struct is empty. */
struct idset {
    uint64_t *word;
    size_t words;
};

void idset_add(struct idset *s, int64_t id);
int idset_has(const struct idset *s, int64_t id);
/* The smallest member >= id, or -1. */
int64_t idset_next(const struct idset *s, int64_t id);
void idset_release(struct idset *s);

struct visible_stats {
    int64_t entities, changed; /* looked at; rows of visible written or removed */
};

/* by_time: fold k sees only folds before k (time blocks) instead of all others. users and
 * businesses NULL: every entity. Inside the caller's transaction. */
void visible_update(struct db *db, int by_time, const struct idset *users,
                    const struct idset *businesses, struct visible_stats *st);

#endif
