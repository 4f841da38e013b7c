/* SPDX-License-Identifier: MIT */
/* A small database for C tests: reviews drawn from a seed, put in in any order, with their
 * visible sets made by lib/source/visible.h. The same spec with another order is the same data
 * under other row ids.
 *
 *     struct small_spec s = {.users = 20, .businesses = 8, .rows = 300, .folds = 4, .seed = 1};
 *     struct db *db = small_open("a.db");
 *     small_fill(db, &s);
 *     return small_end();
 */
#ifndef SMALL_DB_H
#define SMALL_DB_H
#include "base/rng.h"
#include "base/sha256.h"
#include "base/util.h"
#include "db/db.h"
#include "source/visible.h"
#include "tap.h"
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))

static char small_dir[] = "/tmp/mm-test-XXXXXX";

UNUSED static char *small_path(const char *name)
{
    return xasprintf("%s/%s", small_dir, name);
}

UNUSED static struct db *small_open(const char *name)
{
    struct err e;
    if (strstr(small_dir, "XXXXXX") && !mkdtemp(small_dir))
        die("%s", small_dir);
    char *path = small_path(name);
    struct db *db = db_open(path, DB_WRITE | DB_CREATE, &e);
    if (!db)
        die("%s", e.text);
    free(path);
    db_exec(db, "PRAGMA synchronous = OFF");
    return db;
}

/* Removes everything; main's result. */
UNUSED static int small_end(void)
{
    char *rm = xasprintf("rm -rf %s", small_dir);
    if (system(rm) != 0)
        die("%s", rm);
    free(rm);
    return done();
}

MM_PRINTF(2, 3) UNUSED static void small_sql(struct db *db, const char *fmt, ...)
{
    va_list ap;
    char *sql;
    va_start(ap, fmt);
    if (vasprintf(&sql, fmt, ap) < 0)
        die("no memory");
    va_end(ap);
    db_exec(db, sql);
    free(sql);
}

/* First column of the first row; NaN: NULL or no row. */
MM_PRINTF(2, 3) UNUSED static double small_get(struct db *db, const char *fmt, ...)
{
    va_list ap;
    char *sql;
    sqlite3_stmt *q;
    double v = NAN;
    va_start(ap, fmt);
    if (vasprintf(&sql, fmt, ap) < 0)
        die("no memory");
    va_end(ap);
    if (sqlite3_prepare_v2(db_handle(db), sql, -1, &q, NULL) != SQLITE_OK)
        die("%s: %s", sql, sqlite3_errmsg(db_handle(db)));
    if (sqlite3_step(q) == SQLITE_ROW && sqlite3_column_type(q, 0) != SQLITE_NULL)
        v = sqlite3_column_double(q, 0);
    sqlite3_finalize(q);
    free(sql);
    return v;
}

struct small_spec {
    int users, businesses, rows, folds;
    uint64_t seed;
    int order;   /* of insertion: 0 as drawn, else shuffled by it */
    int by_time; /* folds are blocks of time */
    int photos;  /* of each business, every other one of a review */
};

/* What row i is depends on the spec's seed and i alone. */
struct small_row {
    int user, business, at, rating, fold, text, labelled;
    const char *split;
};

UNUSED static struct small_row small_row(const struct small_spec *s, int i)
{
    struct rng g;
    struct small_row r = {.at = i, .labelled = 1, .split = "train"};
    rng_seed(&g, s->seed, (uint64_t)i);
    r.user = (int)rng_below(&g, (uint32_t)s->users);
    r.business = (int)rng_below(&g, (uint32_t)s->businesses);
    r.rating = 1 + (int)(5 * sqrtf(rng_uniform(&g)));
    r.fold = s->by_time ? i * s->folds / s->rows : (int)rng_below(&g, (uint32_t)s->folds);
    r.text = rng_uniform(&g) < 0.8f ? 1 + (int)rng_below(&g, 1000000) : 0;
    int lot = (int)rng_below(&g, 20);
    if (lot == 0)
        r.labelled = 0, r.split = "none";
    else if (lot < 5)
        r.split = lot < 3 ? "val" : "test";
    return r;
}

UNUSED static int64_t small_content(struct db *db, const char *kind, int id)
{
    unsigned char digest[32];
    char text[40];
    int n = snprintf(text, sizeof text, "%s %d", kind, id);
    sha256_of(digest, text, (size_t)n);
    return db_content(db, digest, n);
}

/* Eight rows share a time: those of one user and business are told apart by nth, which is
 * given in order of arrival. */
UNUSED static void small_put(struct db *db, const struct small_spec *s, int i, int64_t id)
{
    struct small_row r = small_row(s, i);
    char content[24] = "NULL", fold[24] = "NULL", positive[8] = "NULL";
    int at = r.at / 8 + 1;
    if (r.text)
        snprintf(content, sizeof content, "%lld", (long long)small_content(db, "text", r.text));
    if (strcmp(r.split, "train") == 0)
        snprintf(fold, sizeof fold, "%d", r.fold);
    if (r.labelled)
        snprintf(positive, sizeof positive, "%d", r.rating >= 4);
    small_sql(db, "INSERT INTO review (id, user_id, business_id, at, nth, labelled, rating,\n"
                  "positive, split, fold, content_id, source_id, line)\n"
                  "SELECT %lld, u.id, b.id, %d, (SELECT count(*) FROM review r WHERE\n"
                  "r.user_id = u.id AND r.business_id = b.id AND r.at = %d), %d, %d, %s, '%s',\n"
                  "%s, %s, 1, %d FROM user u, business b\n"
                  "WHERE u.key = 'u%03d' AND b.key = 'b%03d'",
              (long long)id, at, at, r.labelled, r.rating, positive, r.split, fold, content,
              i + 1, r.user, r.business);
}

UNUSED static void small_put_photos(struct db *db, const struct small_spec *s)
{
    for (int b = 0; b < s->businesses; b++)
        for (int k = 0; k < s->photos; k++)
            small_sql(db, "INSERT INTO image (key, business_id, review_id, state, content_id)\n"
                          "SELECT 'p%03d-%d', b.id, CASE WHEN %d THEN (SELECT r.id FROM review r\n"
                          "WHERE r.business_id = b.id ORDER BY r.line LIMIT 1 OFFSET %d) END,\n"
                          "'ok', %lld FROM business b WHERE b.key = 'b%03d'", b, k, k % 2, k,
                      (long long)small_content(db, "photo", b * 100 + k), b);
}

UNUSED static void small_see(struct db *db, int by_time)
{
    struct visible_stats st = {0};
    db_begin(db);
    visible_update(db, by_time, NULL, NULL, &st);
    db_commit(db);
}

UNUSED static void small_fill(struct db *db, const struct small_spec *s)
{
    struct rng g;
    int n = s->rows > s->users ? s->rows : s->users, *order = xcalloc((size_t)n, sizeof *order);
    rng_seed(&g, (uint64_t)s->order, 99);
    db_begin(db);
    for (int t = 0; t < 2; t++) {
        int of = t ? s->businesses : s->users;
        for (int i = 0; i < of; i++)
            order[i] = i;
        if (s->order)
            rng_shuffle(&g, order, (size_t)of);
        for (int i = 0; i < of; i++)
            small_sql(db, "INSERT INTO %s (key) VALUES ('%c%03d')", t ? "business" : "user",
                      t ? 'b' : 'u', order[i]);
    }
    for (int i = 0; i < s->rows; i++)
        order[i] = i;
    if (s->order)
        rng_shuffle(&g, order, (size_t)s->rows);
    for (int i = 0; i < s->rows; i++)
        small_put(db, s, order[i], i * 3 + 1);
    small_put_photos(db, s);
    if (s->by_time)
        db_set_setting(db, "split_by_time", "1");
    db_commit(db);
    small_see(db, s->by_time);
    free(order);
}

#endif
