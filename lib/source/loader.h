/* SPDX-License-Identifier: MIT */
/* Records into tables, so that reading the same files again changes nothing, a changed review
 * replaces the old one, and one that left its source is removed.
 *
 *     struct loader l;
 *     loader_begin(&l, db, &rule);               // in a transaction without foreign keys
 *     loader_source(&l, source_id);
 *     loader_record(&l, &record, digest, &e);    // as often as there are records
 *     loader_end(&l);                            // merges, removals, splits by time
 *
 * Matching (user u, business b, time t, content c): a review with the same (u, b, t, c) is
 * the same review; else, if the source numbers its reviews, the one with the same key; else
 * the next unmatched one of (u, b, t), whose text or rating then changed. An unlabelled
 * review equal to a labelled one merges into it. Split and fold are hashes of keys and the
 * seed, so an edit or an appended file moves nobody.
 * Memory: one bit a row, whatever the size of the files.
 *
 * Into empty tables (fresh) little has to be compared: a Bloom filter and a cache tell what is
 * certainly new or certainly known, rows go in by the thousand (bulk.h), and indices are built
 * by sorting at the end.
 */
#ifndef MM_SOURCE_LOADER_H
#define MM_SOURCE_LOADER_H
#include "source/ids.h"
#include "source/source.h"
#include "source/visible.h"
#include <stdint.h>

struct db;

enum split_unit { UNIT_PAIR, UNIT_USER, UNIT_TIME }; /* what is never torn apart */

struct loader_rule {
    int provided;         /* the records name their split */
    enum split_unit unit; /* of the random split and of the folds */
    uint64_t seed;
    int folds;
    double positive;      /* stars from which a review is positive */
};

struct loader {
    struct db *db;
    struct loader_rule rule;
    int64_t source_id;
    int fresh; /* the tables were empty: nothing has to be compared or removed */
    struct lane *lane; /* fresh: the thread that inserts; else NULL */
    struct ids ids;
    struct bulk *bulk_review;   /* fresh: rows that wait for the table; else NULL */
    struct bulk *bulk_image;    /* fresh: photos are only appended; indices come later */
    struct loader_met *met;     /* fresh: reviews met lately */
    int64_t last_review;        /* fresh: ids given */
    struct visible_feed *feed;  /* fresh, unless splits come later: for the visible sets */
    struct idset seen_reviews, seen_images, seen_businesses;
    struct idset users, businesses; /* touched: their visible sets must be looked at */
    struct idset mixed; /* fresh: users with labelled and unlabelled reviews of a business */
    int64_t added, changed, removed, merged, image_changes;
    int64_t merged_here; /* since loader_source */
};

void loader_begin(struct loader *l, struct db *db, const struct loader_rule *rule);
void loader_source(struct loader *l, int64_t source_id);
/* digest: of the text, NULL without one. -1 with e: the record cannot be used and belongs into
 * table reject. */
int loader_record(struct loader *l, const struct source_record *r, const unsigned char *digest,
                  struct err *e) MM_MUST_CHECK;
void loader_end(struct loader *l);
/* Brings table visible up to date, after photos changed what they change. */
void loader_visible(struct loader *l, struct visible_stats *st);
void loader_release(struct loader *l);

#endif
