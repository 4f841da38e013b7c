/* SPDX-License-Identifier: MIT */
#include "source/ids.h"
#include "base/rng.h"
#include "base/util.h"
#include "db/db.h"
#include "source/bulk.h"
#include <stdlib.h>
#include <string.h>

#define NAMES 16384 /* slots of the caches */
#define TEXTS 8192
#define WAYS 4 /* slots that a thing may have; the newest comes first */
#define LOG2_MET 25 /* 4 MiB */

enum { USER, BUSINESS, CONTENT };

struct ids_name {
    int64_t id; /* 0: an empty slot */
    unsigned char kind, bytes;
    char key[54]; /* longer keys are looked up every time */
};

struct ids_text {
    unsigned char digest[SHA256_BYTES];
    int64_t id;
};

uint64_t ids_hash(uint64_t h, const char *s)
{
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * UINT64_C(0x100000001b3); /* FNV-1a */
    return rng_mix(h);
}

int ids_maybe_met(struct ids *s, uint64_t hash)
{
    return !s->fresh || bloom_add(&s->met, hash);
}

static int64_t look_up(struct ids *s, int kind, const char *key, uint64_t hash)
{
    static const char *const sql_find[] = {"SELECT id FROM user WHERE key = :key",
                                           "SELECT id FROM business WHERE key = :key"};
    if (!ids_maybe_met(s, hash))
        return 0;
    if (s->bulk[kind] && bulk_has(s->bulk[kind], hash))
        bulk_flush(s->bulk[kind]);
    sqlite3_stmt *q = db_use(s->db, sql_find[kind]);
    db_text(q, ":key", key);
    return db_one_int(q, 0);
}

static int64_t add(struct ids *s, int kind, const char *key, size_t bytes, uint64_t hash)
{
    static const char *const sql_add[] = {"INSERT INTO user (key) VALUES (:key)",
                                          "INSERT INTO business (key) VALUES (:key)"};
    if (s->bulk[kind]) {
        bulk_int(s->bulk[kind], ++s->last[kind]);
        bulk_text(s->bulk[kind], key, bytes);
        bulk_row(s->bulk[kind], hash);
        return s->last[kind];
    }
    sqlite3_stmt *q = db_use(s->db, sql_add[kind]);
    db_text(q, ":key", key);
    db_run(q);
    return db_last_id(s->db);
}

static int64_t find_or_add(struct ids *s, int kind, const char *key)
{
    uint64_t hash = ids_hash((uint64_t)kind, key);
    size_t bytes = strlen(key);
    struct ids_name *slot = &s->names[hash % (NAMES / WAYS) * WAYS];
    for (int i = 0; i < WAYS && slot[i].id; i++)
        if (slot[i].kind == kind && slot[i].bytes == bytes &&
            memcmp(slot[i].key, key, bytes) == 0)
            return slot[i].id;
    int64_t id = look_up(s, kind, key, hash);
    if (!id)
        id = add(s, kind, key, bytes, hash);
    if (bytes <= sizeof slot->key) {
        memmove(slot + 1, slot, (WAYS - 1) * sizeof *slot);
        slot->id = id;
        slot->kind = (unsigned char)kind;
        slot->bytes = (unsigned char)bytes;
        memcpy(slot->key, key, bytes);
    }
    return id;
}

int64_t ids_user(struct ids *s, const char *key)
{
    return find_or_add(s, USER, key);
}

int64_t ids_business(struct ids *s, const char *key)
{
    return find_or_add(s, BUSINESS, key);
}

static int64_t find_content(struct ids *s, const unsigned char *digest, uint64_t hash,
                            int64_t bytes)
{
    static const char sql_find[] = "SELECT id FROM content WHERE digest = :digest";
    struct bulk *b = s->bulk[CONTENT];
    if (!b)
        return db_content(s->db, digest, bytes);
    if (ids_maybe_met(s, hash)) {
        if (bulk_has(b, hash))
            bulk_flush(b);
        sqlite3_stmt *q = db_use(s->db, sql_find);
        db_blob(q, ":digest", digest, SHA256_BYTES);
        int64_t id = db_one_int(q, 0);
        if (id)
            return id;
    }
    bulk_int(b, ++s->last[CONTENT]);
    bulk_blob(b, digest, SHA256_BYTES);
    bulk_int(b, bytes);
    bulk_row(b, hash);
    return s->last[CONTENT];
}

int64_t ids_content(struct ids *s, const unsigned char digest[SHA256_BYTES], size_t bytes)
{
    uint64_t hash;
    memcpy(&hash, digest, sizeof hash);
    struct ids_text *slot = &s->texts[hash % (TEXTS / WAYS) * WAYS];
    for (int i = 0; i < WAYS && slot[i].id; i++)
        if (memcmp(slot[i].digest, digest, SHA256_BYTES) == 0)
            return slot[i].id;
    int64_t id = find_content(s, digest, hash, (int64_t)bytes);
    memmove(slot + 1, slot, (WAYS - 1) * sizeof *slot);
    slot->id = id;
    memcpy(slot->digest, digest, SHA256_BYTES);
    return slot->id;
}

/* ---- begin and end ---- */

void ids_begin(struct ids *s, struct db *db, struct lane *lane)
{
    *s = (struct ids){.db = db, .fresh = lane != NULL};
    s->names = xcalloc(NAMES, sizeof *s->names);
    s->texts = xcalloc(TEXTS, sizeof *s->texts);
    if (!lane)
        return;
    bloom_init(&s->met, LOG2_MET);
    s->bulk[USER] = bulk_new(db, lane, "bulk_user", 2,
        "INSERT OR ROLLBACK INTO user (id, key) SELECT * FROM bulk_user");
    s->bulk[BUSINESS] = bulk_new(db, lane, "bulk_business", 2,
        "INSERT OR ROLLBACK INTO business (id, key) SELECT * FROM bulk_business");
    s->bulk[CONTENT] = bulk_new(db, lane, "bulk_content", 3,
        "INSERT OR ROLLBACK INTO content (id, digest, bytes) SELECT * FROM bulk_content");
}

void ids_flush(struct ids *s)
{
    for (int i = 0; i < 3; i++)
        if (s->bulk[i])
            bulk_flush(s->bulk[i]);
}

void ids_release(struct ids *s)
{
    for (int i = 0; i < 3; i++)
        bulk_free(s->bulk[i]);
    free(s->names);
    free(s->texts);
    bloom_release(&s->met);
    *s = (struct ids){0};
}
