/* SPDX-License-Identifier: MIT */
/* Runs of a copy come home: as they were, under other row ids, the first of two wins. */
#include "small_db.h"
#include "train/merge.h"

/* A run of its own experiment, with rows in all tables. Its numbers follow from `value`. */
static void put_run(struct db *db, const char *model, int seed, int identity, double value,
                    const char *state, int stale)
{
    small_sql(db, "INSERT OR IGNORE INTO model (name, kind, dense, sparse, blocks)\n"
                  "VALUES ('%s', 'dlrm', '', 0, 'b-%s');"
                  "INSERT OR IGNORE INTO block (name, inputs) VALUES ('b-%s', 'photos');"
                  "INSERT OR IGNORE INTO experiment (model, seed, decay) VALUES ('%s', %d, 0.1)",
              model, model, model, model, seed);
    small_sql(db, "INSERT INTO run (experiment_id, identity, feature_digest, state, reason,\n"
                  "stale, best_epoch, epochs, threshold, degenerate, seconds, backend)\n"
                  "SELECT id, CAST(format('%%032d', %d) AS BLOB), x'01', '%s', 'r', %d, 3, 5, %g,\n"
                  "1, 2.5, 'lib' FROM experiment WHERE model = '%s' AND seed = %d", identity, state, stale,
              value, model, seed);
    int64_t id = db_last_id(db);
    small_sql(db, "INSERT INTO epoch SELECT %lld, value, %g + value, 2, 3, 4, 5, 6, NULL\n"
                  "FROM json_each('[1,2,3]');"
                  "INSERT INTO metric VALUES (%lld, 'val', 'auc', %g), (%lld, 'test', 'fpr', NULL);"
                  "INSERT INTO reliability VALUES (%lld, 'test', 4, 7, %g, 0.5);"
                  "INSERT INTO prediction SELECT %lld, id, %g + id / 1e6 FROM review\n"
                  "WHERE split IN ('val', 'test')", (long long)id, value, (long long)id, value,
              (long long)id, (long long)id, value, (long long)id, value);
}

/* Everything of the run but the ids of run and experiment. */
static char *content(struct db *db, int identity)
{
    static const char sql_all[] =
        "WITH r AS (SELECT * FROM run WHERE identity = CAST(format('%032d', :i) AS BLOB))\n"
        "SELECT (SELECT json_array(hex(identity), hex(feature_digest), state, reason, stale,\n"
        "best_epoch, epochs, threshold, degenerate, seconds, backend, model, weighting, dropout,\n"
        "seed, lr, batch, protocol, asked_by, stopping, decay) FROM r JOIN experiment x\n"
        "ON x.id = r.experiment_id) || (SELECT group_concat(json_array(epoch, train_loss,\n"
        "val_loss, val_fpr, val_accuracy, val_auc, train_fpr, train_accuracy)) FROM epoch\n"
        "WHERE run_id = (SELECT id FROM r)) || (SELECT group_concat(json_array(split, name,\n"
        "value)) FROM metric WHERE run_id = (SELECT id FROM r)) || (SELECT\n"
        "group_concat(json_array(split, bin, n, p, positive)) FROM reliability\n"
        "WHERE run_id = (SELECT id FROM r)) || (SELECT group_concat(review_id || '|' || p)\n"
        "FROM prediction WHERE run_id = (SELECT id FROM r))";
    sqlite3_stmt *q = db_use(db, sql_all);
    db_int(q, ":i", identity);
    char *s = xstrdup(db_step(q) ? db_col_text(q, 0) : "");
    sqlite3_reset(q);
    return s;
}

static struct db *copy(struct db *db, const char *name)
{
    struct err e;
    char *path = small_path(name);
    small_sql(db, "VACUUM INTO '%s'", path);
    struct db *c = db_open(path, DB_WRITE, &e);
    if (!c)
        die("%s", e.text);
    free(path);
    return c;
}

enum { BOTH = 1, MINE, FAR, FAR_FAILED, FAR_STALE };

static void test_round_trip(struct db *db, struct db *far)
{
    struct merge m = {0};
    struct err e = {""};
    char *part = small_path("part.db"), *want = content(far, FAR);
    char *failed = content(far, FAR_FAILED);
    char *mine = content(db, BOTH), *theirs = content(far, BOTH);
    ok(merge_part(far, part, &e) == 0, "a part is written %s", e.text);
    ok(merge_part(far, part, &e) < 0 && strstr(e.text, "there already"), "once: %s", e.text);
    int before = sqlite3_total_changes(db_handle(db));
    ok(merge_from(&m, db, part, 1, &e) == 0 && m.runs == 2 && m.known == 1,
       "plan: 2 to take, 1 known");
    ok(sqlite3_total_changes(db_handle(db)) == before, "and nothing is written");
    memset(&m, 0, sizeof m);
    ok(merge_from(&m, db, part, 0, &e) == 0 && m.runs == 2 && m.known == 1, "taken %s", e.text);
    char *got = content(db, FAR), *got_failed = content(db, FAR_FAILED);
    is(got, want, "a run, its experiment, curves, metrics and predictions are as they were");
    is(got_failed, failed, "one that failed too");
    ok(strlen(want) > 400, "which are %zu bytes", strlen(want));
    free(got);
    got = content(db, FAR_STALE);
    is(got, "", "a stale one is not taken");
    free(got);
    got = content(db, BOTH);
    ok(strcmp(mine, theirs) != 0 && strcmp(got, mine) == 0, "the first wins");
    int64_t rows = (int64_t)small_get(db, "SELECT count(*) FROM review WHERE split IN\n"
                                          "('val', 'test')");
    ok(m.predictions == rows && m.differ == 1, "%lld predictions compared, 1 differs",
       (long long)m.predictions);
    near(m.largest, 0.25, 1e-9, "by so much");
    ok(small_get(db, "SELECT count(*) FROM model WHERE name = 'new' AND blocks = 'b-new'") == 1 &&
       small_get(db, "SELECT count(*) FROM block WHERE name = 'b-new'") == 1,
       "its model and block come along");
    ok(small_get(db, "SELECT count(*) FROM pragma_foreign_key_check") == 0 &&
       small_get(db, "SELECT count(*) FROM run") == 4, "four runs");
    memset(&m, 0, sizeof m);
    ok(merge_from(&m, db, part, 0, &e) == 0 && m.runs == 0 && m.known == 3, "again: all known");
    ok(small_get(db, "SELECT count(*) FROM run") == 4, "and none twice");
    free(got);
    free(got_failed);
    free(want);
    free(failed);
    free(mine);
    free(theirs);
    free(part);
}

static void test_whole_copy(struct db *db)
{
    struct merge m = {0};
    struct err e = {""};
    struct db *far = copy(db, "whole.db");
    put_run(far, "later", 1, 40, 0.3, "done", 0);
    char *want = content(far, 40), *path = xstrdup(db_path(far));
    db_close(far);
    ok(merge_from(&m, db, path, 0, &e) == 0 && m.runs == 1,
       "a whole copy is a part too %s", e.text);
    char *got = content(db, 40);
    is(got, want, "with what it has more");
    free(got);
    free(want);
    free(path);
}

static void test_refused(struct db *db)
{
    struct merge m = {0};
    struct err e = {""};
    char *path = small_path("other.db");
    struct db *far = copy(db, "other.db");
    db_exec(far, "UPDATE generation SET clean = 1;"
                 "UPDATE review SET rating = 1 WHERE id = 1");
    put_run(far, "proposed", 77, 50, 0.3, "done", 0);
    char *part = small_path("other-part.db");
    if (merge_part(far, part, &e) < 0)
        die("%s", e.text);
    db_close(far);
    ok(merge_from(&m, db, path, 0, &e) < 0 && strstr(e.text, "other reviews"), "%s", e.text);
    ok(merge_from(&m, db, part, 0, &e) < 0 && strstr(e.text, "other reviews"), "nor a part of it");
    ok(m.runs == 0 && small_get(db, "SELECT count(*) FROM experiment WHERE seed = 77") == 0,
       "nothing of it is taken");
    ok(merge_from(&m, db, "/nowhere/x.db", 0, &e) < 0, "missing: %s", e.text);
    ok(merge_from(&m, db, "tests/tap.h", 0, &e) < 0 && strstr(e.text, "tap.h"), "%s", e.text);
    ok(merge_from(&m, db, db_path(db), 0, &e) < 0 && strstr(e.text, "itself"), "%s", e.text);
    ok(merge_part(db, "/nowhere/x.db", &e) < 0, "no folder: %s", e.text);
    free(path);
    free(part);
}

int main(void)
{
    struct small_spec s = {.users = 10, .businesses = 4, .rows = 60, .folds = 2, .seed = 4};
    struct db *db = small_open("a.db");
    small_fill(db, &s);
    struct db *far = copy(db, "far.db");
    put_run(db, "proposed", 1, BOTH, 0.2, "done", 0);
    put_run(db, "mine", 1, MINE, 0.4, "done", 0);
    put_run(far, "new", 3, FAR, 0.6, "done", 0); /* its ids are those of others here */
    put_run(far, "new", 4, FAR_FAILED, 0.1, "failed", 0);
    put_run(far, "new", 5, FAR_STALE, 0.1, "done", 1);
    put_run(far, "proposed", 1, BOTH, 0.2, "done", 0);
    db_exec(far, "UPDATE prediction SET p = p + CASE review_id WHEN\n"
                 "(SELECT max(review_id) FROM prediction) THEN 0.25 ELSE 1e-6 END\n"
                 "WHERE run_id = (SELECT max(id) FROM run)");
    test_round_trip(db, far);
    test_whole_copy(db);
    test_refused(db);
    db_close(far);
    db_close(db);
    return small_end();
}
