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
#include "source/idset.h"
#include <stdint.h>

struct db;
struct lane;

enum { VISIBLE_TO_ALL = -1, VISIBLE_TO_NONE = -2 }; /* instead of a fold */

struct visible_stats {
    int64_t entities, changed; /* looked at; rows of visible written or removed */
};

/* by_time: fold k sees only folds before k (time blocks) instead of all others. users and
 * businesses NULL: every entity. Inside the caller's transaction. */
void visible_update(struct db *db, int by_time, const struct idset *users,
                    const struct idset *businesses, struct visible_stats *st);

/* What is met while empty tables are filled, so that it need not be read back: one record a
 * review and entity, sorted in 4 MiB and a temporary file (spool.h). */
struct visible_feed;

struct visible_review {
    int64_t user, business;
    const unsigned char *digest; /* of its text; NULL: none */
    double rating;
    int fold, labelled, positive; /* fold: or one of the two above */
};

struct visible_feed *visible_feed_new(void);
void visible_feed_free(struct visible_feed *f); /* NULL is accepted */
void visible_feed_add(struct visible_feed *f, const struct visible_review *r);
/* visible_update(db, 0, NULL, NULL, st) into the empty table: users and businesses are those
 * that are no longer what the feed says (changed since, or with photos). Empties the feed. */
void visible_update_fed(struct db *db, struct lane *lane, struct visible_feed *f,
                        const struct idset *users, const struct idset *businesses,
                        struct visible_stats *st);

#endif
