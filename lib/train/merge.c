/* SPDX-License-Identifier: MIT */
#include "train/merge.h"
#include "base/util.h"
#include "db/db.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Both directions are the same copy, from main to part or from part to main. */
#define COPY(from, to) \
    "INSERT OR IGNORE INTO " to ".block SELECT * FROM " from ".block;\n" \
    "INSERT OR IGNORE INTO " to ".model SELECT * FROM " from ".model;\n" \
    "INSERT OR IGNORE INTO " to ".experiment (model, weighting, dropout, seed, lr, batch,\n" \
    "    protocol, asked_by, stopping, decay) SELECT model, weighting, dropout, seed, lr,\n" \
    "    batch, protocol, asked_by, stopping, decay FROM " from ".experiment;\n" \
    "CREATE TEMP TABLE coming AS SELECT r.id, r.identity FROM " from ".run r\n" \
    "    WHERE r.stale = 0 AND r.identity NOT IN (SELECT identity FROM " to ".run);\n" \
    "INSERT INTO " to ".run (experiment_id, identity, feature_digest, state, reason, stale,\n" \
    "    best_epoch, epochs, threshold, degenerate, seconds, backend)\n" \
    "    SELECT y.id, r.identity, r.feature_digest, r.state, r.reason, 0, r.best_epoch,\n" \
    "    r.epochs, r.threshold, r.degenerate, r.seconds, r.backend\n" \
    "    FROM coming c JOIN " from ".run r ON r.id = c.id\n" \
    "    JOIN " from ".experiment x ON x.id = r.experiment_id JOIN " to ".experiment y\n" \
    "    ON (y.model, y.weighting, y.dropout, y.seed, y.lr, y.batch, y.protocol, y.stopping,\n" \
    "    y.decay) = (x.model, x.weighting, x.dropout, x.seed, x.lr, x.batch, x.protocol,\n" \
    "    x.stopping, x.decay) ORDER BY c.id;\n" \
    "CREATE TEMP TABLE place AS SELECT c.id AS old, r.id AS new FROM coming c\n" \
    "    JOIN " to ".run r ON r.identity = c.identity;\n" \
    "INSERT INTO " to ".epoch SELECT p.new, t.epoch, t.train_loss, t.val_loss, t.val_fpr,\n" \
    "    t.val_accuracy, t.val_auc, t.train_fpr, t.train_accuracy FROM place p\n" \
    "    JOIN " from ".epoch t ON t.run_id = p.old;\n" \
    "INSERT INTO " to ".metric SELECT p.new, t.split, t.name, t.value FROM place p\n" \
    "    JOIN " from ".metric t ON t.run_id = p.old;\n" \
    "INSERT INTO " to ".reliability SELECT p.new, t.split, t.bin, t.n, t.p, t.positive\n" \
    "    FROM place p JOIN " from ".reliability t ON t.run_id = p.old;\n" \
    "INSERT INTO " to ".prediction SELECT p.new, t.review_id, t.p FROM place p\n" \
    "    JOIN " from ".prediction t ON t.run_id = p.old;\n" \
    "DROP TABLE temp.place; DROP TABLE temp.coming"

/* The token of the review table tells copies of one database from others. */
static const char note_name[] = "merge_reviews";

static char *review_token(struct db *db)
{
    static const char sql_token[] = "SELECT token FROM generation WHERE tbl = 'review'";
    sqlite3_stmt *q = db_use(db, sql_token);
    char *t = xstrdup(db_step(q) ? db_col_text(q, 0) : "");
    sqlite3_reset(q);
    return t;
}

static void attach(struct db *db, const char *path)
{
    static const char sql_attach[] = "ATTACH :path AS part";
    sqlite3_stmt *q = db_use(db, sql_attach);
    db_text(q, ":path", path);
    db_run(q);
}

int merge_check_new(const char *path, struct err *e)
{
    if (access(path, F_OK) == 0)
        return err_set(e, "%s is there already; name a new file with --out", path);
    return 0;
}

int merge_part(struct db *db, const char *path, struct err *e)
{
    if (merge_check_new(path, e) < 0)
        return -1;
    struct db *part = db_open(path, DB_WRITE | DB_CREATE, e);
    if (!part)
        return -1;
    char *token = review_token(db);
    db_set_setting(part, note_name, token);
    free(token);
    db_close(part);
    attach(db, path);
    db_begin(db);
    db_exec(db, COPY("main", "part"));
    db_commit(db);
    db_exec(db, "DETACH part");
    return 0;
}

/* Predictions of the runs that both have. */
static void compare(struct merge *m, struct db *db)
{
    static const char sql_compare[] =
        "SELECT count(*), coalesce(sum(abs(a.p - b.p) > 1e-5), 0),\n"
        "coalesce(max(abs(a.p - b.p)), 0) FROM part.run q JOIN main.run r USING (identity)\n"
        "JOIN part.prediction a ON a.run_id = q.id\n"
        "JOIN main.prediction b ON b.run_id = r.id AND b.review_id = a.review_id";
    static const char sql_count[] =
        "SELECT count(*), coalesce(sum(identity IN (SELECT identity FROM main.run)), 0)\n"
        "FROM part.run WHERE stale = 0";
    sqlite3_stmt *q = db_use(db, sql_compare);
    if (db_step(q)) {
        m->predictions += sqlite3_column_int64(q, 0);
        m->differ += sqlite3_column_int64(q, 1);
        double most = sqlite3_column_double(q, 2);
        m->largest = most > m->largest ? most : m->largest;
    }
    sqlite3_reset(q);
    q = db_use(db, sql_count);
    if (db_step(q)) {
        m->known += sqlite3_column_int64(q, 1);
        m->runs += sqlite3_column_int64(q, 0) - sqlite3_column_int64(q, 1);
    }
    sqlite3_reset(q);
}

static int same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static int check_part(struct db *db, const char *path, struct err *e)
{
    if (same_file(path, db_path(db))) /* it would wait for its own lock */
        return err_set(e, "%s: is the database itself", path);
    struct db *part = db_open(path, DB_READ, e);
    if (!part)
        return -1;
    char *theirs = db_setting(part, note_name), *mine = review_token(db);
    if (!theirs)
        theirs = review_token(part); /* a whole copy */
    int same = strcmp(theirs, mine) == 0;
    free(theirs);
    free(mine);
    db_close(part);
    return same ? 0 : err_set(e, "%s: not a part of %s: its runs were trained on other reviews; "
                                 "make parts from copies of the present database", path,
                              db_path(db));
}

int merge_from(struct merge *m, struct db *db, const char *path, int plan, struct err *e)
{
    if (check_part(db, path, e) < 0)
        return -1;
    attach(db, path);
    compare(m, db);
    if (!plan) {
        db_begin(db);
        db_exec(db, COPY("part", "main"));
        db_commit(db);
    }
    db_exec(db, "DETACH part");
    return 0;
}
