/* SPDX-License-Identifier: MIT */
/* Table comparison against a slow recomputation, what is paired with what, what is chosen, when
 * nothing is computed; the views over seeds and settings. */
#include "base/rng.h"
#include "base/util.h"
#include "db/db.h"
#include "tap.h"
#include "train/bootstrap.h"
#include "train/compare.h"
#include <stdlib.h>
#include <unistd.h>

enum { USERS = 30, ROWS = 170 };

static char dir[] = "/tmp/mm-test-XXXXXX";

static int64_t one(struct db *db, const char *sql)
{
    sqlite3_stmt *q;
    int64_t v = -1;
    if (sqlite3_prepare_v2(db_handle(db), sql, -1, &q, NULL) != SQLITE_OK)
        die("%s", sqlite3_errmsg(db_handle(db)));
    if (sqlite3_step(q) == SQLITE_ROW)
        v = sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    return v;
}

static double real(struct db *db, const char *sql)
{
    sqlite3_stmt *q;
    double v = NAN;
    if (sqlite3_prepare_v2(db_handle(db), sql, -1, &q, NULL) != SQLITE_OK)
        die("%s", sqlite3_errmsg(db_handle(db)));
    if (sqlite3_step(q) == SQLITE_ROW && sqlite3_column_type(q, 0) != SQLITE_NULL)
        v = sqlite3_column_double(q, 0);
    sqlite3_finalize(q);
    return v;
}

/* Reviews in an order that is neither that of users nor of their keys. */
static void put_data(struct db *db)
{
    struct rng g;
    rng_seed(&g, 5, 0);
    db_exec(db, "INSERT INTO business (id, key) VALUES (1, 'b')");
    for (int u = 1; u <= USERS; u++) {
        char *sql = xasprintf("INSERT INTO user (id, key) VALUES (%d, 'u%02d')", u, u * 7 % 31);
        db_exec(db, sql);
        free(sql);
    }
    for (int i = 1; i <= ROWS; i++) {
        int positive = rng_uniform(&g) < 0.75f;
        char *sql = xasprintf(
            "INSERT INTO review (id, source_id, user_id, business_id, at, nth, labelled, rating,\n"
            "positive, split, line) VALUES (%d, 1, %d, 1, %d, 0, 1, %d, %d, '%s', 1)", i,
            1 + (int)rng_below(&g, USERS), i, positive ? 5 : 1, positive,
            i % 9 == 0 ? "val" : "test");
        db_exec(db, sql);
        free(sql);
    }
}

/* A run whose scores are worth `skill`. */
static void put_run(struct db *db, int id, const char *model, const char *cell, int seed,
                    double skill, double val_fpr, double val_loss, const char *more)
{
    static int serial;
    struct rng g;
    rng_seed(&g, 77, (uint64_t)++serial);
    char *sql = xasprintf(
        "INSERT INTO experiment (id, model, seed, weighting, dropout, protocol, stopping, decay)\n"
        "VALUES (%d, '%s', %d, %s);"
        "INSERT INTO run (id, experiment_id, identity, feature_digest, state, stale, degenerate,\n"
        "seconds, backend) VALUES (%d, %d, randomblob(32), zeroblob(32), %s, 1, 'x');"
        "INSERT INTO metric VALUES (%d, 'val', 'fpr', %g), (%d, 'val', 'loss', %g),\n"
        "(%d, 'test', 'auc', %g)",
        id, model, seed, cell, id, id, more, id, val_fpr, id, val_loss, id, 0.6 + seed * 0.01);
    db_exec(db, sql);
    free(sql);
    for (int i = 1; i <= ROWS; i++) {
        char in[64];
        snprintf(in, sizeof in, "SELECT positive FROM review WHERE id = %d", i);
        double z = skill * (double)one(db, in) + (double)rng_normal(&g);
        sql = xasprintf("INSERT INTO prediction VALUES (%d, %d, %.9g)", id, i, 1 / (1 + exp(-z)));
        db_exec(db, sql);
        free(sql);
    }
}

#define B3 "'basic', 0.3, 'crossfit', 'fpr', 0"
#define DONE "'done', 0, 0"

static struct db *make(const char *name)
{
    struct err e;
    char *path = xasprintf("%s/%s", dir, name);
    struct db *db = db_open(path, DB_WRITE | DB_CREATE, &e);
    if (!db)
        die("%s", e.text);
    free(path);
    db_exec(db, "PRAGMA foreign_keys = OFF");
    db_begin(db);
    put_data(db);
    db_exec(db, "INSERT INTO model (name, kind, dense, sparse, blocks, reduction) VALUES\n"
                "('proposed', 'dlrm', '', 0, '', 'auto'),\n"
                "('baseline', 'dlrm', '', 0, '', 'auto'),\n"
                "('mine', 'dlrm', '', 0, '', 'folds'), ('means', 'means', '', 0, '', 'auto')");
    put_run(db, 1, "proposed", B3, 1, 1.5, 0.4, 0.5, DONE);
    put_run(db, 2, "proposed", B3, 2, 1.2, 0.3, 0.6, DONE);
    put_run(db, 3, "proposed", B3, 3, 1.4, 0.3, 0.5, DONE);
    put_run(db, 4, "baseline", B3, 1, 0.7, 0.5, 0.5, DONE);
    put_run(db, 5, "baseline", B3, 3, 0.8, 0.6, 0.5, DONE);
    put_run(db, 6, "baseline", B3, 4, 0.8, 0, 0.5, "'done', 0, 1"); /* one class only */
    put_run(db, 7, "mine", B3, 1, 1.0, 0.5, 0.5, DONE);
    put_run(db, 8, "means", "'none', 0, 'crossfit', 'fpr', 0", 1, 0.9, 0.5, 0.5, DONE);
    put_run(db, 9, "proposed", "'basic', 0.5, 'crossfit', 'loss', 0.01", 1, 1.2, 0.9, 0.6, DONE);
    put_run(db, 10, "baseline", "'sqrt', 0.5, 'crossfit', 'loss', 0.01", 1, 1.1, 0.9, 0.6, DONE);
    put_run(db, 11, "proposed", B3, 9, 9, 0.01, 0.1, "'done', 1, 0"); /* stale */
    put_run(db, 12, "baseline", "'basic', 0.3, 'paper', 'fpr', 0", 1, 1.1, 0.1, 0.1, DONE);
    db_commit(db);
    return db;
}

/* AUC of pairs, each row as often as its user was drawn. */
static double slow_auc(struct db *db, int run, const int *times)
{
    static const char sql_rows[] =
        "SELECT p.p, r.positive, (SELECT count(*) FROM user o WHERE o.key < u.key\n"
        "    AND EXISTS (SELECT 1 FROM review t WHERE t.user_id = o.id AND t.split = 'test'))\n"
        "FROM prediction p JOIN review r ON r.id = p.review_id JOIN user u ON u.id = r.user_id\n"
        "WHERE r.split = 'test' AND p.run_id = :run";
    float p[ROWS];
    int y[ROWS], user[ROWS], n = 0;
    double won = 0, all = 0;
    sqlite3_stmt *q = db_use(db, sql_rows);
    db_int(q, ":run", run);
    for (; db_step(q) && n < ROWS; n++) {
        p[n] = (float)sqlite3_column_double(q, 0);
        y[n] = sqlite3_column_int(q, 1);
        user[n] = sqlite3_column_int(q, 2);
    }
    sqlite3_reset(q);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            if (y[i] && !y[j]) {
                double k = times ? times[user[i]] * times[user[j]] : 1;
                all += k;
                won += k * (p[i] > p[j] ? 1 : p[i] < p[j] ? 0 : 0.5);
            }
    return won / all;
}

static void test_pair(struct db *db)
{
    enum { USED = 100 }; /* of the resamples: the slow way is slow */
    int users = (int)one(db, "SELECT count(DISTINCT user_id) FROM review WHERE split = 'test'");
    int *times = xcalloc((size_t)users, sizeof *times), inside = 0;
#define PAIR " FROM comparison WHERE a = 'proposed' AND b = 'baseline' AND question = 'cell'" \
             " AND metric = 'auc' AND setting_a LIKE 'basic, dropout 0.3%'"
    double lo = real(db, "SELECT lo" PAIR), hi = real(db, "SELECT hi" PAIR), sd = 0;
    double a = (slow_auc(db, 1, NULL) + slow_auc(db, 3, NULL)) / 2;
    double b = (slow_auc(db, 4, NULL) + slow_auc(db, 5, NULL)) / 2, diff[USED], mean;
    near(real(db, "SELECT value_a" PAIR), a, 1e-12, "left: the mean over the seeds both have");
    near(real(db, "SELECT diff" PAIR), a - b, 1e-12, "the difference");
    for (int k = 0; k < USED; k++) {
        bootstrap_draw(times, users, 1, k);
        diff[k] = (slow_auc(db, 1, times) + slow_auc(db, 3, times) - slow_auc(db, 4, times) -
                   slow_auc(db, 5, times)) / 2;
        inside += diff[k] >= lo && diff[k] <= hi;
    }
    metrics_mean_sd(&mean, &sd, diff, USED);
    ok(inside >= 90 && inside <= 99, "%d of 100 slow resamples lie within lo and hi", inside);
    ok(fabs(sd / real(db, "SELECT sd" PAIR) - 1) < 0.15, "and spread as much");
    ok(one(db, "SELECT seeds" PAIR) == 2 && one(db, "SELECT users" PAIR) == users &&
       one(db, "SELECT resamples" PAIR) == COMPARE_RESAMPLES, "two seeds, all users, all resamples");
    free(times);
}

/* The same with every resample, by the rankings: to the last digit. */
static void test_interval(struct db *db)
{
    static const char sql_rows[] =
        "SELECT p.p, r.positive, dense_rank() OVER (ORDER BY u.key) - 1 FROM prediction p\n"
        "JOIN review r ON r.id = p.review_id JOIN user u ON u.id = r.user_id\n"
        "WHERE r.split = 'test' AND p.run_id = :run ORDER BY r.id DESC";
    static const int run[4] = {1, 3, 4, 5};
    unsigned char y[ROWS];
    float p[4][ROWS];
    int user[ROWS], users = 0, n = 0;
    struct metrics_ranking r[4];
    struct bootstrap b;
    double *v = xcalloc(bootstrap_room(4, COMPARE_RESAMPLES), sizeof *v);
    double diff[COMPARE_RESAMPLES];
    for (int k = 0; k < 4; k++) {
        sqlite3_stmt *q = db_use(db, sql_rows);
        db_int(q, ":run", run[k]);
        for (n = 0; db_step(q); n++) {
            p[k][n] = (float)sqlite3_column_double(q, 0);
            y[n] = (unsigned char)sqlite3_column_int(q, 1);
            user[n] = sqlite3_column_int(q, 2);
            users = user[n] >= users ? user[n] + 1 : users;
        }
        metrics_rank(&r[k], y, p[k], n);
        metrics_rank_clusters(&r[k], user);
    }
    bootstrap_values(v, r, 4, users, COMPARE_RESAMPLES, 1, 1);
    for (int k = 0; k < COMPARE_RESAMPLES; k++) {
        double side[2] = {0, 0};
        for (int i = 0; i < 4; i++)
            side[i / 2] += v[(i * METRICS_KINDS + METRICS_AUC) * COMPARE_RESAMPLES + k] / 2;
        diff[k] = side[0] - side[1];
    }
    bootstrap_interval(&b, diff, COMPARE_RESAMPLES);
    near(real(db, "SELECT lo" PAIR), b.lo, 1e-12, "lo");
    near(real(db, "SELECT hi" PAIR), b.hi, 1e-12, "hi");
    near(real(db, "SELECT sd" PAIR), b.sd, 1e-12, "sd");
    for (int k = 0; k < 4; k++)
        metrics_rank_release(&r[k]);
    free(v);
}

static void test_pairs(struct db *db)
{
    static const char sql_all[] =
        "SELECT group_concat(x, ' ') FROM (SELECT question || ':' || a || '-' || b || ':' ||\n"
        "count(*) AS x FROM comparison GROUP BY question, a, b, setting_a ORDER BY 1)";
    sqlite3_stmt *q = db_use(db, sql_all);
    is(db_step(q) ? db_col_text(q, 0) : "",
       "best:baseline-means:8 best:mine-means:8 best:proposed-baseline:8 best:proposed-means:8 "
       "best:proposed-mine:8 cell:baseline-means:8 cell:baseline-means:8 cell:mine-means:8 "
       "cell:proposed-baseline:8 cell:proposed-means:8 cell:proposed-means:8 "
       "cell:proposed-mine:8 claim:proposed-baseline:8 ranking:baseline-means:8 "
       "ranking:mine-means:8 ranking:proposed-baseline:8 ranking:proposed-means:8 "
       "ranking:proposed-mine:8", "all pairs, and no others");
    sqlite3_reset(q);
    ok(one(db, "SELECT count(*) FROM comparison WHERE question = 'claim' AND\n"
               "setting_a = 'basic, dropout 0.5, lr 0.01, batch 2048, stopping loss, decay 0.01'\n"
               "AND setting_b LIKE 'sqrt, dropout 0.5,%'") == 8, "settings say what is not usual");
    ok(one(db, "SELECT count(*) FROM comparison WHERE a = 'mine' AND\n"
               "setting_a NOT LIKE '%, reduction folds'") == 0, "also the reduction");
    ok(compare_best_run(db, "crossfit", "proposed") == 3, "best: lowest fpr, then loss; not stale");
    ok(compare_best_run(db, "crossfit", "baseline") == 4, "one class only is no best run");
    ok(compare_best_run(db, "paper", "baseline") == 12 &&
       compare_best_run(db, "paper", "proposed") == 0, "protocols are kept apart");
}

static void test_again(struct db *db)
{
    struct err e = {""};
    int64_t n = one(db, "SELECT count(*) FROM comparison");
    int changes = sqlite3_total_changes(db_handle(db));
    ok(compare_all(db, 1, &e) == 0 && sqlite3_total_changes(db_handle(db)) == changes,
       "the same runs: nothing is written");
    db_exec(db, "DELETE FROM comparison WHERE id % 3 = 0");
    ok(compare_all(db, 1, &e) == 0 && one(db, "SELECT count(*) FROM comparison") == n,
       "deleted rows come back");
    db_exec(db, "UPDATE review SET positive = 1 - positive WHERE id = 1");
    changes = sqlite3_total_changes(db_handle(db));
    ok(compare_all(db, 1, &e) == 0 && sqlite3_total_changes(db_handle(db)) > changes,
       "another label: computed again");
    db_exec(db, "DELETE FROM prediction WHERE run_id = 7 AND review_id = 2");
    db_exec(db, "UPDATE review SET positive = 1 - positive WHERE id = 1");
    ok(compare_all(db, 1, &e) < 0 && strstr(e.text, "mine") && strstr(e.text, "expected"),
       "missing predictions: %s", e.text);
    ok(one(db, "SELECT count(*) FROM comparison") == n, "and the table is as it was");
    db_exec(db, "UPDATE run SET stale = 1");
    ok(compare_all(db, 1, &e) == 0 && one(db, "SELECT count(*) FROM comparison") == 0,
       "without runs it is empty");
}

static void test_threads(struct db *a)
{
    static const char sql_all[] =
        "SELECT group_concat(x) FROM (SELECT a || b || question || setting_a || metric ||\n"
        "format('%.17g %.17g %.17g', diff, lo, hi) AS x FROM comparison ORDER BY 1)";
    struct err e = {""};
    sqlite3_stmt *q = db_use(a, sql_all);
    char *one_thread = xstrdup(db_step(q) ? db_col_text(q, 0) : "");
    sqlite3_reset(q);
    db_exec(a, "DELETE FROM comparison");
    ok(compare_all(a, 3, &e) == 0, "three threads");
    q = db_use(a, sql_all);
    is(db_step(q) ? db_col_text(q, 0) : "?", one_thread, "any number of threads: the same rows");
    sqlite3_reset(q);
    free(one_thread);
}

/* Views over seeds against SciPy: a 95 % interval of a mean, points of Student's t. */
static void test_seeds(struct db *db)
{
    static const double x[5] = {0.71, 0.74, 0.69, 0.72, 0.75};
    FILE *f = fopen("tests/golden/stats/student.txt", "r");
    double lo, hi, t, worst = 0;
    int df, n = 0;
    if (!f || fscanf(f, "%lf %lf", &lo, &hi) != 2)
        die("tests/golden/stats/student.txt: cannot be read");
    ok(one(db, "SELECT count(*) FROM v_cell WHERE model = 'proposed' AND split = 'test'") == 2 &&
       one(db, "SELECT count(*) FROM v_table2 WHERE setting LIKE\n"
               "'lr 0.01, batch 2048, stopping loss, decay 0.01'") == 2 &&
       one(db, "SELECT count(*) FROM v_table2 WHERE setting = 'lr 0.01, batch 2048'") == 4,
       "cells are told apart by stopping and decay, and the paper's have no word of it");
    near(real(db, "SELECT auc_sd FROM v_table2 WHERE model = 'proposed' AND dropout = 0.3"), 0.01,
         1e-9, "auc_sd");
    ok(one(db, "SELECT runs FROM v_table2 WHERE model = 'proposed' AND dropout = 0.3") == 3,
       "three runs a cell");
    db_exec(db, "DELETE FROM run; DELETE FROM experiment; DELETE FROM metric");
    while (fscanf(f, "%d %lf", &df, &t) == 2) {
        /* Seeds half above and half below by 1: sd and n give t back from the half width. */
        db_exec(db, "BEGIN");
        for (int i = 0; i <= df; i++) {
            char *sql = xasprintf(
                "INSERT INTO experiment (id, model, seed) VALUES (%d, 'mine', %d);"
                "INSERT INTO run (id, experiment_id, identity, feature_digest, state, seconds,\n"
                "backend) VALUES (%d, %d, randomblob(32), zeroblob(32), 'done', 1, 'x');"
                "INSERT INTO metric VALUES (%d, 'test', 'auc', %d)", i, i, i, i, i, i % 2);
            db_exec(db, sql);
            free(sql);
        }
        worst = fmax(worst, fabs(real(db, "SELECT (hi - mean) * sqrt(seeds) / sd\n"
                                          "FROM v_seed_interval") - t));
        db_exec(db, "ROLLBACK");
        n++;
    }
    ok(n == 43 && worst < 2e-6, "%d points of Student's t, off by at most %.1e", n, worst);
    fclose(f);
    for (int i = 0; i < 5; i++) {
        char *sql = xasprintf(
            "INSERT INTO experiment (id, model, seed) VALUES (%d, 'mine', %d);"
            "INSERT INTO run (id, experiment_id, identity, feature_digest, state, seconds,\n"
            "backend) VALUES (%d, %d, randomblob(32), zeroblob(32), 'done', 1, 'x');"
            "INSERT INTO metric VALUES (%d, 'test', 'auc', %.9g), (%d, 'val', 'auc', NULL)",
            i, i, i, i, i, x[i], i);
        db_exec(db, sql);
        free(sql);
    }
    near(real(db, "SELECT lo FROM v_seed_interval WHERE split = 'test'"), lo, 1e-9, "lo over seeds");
    near(real(db, "SELECT hi FROM v_seed_interval WHERE split = 'test'"), hi, 1e-9, "hi over seeds");
    ok(isnan(real(db, "SELECT hi FROM v_seed_interval WHERE split = 'val'")), "undefined stays so");
}

int main(void)
{
    struct err e = {""};
    if (!mkdtemp(dir))
        die("%s", dir);
    util_verbosity = -1;
    struct db *db = make("a.db");
    ok(compare_all(db, 1, &e) == 0, "compared %s", e.text);
    test_pair(db);
    test_interval(db);
    test_pairs(db);
    test_threads(db);
    test_again(db);
    db_exec(db, "UPDATE run SET stale = id = 11");
    test_seeds(db);
    db_close(db);
    char *rm = xasprintf("rm -rf %s", dir);
    ok(system(rm) == 0, "removed");
    free(rm);
    return done();
}
