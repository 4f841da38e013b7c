/* SPDX-License-Identifier: MIT */
/* Keys and texts to ids: the same key the same id whatever the caches forgot, into empty tables
 * (by bulk and a lane) and into others. */
#include "base/rng.h"
#include "base/util.h"
#include "db/db.h"
#include "source/ids.h"
#include "source/lane.h"
#include "tap.h"
#include <stdlib.h>
#include <unistd.h>

enum { KEYS = 40000, ASKED = 120000 }; /* more than the caches hold */

static char path[] = "/tmp/mm-test-XXXXXX";

static int64_t ask(struct db *db, const char *sql)
{
    return db_one_int(db_use(db, sql), -1);
}

static void wait_for_lane(void *lane)
{
    lane_wait(lane);
}

/* Short ones, and some longer than the cache keeps; business keys equal some user keys. */
static void key_of(char key[200], uint64_t i)
{
    if (i % 1000)
        snprintf(key, 200, "k%llu", (unsigned long long)i);
    else
        snprintf(key, 200, "%0150llu", (unsigned long long)i);
}

static int64_t one_id(struct ids *s, int kind, const char *key, const unsigned char *digest)
{
    return kind == 0 ? ids_user(s, key) : kind == 1 ? ids_business(s, key)
           : ids_content(s, digest, strlen(key));
}

/* Each of the three kinds asked for at random; the ids of a kind are those of the first time. */
static int64_t ask_at_random(struct ids *s, int64_t (*known)[KEYS], uint64_t seed)
{
    int64_t wrong = 0;
    char key[200];
    struct rng r;
    rng_seed(&r, seed, 0);
    for (int i = 0; i < ASKED; i++) {
        uint64_t k = rng_u64(&r) % KEYS;
        int kind = (int)(rng_u64(&r) % 3);
        unsigned char digest[SHA256_BYTES];
        key_of(key, k);
        sha256_of(digest, key, strlen(key));
        int64_t id = one_id(s, kind, key, digest);
        wrong += id != one_id(s, kind, key, digest); /* that may still wait for its table */
        if (!known[kind][k])
            known[kind][k] = id;
        wrong += id <= 0 || known[kind][k] != id;
    }
    return wrong;
}

static int64_t wrong_rows(struct db *db, int64_t (*known)[KEYS])
{
    static const char *const sql[3] = {"SELECT id FROM user WHERE key = :key",
                                       "SELECT id FROM business WHERE key = :key",
                                       "SELECT id FROM content WHERE digest = :key"};
    int64_t wrong = 0;
    char key[200];
    for (int kind = 0; kind < 3; kind++)
        for (int k = 0; k < KEYS; k++) {
            sqlite3_stmt *q = db_use(db, sql[kind]);
            unsigned char digest[SHA256_BYTES];
            key_of(key, (uint64_t)k);
            sha256_of(digest, key, strlen(key));
            kind == 2 ? db_blob(q, ":key", digest, sizeof digest) : db_text(q, ":key", key);
            wrong += db_one_int(q, 0) != known[kind][k];
        }
    return wrong;
}

int main(void)
{
    static const char sql_n[] = "SELECT (SELECT count(*) FROM user) + (SELECT count(*) FROM business)\n"
                                "+ (SELECT count(*) FROM content)";
    static int64_t known[3][KEYS];
    struct err e = {""};
    close(mkstemp(path));
    unlink(path);
    struct db *db = db_open(path, DB_WRITE | DB_CREATE, &e);
    if (!ok(db != NULL, "a database %s", e.text))
        return done();
    db_begin(db);
    struct lane *lane = lane_new();
    struct ids s;
    db_share(db, wait_for_lane, lane);
    ids_begin(&s, db, lane);
    ok(!ids_maybe_met(&s, 12345) && ids_maybe_met(&s, 12345), "the second time is noticed");
    ok(ask_at_random(&s, known, 1) == 0, "into empty tables: one id a key");
    ids_flush(&s);
    ids_release(&s);
    db_share(db, NULL, NULL);
    lane_free(lane);
    int64_t rows = ask(db, sql_n);
    ok(wrong_rows(db, known) == 0, "the tables say the same, %lld rows", (long long)rows);
    ids_begin(&s, db, NULL);
    ok(ids_maybe_met(&s, 999), "into tables with rows: anything may be there");
    ok(ask_at_random(&s, known, 1) == 0 && ask(db, sql_n) == rows, "again: nothing is new");
    ok(ask_at_random(&s, known, 2) == 0 && ask(db, sql_n) > rows, "others: what is new is added");
    ok(wrong_rows(db, known) == 0, "and the tables say the same");
    ids_release(&s);
    db_rollback(db);
    db_close(db);
    unlink(path);
    return done();
}
