/* SPDX-License-Identifier: MIT */
/* Rows by the thousand: every kind of cell comes back, on the caller's thread and on a lane's;
 * what waits is known; a lane's rows are there for whoever uses the database. */
#include "base/rng.h"
#include "base/util.h"
#include "db/db.h"
#include "source/bulk.h"
#include "source/lane.h"
#include "tap.h"
#include <stdlib.h>
#include <unistd.h>

static char path[] = "/tmp/mm-test-XXXXXX";

static int64_t ask(struct db *db, const char *sql)
{
    return db_one_int(db_use(db, sql), -1);
}

static void wait_for_lane(void *lane)
{
    lane_wait(lane);
}

static void test_cells(struct db *db)
{
    static const char sql_row[] = "SELECT a, b, c, d, e FROM cells";
    static const char sql_rows[] = "SELECT count(*) FROM cells";
    struct bulk *b = bulk_new(db, NULL, "bulk_cells", 5,
                              "INSERT OR ROLLBACK INTO cells SELECT * FROM bulk_cells");
    bulk_int(b, INT64_MIN), bulk_real(b, 0.1), bulk_text(b, "gr\xc3\xbcn", 5);
    bulk_blob(b, "\0\1\2", 3), bulk_text(b, NULL, 0);
    ok(!bulk_has(b, 7), "an unfinished row does not wait yet");
    bulk_row(b, 7);
    ok(bulk_has(b, 7) && !bulk_has(b, 8) && !bulk_has(b, 7 + 4096), "one row waits, by its hash");
    ok(ask(db, sql_rows) == 0, "and is not in the table");
    bulk_flush(b);
    ok(!bulk_has(b, 7) && ask(db, sql_rows) == 1, "after a flush it is, and no longer waits");
    bulk_flush(b);
    ok(ask(db, sql_rows) == 1, "an empty flush adds nothing");
    sqlite3_stmt *q = db_use(db, sql_row);
    db_step(q);
    ok(sqlite3_column_int64(q, 0) == INT64_MIN, "integer");
    ok(sqlite3_column_double(q, 1) == 0.1, "real");
    is(db_col_text(q, 2), "gr\xc3\xbcn", "text");
    ok(sqlite3_column_bytes(q, 3) == 3 && !memcmp(sqlite3_column_blob(q, 3), "\0\1\2", 3), "blob");
    ok(sqlite3_column_type(q, 4) == SQLITE_NULL, "no text is NULL");
    sqlite3_reset(q);
    bulk_int(b, 1), bulk_real(b, 1), bulk_text(b, "", 0), bulk_blob(b, "", 0), bulk_null(b);
    bulk_row(b, 1);
    bulk_free(b);
    ok(ask(db, sql_rows) == 1, "freed: rows that wait are lost");
}

/* Many rows, some longer than what may wait, through one lane that serves two tables. */
static void test_many(struct db *db, struct lane *lane, const char *how)
{
    static const char sql_sum[] = "SELECT sum(n * (length(t) + 1)) FROM many";
    static const char sql_odd[] = "SELECT sum(n) FROM odd";
    static const char sql_order[] = "SELECT count(*) FROM many a JOIN many b ON b.rowid = a.rowid + 1\n"
                                    "WHERE b.n <> a.n + 1";
    static const char sql_one[] = "SELECT count(*) FROM many WHERE n = :n";
    enum { ROWS = 20000 };
    struct bulk *m = bulk_new(db, lane, "bulk_many", 2,
                              "INSERT OR ROLLBACK INTO many (n, t) SELECT * FROM bulk_many");
    struct bulk *o = bulk_new(db, lane, "bulk_odd", 1,
                              "INSERT OR ROLLBACK INTO odd (n) SELECT * FROM bulk_odd");
    char *text = xmalloc(300000);
    int64_t want = 0, odd = 0, unseen = 0;
    memset(text, 'x', 300000);
    for (int64_t i = 0; i < ROWS; i++) {
        size_t n = i % 5000 == 4999 ? 300000 : (size_t)(rng_mix((uint64_t)i) % 90);
        bulk_int(m, i), bulk_text(m, text, n);
        bulk_row(m, rng_mix((uint64_t)i));
        want += i * ((int64_t)n + 1);
        if (i % 2) {
            bulk_int(o, i), bulk_row(o, (uint64_t)i);
            odd += i;
        }
        if (i % 97)
            continue;
        int64_t back = (int64_t)(rng_mix(~(uint64_t)i) % (uint64_t)(i + 1)); /* any row so far */
        if (bulk_has(m, rng_mix((uint64_t)back)))
            bulk_flush(m);
        sqlite3_stmt *q = db_use(db, sql_one);
        db_int(q, ":n", back);
        unseen += db_one_int(q, 0) != 1;
    }
    bulk_flush(m);
    bulk_flush(o);
    ok(unseen == 0, "%s: what does not wait can be looked up (%lld were not)", how,
       (long long)unseen);
    ok(ask(db, sql_sum) == want, "%s: %d rows with their texts", how, ROWS);
    ok(ask(db, sql_order) == 0, "%s: in their order", how);
    ok(ask(db, sql_odd) == odd, "%s: the other table, too", how);
    bulk_free(m);
    bulk_free(o);
    free(text);
    db_exec(db, "DELETE FROM many; DELETE FROM odd");
}

static void count(void *ctx)
{
    usleep(1000);
    ++*(int *)ctx;
}

static void test_lane(void)
{
    int n = 0;
    struct lane *l = lane_new();
    lane_wait(l);
    ok(n == 0, "an idle lane is not waited for");
    for (int i = 0; i < 20; i++)
        lane_run(l, count, &n);
    lane_wait(l);
    ok(n == 20, "jobs run one after the other");
    lane_run(l, count, &n);
    lane_free(l);
    ok(n == 21, "the last job ends before its lane");
    lane_free(NULL);
}

int main(void)
{
    struct err e = {""};
    close(mkstemp(path));
    unlink(path);
    struct db *db = db_open(path, DB_WRITE | DB_CREATE, &e);
    if (!ok(db != NULL, "a database %s", e.text))
        return done();
    db_begin(db);
    db_exec(db, "CREATE TABLE cells (a INTEGER, b REAL, c TEXT, d BLOB, e TEXT) STRICT;"
                "CREATE TABLE many (n INTEGER PRIMARY KEY, t TEXT); CREATE TABLE odd (n INTEGER)");
    test_cells(db);
    test_many(db, NULL, "one thread");
    struct lane *lane = lane_new();
    db_share(db, wait_for_lane, lane);
    test_many(db, lane, "a lane");
    db_share(db, NULL, NULL);
    lane_free(lane);
    test_lane();
    db_rollback(db);
    db_close(db);
    unlink(path);
    return done();
}
