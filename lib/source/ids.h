/* SPDX-License-Identifier: MIT */
/* Keys of users and businesses, and texts, to the ids of their rows; what is new gets a row.
 *
 *     struct ids s;
 *     ids_begin(&s, db, NULL);
 *     int64_t user = ids_user(&s, "u7");
 *     ids_flush(&s);                        // before others read the tables
 *     ids_release(&s);
 *
 * Direct-mapped caches spare most look-ups. Into empty tables (fresh) ids are counted here, a
 * Bloom filter tells what is certainly new and needs no look-up, and rows go in by bulk.h.
 */
#ifndef MM_SOURCE_IDS_H
#define MM_SOURCE_IDS_H
#include "base/bloom.h"
#include "base/sha256.h"
#include <stddef.h>
#include <stdint.h>

struct db;
struct bulk;
struct lane;

struct ids {
    struct db *db;
    int fresh;
    struct bloom met; /* fresh: whatever was met */
    struct ids_name *names;
    struct ids_text *texts;
    struct bulk *bulk[3]; /* fresh: users, businesses, contents that wait; else NULL */
    int64_t last[3];      /* fresh: ids given */
};

/* lane: the tables are empty, and it does the inserting; NULL: they are not. */
void ids_begin(struct ids *s, struct db *db, struct lane *lane);
void ids_flush(struct ids *s);
void ids_release(struct ids *s); /* a zeroed struct is accepted */

int64_t ids_user(struct ids *s, const char *key);
int64_t ids_business(struct ids *s, const char *key);
/* digest: of the text, which has that many bytes. */
int64_t ids_content(struct ids *s, const unsigned char digest[SHA256_BYTES], size_t bytes);

uint64_t ids_hash(uint64_t h, const char *text);
/* 0: a thing of that well-mixed hash is certainly not in the tables yet. */
int ids_maybe_met(struct ids *s, uint64_t hash);

#endif
