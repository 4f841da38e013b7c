/* SPDX-License-Identifier: MIT */
#include "train/results.h"
#include "base/util.h"
#include "db/db.h"
#include "nn/blas.h"
#include "train/reliability.h"

static int64_t put_run(struct db *db, const struct experiment *x, const struct run_result *r,
                       const char *failed, double seconds)
{
    static const char sql_put[] =
        "INSERT INTO run (experiment_id, identity, feature_digest, state, reason, best_epoch,\n"
        "epochs, threshold, degenerate, seconds, backend) VALUES (:experiment, :identity,\n"
        ":features, :state, nullif(:reason, ''), :best, :epochs, :threshold, :degenerate,\n"
        ":seconds, :backend) RETURNING id";
    static const unsigned char none[32];
    sqlite3_stmt *q = db_use(db, sql_put);
    db_int(q, ":experiment", x->id);
    db_blob(q, ":identity", x->identity, SHA256_BYTES);
    db_blob(q, ":features", x->f ? x->f->digest : none, 32);
    db_text(q, ":state", failed ? "failed" : "done");
    db_text(q, ":reason", failed);
    if (r->n_epochs) {
        db_int(q, ":best", r->best_epoch);
        db_int(q, ":epochs", r->n_epochs);
    }
    if (!failed)
        db_real(q, ":threshold", (double)r->threshold);
    db_int(q, ":degenerate", r->degenerate);
    db_real(q, ":seconds", seconds);
    db_text(q, ":backend", blas_name());
    return db_one_int(q, 0);
}

static void put_epochs(struct db *db, int64_t run, const struct run_result *r)
{
    static const char sql_put[] =
        "INSERT INTO epoch (run_id, epoch, train_loss, val_loss, val_fpr, val_accuracy, val_auc,\n"
        "train_fpr, train_accuracy) VALUES (:run, :epoch, :train_loss, :val_loss, :val_fpr,\n"
        ":val_accuracy, :val_auc, :train_fpr, :train_accuracy)";
    for (int i = 0; i < r->n_epochs; i++) {
        const struct trainer_epoch *e = &r->epochs[i];
        sqlite3_stmt *q = db_use(db, sql_put);
        db_int(q, ":run", run);
        db_int(q, ":epoch", e->epoch);
        db_real(q, ":train_loss", e->train_loss);
        db_real(q, ":val_loss", e->val_loss);
        db_real(q, ":val_fpr", e->val_fpr);
        db_real(q, ":val_accuracy", e->val_accuracy);
        db_real(q, ":val_auc", e->val_auc);
        db_real(q, ":train_fpr", e->train_fpr);
        db_real(q, ":train_accuracy", e->train_accuracy);
        db_run(q);
    }
}

static void put_metric(struct db *db, int64_t run, int split, const char *name, double value)
{
    static const char sql_put[] =
        "INSERT INTO metric (run_id, split, name, value) VALUES (:run, :split, :name, :value)";
    sqlite3_stmt *q = db_use(db, sql_put);
    db_int(q, ":run", run);
    db_text(q, ":split", dataset_split_name[split]);
    db_text(q, ":name", name);
    db_real(q, ":value", value);
    db_run(q);
}

static void put_metrics(struct db *db, int64_t run, const struct run_result *r)
{
    for (int s = 0; s < DATASET_SPLITS; s++) {
        for (int k = 0; k < METRICS_KINDS; k++)
            put_metric(db, run, s, metrics_name[k], r->metric[s][k]);
        put_metric(db, run, s, "accuracy_at_threshold", r->at_threshold[s][0]);
        put_metric(db, run, s, "fpr_at_threshold", r->at_threshold[s][1]);
    }
}

static void put_predictions(struct db *db, int64_t run, const struct run_result *r,
                            const struct dataset *d)
{
    static const char sql_put[] =
        "INSERT INTO prediction (run_id, review_id, p) VALUES (:run, :review, :p)";
    for (int i = 0; i < d->n; i++) {
        if (d->split[i] == DATASET_TRAIN)
            continue;
        sqlite3_stmt *q = db_use(db, sql_put);
        db_int(q, ":run", run);
        db_int(q, ":review", d->review[i]);
        db_real(q, ":p", (double)r->p[i]);
        db_run(q);
    }
}

/* What a run that was deleted by hand, and had this id, has left. */
static void forget(struct db *db, int64_t run)
{
    static const char *const sql_forget[] = {
        "DELETE FROM epoch WHERE run_id = :run", "DELETE FROM metric WHERE run_id = :run",
        "DELETE FROM reliability WHERE run_id = :run",
        "DELETE FROM prediction WHERE run_id = :run"};
    for (size_t i = 0; i < ARRAY_LEN(sql_forget); i++) {
        sqlite3_stmt *q = db_use(db, sql_forget[i]);
        db_int(q, ":run", run);
        db_run(q);
    }
}

void results_put(struct db *db, const struct experiment *x, const struct run_result *r,
                 const char *failed, double seconds)
{
    int64_t run = put_run(db, x, r, failed, seconds);
    forget(db, run);
    if (failed)
        return;
    put_epochs(db, run, r);
    put_metrics(db, run, r);
    reliability_put(db, run, x->d, r->p);
    put_predictions(db, run, r, x->d);
}

void results_put_checkpoint(struct db *db, const struct experiment *x, int epoch,
                            const struct buf *state)
{
    static const char sql_put[] =
        "INSERT INTO checkpoint (identity, epoch, state, at)\n"
        "VALUES (:identity, :epoch, :state, unixepoch())\n"
        "ON CONFLICT (identity) DO UPDATE SET epoch = excluded.epoch, state = excluded.state,\n"
        "at = excluded.at";
    sqlite3_stmt *q = db_use(db, sql_put);
    db_blob(q, ":identity", x->identity, SHA256_BYTES);
    db_int(q, ":epoch", epoch);
    db_blob(q, ":state", state->data, state->len);
    db_run(q);
}

void results_forget_checkpoint(struct db *db, const struct experiment *x)
{
    static const char sql_forget[] = "DELETE FROM checkpoint WHERE identity = :identity";
    sqlite3_stmt *q = db_use(db, sql_forget);
    db_blob(q, ":identity", x->identity, SHA256_BYTES);
    db_run(q);
}
