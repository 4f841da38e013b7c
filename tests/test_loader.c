/* SPDX-License-Identifier: MIT */
/* Visible sets of a first reading, which come from what was met while loading, equal those
 * that are read back from the tables; reading again changes nothing. */
#include "base/buf.h"
#include "base/rng.h"
#include "base/util.h"
#include "db/db.h"
#include "source/loader.h"
#include "tap.h"
#include <stdlib.h>
#include <unistd.h>

static char path[] = "/tmp/mm-test-XXXXXX";

static void put(struct loader *l, uint64_t user, uint64_t business, uint64_t text, int labelled,
                const char *split)
{
    static int64_t line;
    char user_key[32], business_key[32], words[32];
    unsigned char digest[SHA256_BYTES];
    struct err e;
    snprintf(user_key, sizeof user_key, "u%d", (int)user);
    snprintf(business_key, sizeof business_key, "b%d", (int)business);
    snprintf(words, sizeof words, "text %d", (int)text);
    sha256_of(digest, words, strlen(words));
    struct source_record r = {.what = SOURCE_REVIEW, .line = ++line, .user_key = user_key,
                              .business_key = business_key, .text = text ? words : "",
                              .text_bytes = text ? strlen(words) : 0, .labelled = labelled,
                              .has_rating = labelled || text % 2,
                              .rating = 1 + (double)((user * 7 + text) % 41) / 10, .split = split};
    if (loader_record(l, &r, text ? digest : NULL, &e) < 0)
        return; /* the same labelled review again: a reject */
}

/* 1,500 reviews of 300 users and 100 businesses, some without a text, some twice. The first
 * `mixed` users also have a label beside an unlabelled review, in both orders. */
static void load(struct loader *l, struct db *db, const struct loader_rule *rule, int mixed)
{
    static const char *const splits[] = {"train", "train", "train", "val", "test"};
    struct rng r;
    rng_seed(&r, 5, 0);
    loader_begin(l, db, rule);
    loader_source(l, 1);
    for (int i = 0; i < 1500; i++) {
        uint64_t u = rng_u64(&r) % 300, b = rng_u64(&r) % 100, t = rng_u64(&r) % 40;
        int labelled = u % 2 == 0;
        put(l, u, b, t, labelled, labelled ? splits[t % 5] : NULL);
    }
    for (int i = 0; i < mixed; i++) {
        uint64_t u = (uint64_t)i, b = 100 + u % 3, t = 1000 + u;
        put(l, u, b, t, i % 2, i % 2 ? splits[t % 5] : NULL);
        put(l, u, b, t + i % 3 / 2, (i + 1) % 2, (i + 1) % 2 ? splits[t % 5] : NULL);
    }
    loader_end(l);
}

static void sets_of(struct buf *out, struct db *db)
{
    static const char sql_sets[] =
        "SELECT kind || entity_id || ' ' || fold || ' ' || n_text || ' ' || n_labelled || ' ' ||\n"
        "n_positive || ' ' || printf('%.17g', rating_sum) || ' ' || hex(text_digest) || ' ' ||\n"
        "n_photo || ' ' || hex(photo_digest) FROM visible ORDER BY kind, entity_id, fold";
    sqlite3_stmt *q = db_use(db, sql_sets);
    buf_clear(out);
    while (db_step(q))
        buf_addf(out, "%s\n", db_col_text(q, 0));
}

static void first_reading(int mixed, enum split_unit unit)
{
    static const char sql_moved[] =
        "SELECT count(*) FROM review WHERE labelled = 0 AND split <> 'none'";
    static const char sql_reviews[] = "SELECT count(*) FROM review";
    struct loader_rule rule = {.provided = unit != UNIT_TIME, .unit = unit, .seed = 1, .folds = 5,
                               .positive = 4};
    struct visible_stats st = {0};
    struct err e = {""};
    struct buf fed = {0}, read = {0};
    struct loader l;
    unlink(path);
    struct db *db = db_open(path, DB_WRITE | DB_CREATE, &e);
    if (!ok(db != NULL, "a database %s", e.text))
        return;
    db_exec(db, "PRAGMA foreign_keys = OFF");
    db_begin(db);
    load(&l, db, &rule, mixed);
    loader_visible(&l, &st);
    int fresh = l.fresh;
    loader_release(&l);
    sets_of(&fed, db);
    db_exec(db, "DELETE FROM visible");
    visible_update(db, unit == UNIT_TIME, NULL, NULL, &st);
    sets_of(&read, db);
    ok(fresh && fed.len > 20000, "a first reading, %zu bytes of sets", fed.len);
    int64_t moved = db_one_int(db_use(db, sql_moved), -1);
    ok(mixed ? moved > mixed / 4 : moved == 0, "%d users with both: %lld reviews hidden", mixed,
       (long long)moved);
    ok(fed.len == read.len && !memcmp(fed.data, read.data, fed.len),
       "sets met while loading equal sets read back");
    int64_t before = db_one_int(db_use(db, sql_reviews), -1);
    load(&l, db, &rule, mixed);
    loader_visible(&l, &st);
    ok(!l.fresh && l.added == 0 && l.removed == 0 &&
       db_one_int(db_use(db, sql_reviews), -1) == before, "a second reading adds nothing");
    loader_release(&l);
    sets_of(&read, db);
    ok(fed.len == read.len && !memcmp(fed.data, read.data, fed.len), "and leaves the sets");
    buf_release(&fed);
    buf_release(&read);
    db_rollback(db);
    db_close(db);
}

int main(void)
{
    close(mkstemp(path));
    first_reading(0, UNIT_USER);
    first_reading(12, UNIT_USER);  /* touched sets are done one by one */
    first_reading(280, UNIT_PAIR); /* too many for that */
    first_reading(12, UNIT_TIME);  /* splits come last: nothing is fed */
    unlink(path);
    return done();
}
