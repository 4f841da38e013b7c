/* SPDX-License-Identifier: MIT */
#include "train/experiment.h"
#include "base/util.h"
#include "db/db.h"
#include "train/run.h"
#include <stdlib.h>
#include <string.h>

static int protocol_index(const char *name)
{
    for (int p = 0; p < DATASET_PROTOCOLS; p++)
        if (strcmp(name, dataset_protocol_name[p]) == 0)
            return p;
    die("table experiment: protocol '%s'", name);
}

static void read_rows(struct experiments *x, struct db *db)
{
    static const char sql_all[] =
        "SELECT id, model, weighting, dropout, seed, lr, batch, protocol, stopping, decay\n"
        "FROM experiment ORDER BY protocol, model, stopping, weighting, dropout, seed, id";
    sqlite3_stmt *q = db_use(db, sql_all);
    while (db_step(q)) {
        x->row = xrealloc(x->row, (size_t)x->n + 1, sizeof *x->row);
        struct experiment *r = &x->row[x->n++];
        *r = (struct experiment){.id = sqlite3_column_int64(q, 0),
                                 .dropout = sqlite3_column_double(q, 3),
                                 .seed = sqlite3_column_int64(q, 4),
                                 .lr = sqlite3_column_double(q, 5),
                                 .batch = sqlite3_column_int64(q, 6),
                                 .decay = sqlite3_column_double(q, 9)};
        r->protocol = (enum dataset_protocol)protocol_index(db_col_text(q, 7));
        snprintf(r->model, sizeof r->model, "%s", db_col_text(q, 1));
        snprintf(r->weighting, sizeof r->weighting, "%s", db_col_text(q, 2));
        snprintf(r->stopping, sizeof r->stopping, "%s", db_col_text(q, 8));
    }
}

static int read_datasets(struct experiments *x, struct db *db, struct err *e)
{
    for (int i = 0; i < x->n; i++) {
        enum dataset_protocol p = x->row[i].protocol;
        if (!x->d[p] && !(x->d[p] = dataset_new(db, p, e)))
            return -1;
        x->row[i].d = x->d[p];
    }
    return 0;
}

/* Rows are sorted by protocol, model and stopping. */
static void read_features(struct experiments *x, struct db *db)
{
    x->f = xcalloc((size_t)x->n, sizeof *x->f);
    x->f_err = xcalloc((size_t)x->n, sizeof *x->f_err);
    for (int i = 0; i < x->n; i++) {
        struct experiment *r = &x->row[i];
        int k = x->n_f - 1;
        if (i == 0 || r->protocol != r[-1].protocol || strcmp(r->model, r[-1].model) != 0 ||
            strcmp(r->stopping, r[-1].stopping) != 0) {
            k = x->n_f++;
            if (features_read(&x->f[k], r->d, db, r->model, r->stopping, &x->f_err[k]) < 0 &&
                !x->f_err[k].text[0])
                err_set(&x->f_err[k], "features cannot be read");
        }
        if (x->f_err[k].text[0])
            snprintf(r->reason, sizeof r->reason, "%s", x->f_err[k].text);
        else
            r->f = &x->f[k];
    }
}

static void identify(struct experiment *r)
{
    struct sha256 *h = sha256_new();
    char row[256];
    int n = snprintf(row, sizeof row, "%d %s %s %s %s %.17g %lld %.17g %.17g %lld", RUN_VERSION,
                     dataset_protocol_name[r->protocol], r->model, r->weighting, r->stopping,
                     r->dropout, (long long)r->seed, r->lr, r->decay, (long long)r->batch);
    sha256_add_field(h, row, (size_t)n);
    if (r->f)
        sha256_add_field(h, r->f->digest, sizeof r->f->digest);
    else
        sha256_add_field(h, r->reason, strlen(r->reason));
    sha256_end(r->identity, h);
    sha256_free(h);
}

static void look_up(struct experiment *r, struct db *db)
{
    static const char sql_have[] = "SELECT 1 FROM run WHERE identity = :identity";
    static const char sql_checkpoint[] = "SELECT state FROM checkpoint WHERE identity = :identity";
    sqlite3_stmt *q = db_use(db, sql_have);
    db_blob(q, ":identity", r->identity, sizeof r->identity);
    r->have = (int)db_one_int(q, 0);
    q = db_use(db, sql_checkpoint);
    db_blob(q, ":identity", r->identity, sizeof r->identity);
    if (db_step(q))
        buf_add(&r->resume, sqlite3_column_blob(q, 0), (size_t)sqlite3_column_bytes(q, 0));
    sqlite3_reset(q);
}

int experiments_read(struct experiments *x, struct db *db, int shard, int of, struct err *e)
{
    *x = (struct experiments){0};
    read_rows(x, db);
    if (read_datasets(x, db, e) < 0) {
        experiments_release(x);
        return -1;
    }
    read_features(x, db);
    for (int i = 0; i < x->n; i++) {
        identify(&x->row[i]);
        look_up(&x->row[i], db);
        /* By place, not among the pending: every shard of a copy agrees on it. */
        x->row[i].have |= i % of != shard;
        x->n_pending += !x->row[i].have;
    }
    return 0;
}

void experiments_release(struct experiments *x)
{
    for (int i = 0; i < x->n; i++)
        buf_release(&x->row[i].resume);
    for (int k = 0; k < x->n_f; k++)
        features_release(&x->f[k]);
    for (int p = 0; p < DATASET_PROTOCOLS; p++)
        dataset_free(x->d[p]);
    free(x->row);
    free(x->f);
    free(x->f_err);
    *x = (struct experiments){0};
}

void experiments_mark(const struct experiments *x, struct db *db)
{
    static const char sql_list[] =
        "CREATE TEMP TABLE IF NOT EXISTS wanted (identity BLOB PRIMARY KEY);"
        "DELETE FROM temp.wanted";
    static const char sql_add[] = "INSERT OR IGNORE INTO temp.wanted VALUES (:identity)";
    static const char sql_mark[] =
        "UPDATE run SET stale = 1 - stale\n"
        "WHERE stale = (identity IN (SELECT identity FROM temp.wanted))";
    static const char sql_forget[] =
        "DELETE FROM checkpoint WHERE identity NOT IN (SELECT identity FROM temp.wanted)";
    db_exec(db, sql_list);
    db_begin(db);
    for (int i = 0; i < x->n; i++) {
        sqlite3_stmt *q = db_use(db, sql_add);
        db_blob(q, ":identity", x->row[i].identity, SHA256_BYTES);
        db_run(q);
    }
    db_run(db_use(db, sql_mark));
    db_run(db_use(db, sql_forget));
    db_commit(db);
    features_tidy(db, x->f, x->n_f);
}
