/* SPDX-License-Identifier: MIT */
/* mm-train: trains every experiment row that has no result on the present features, several
 * at once; results, curves and predictions become rows. */
#include "base/buf.h"
#include "base/opts.h"
#include "base/progress.h"
#include "base/sha256.h"
#include "base/util.h"
#include "db/db.h"
#include "db/setting.h"
#include "db/stage.h"
#include "nn/blas.h"
#include "train/compare.h"
#include "train/grid.h"
#include "train/reliability.h"
#include "train/run.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static const struct opts_about about = {
    "mm-train", "[options]", "Trains every experiment that has no result on the present data."};

/* ---- what to train ---- */

struct experiment {
    int64_t id;
    char model[64], weighting[16];
    double dropout, lr;
    int64_t seed, batch;
    const struct features *f; /* NULL: not testable, reason says why */
    char reason[512];
    unsigned char identity[SHA256_BYTES];
    int have;                 /* a result with this identity exists */
    struct buf resume;        /* a checkpoint */
};

struct plan {
    struct experiment *x; /* [n] */
    int n, n_pending;
    struct features *f;   /* [n_f] one per distinct model */
    struct err *f_err;
    int n_f;
};

static void read_experiments(struct plan *p, struct db *db)
{
    static const char sql_all[] =
        "SELECT id, model, weighting, dropout, seed, lr, batch FROM experiment\n"
        "WHERE protocol = 'crossfit' ORDER BY model, weighting, dropout, seed, id";
    sqlite3_stmt *q = db_use(db, sql_all);
    while (db_step(q)) {
        p->x = xrealloc(p->x, (size_t)p->n + 1, sizeof *p->x);
        struct experiment *x = &p->x[p->n++];
        *x = (struct experiment){.id = sqlite3_column_int64(q, 0),
                                 .dropout = sqlite3_column_double(q, 3),
                                 .seed = sqlite3_column_int64(q, 4),
                                 .lr = sqlite3_column_double(q, 5),
                                 .batch = sqlite3_column_int64(q, 6)};
        snprintf(x->model, sizeof x->model, "%s", db_col_text(q, 1));
        snprintf(x->weighting, sizeof x->weighting, "%s", db_col_text(q, 2));
    }
}

static void read_features(struct plan *p, const struct dataset *d, struct db *db)
{
    p->f = xcalloc((size_t)p->n, sizeof *p->f);
    p->f_err = xcalloc((size_t)p->n, sizeof *p->f_err);
    for (int i = 0; i < p->n; i++) {
        struct experiment *x = &p->x[i];
        int k = p->n_f - 1; /* experiments are sorted by model */
        if (k < 0 || strcmp(p->f[k].model, x->model) != 0) {
            k = p->n_f++;
            if (features_read(&p->f[k], d, db, x->model, &p->f_err[k]) < 0 && !p->f_err[k].text[0])
                err_set(&p->f_err[k], "features cannot be read");
        }
        if (p->f_err[k].text[0])
            snprintf(x->reason, sizeof x->reason, "%s", p->f_err[k].text);
        else
            x->f = &p->f[k];
    }
}

static void identify(struct experiment *x)
{
    struct sha256 *h = sha256_new();
    char row[256];
    int n = snprintf(row, sizeof row, "%d %s %s %.17g %lld %.17g %lld", RUN_VERSION, x->model,
                     x->weighting, x->dropout, (long long)x->seed, x->lr, (long long)x->batch);
    sha256_add_field(h, row, (size_t)n);
    if (x->f)
        sha256_add_field(h, x->f->digest, sizeof x->f->digest);
    else
        sha256_add_field(h, x->reason, strlen(x->reason));
    sha256_end(x->identity, h);
    sha256_free(h);
}

static void look_up(struct experiment *x, struct db *db)
{
    static const char sql_have[] = "SELECT 1 FROM run WHERE identity = :identity";
    static const char sql_checkpoint[] = "SELECT state FROM checkpoint WHERE identity = :identity";
    sqlite3_stmt *q = db_use(db, sql_have);
    db_blob(q, ":identity", x->identity, sizeof x->identity);
    x->have = (int)db_one_int(q, 0);
    q = db_use(db, sql_checkpoint);
    db_blob(q, ":identity", x->identity, sizeof x->identity);
    if (db_step(q))
        buf_add(&x->resume, sqlite3_column_blob(q, 0), (size_t)sqlite3_column_bytes(q, 0));
    sqlite3_reset(q);
}

static void make_plan(struct plan *p, const struct dataset *d, struct db *db)
{
    read_experiments(p, db);
    read_features(p, d, db);
    for (int i = 0; i < p->n; i++) {
        identify(&p->x[i]);
        look_up(&p->x[i], db);
        p->n_pending += !p->x[i].have;
    }
}

static void release_plan(struct plan *p)
{
    for (int i = 0; i < p->n; i++)
        buf_release(&p->x[i].resume);
    for (int k = 0; k < p->n_f; k++)
        features_release(&p->f[k]);
    free(p->x);
    free(p->f);
    free(p->f_err);
}

/* Runs of other features are kept, and hidden; those of these features are shown again. */
static void mark_stale(const struct plan *p, struct db *db)
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
    for (int i = 0; i < p->n; i++) {
        sqlite3_stmt *q = db_use(db, sql_add);
        db_blob(q, ":identity", p->x[i].identity, SHA256_BYTES);
        db_run(q);
    }
    db_run(db_use(db, sql_mark));
    db_run(db_use(db, sql_forget));
    db_commit(db);
}

/* ---- messages from the workers to this thread, which alone writes ---- */

struct message {
    struct message *next;
    struct experiment *x;
    int checkpoint_epoch;    /* > 0: a checkpoint */
    struct buf state;
    struct run_result result;
    int failed;
    struct err err;
    double seconds;
};

struct pool {
    struct plan *plan;
    const struct dataset *d;
    double checkpoint_s;
    int next, busy;          /* under lock */
    struct message *head, **tail;
    pthread_mutex_t lock;
    pthread_cond_t news;
};

static void push(struct pool *w, struct message *m)
{
    pthread_mutex_lock(&w->lock);
    m->next = NULL;
    *w->tail = m;
    w->tail = &m->next;
    pthread_cond_signal(&w->news);
    pthread_mutex_unlock(&w->lock);
}

struct mine {
    struct pool *w;
    struct experiment *x;
};

static void on_checkpoint(void *ctx, int epoch, struct buf *state)
{
    struct mine *me = ctx;
    struct message *m = xcalloc(1, sizeof *m);
    m->x = me->x;
    m->checkpoint_epoch = epoch;
    m->state = *state;
    push(me->w, m);
}

static void train_one(struct pool *w, struct experiment *x)
{
    struct mine me = {w, x};
    struct message *m = xcalloc(1, sizeof *m);
    double t = monotonic_s();
    m->x = x;
    if (!x->f) {
        m->failed = 1;
        err_set(&m->err, "%s", x->reason);
    } else {
        struct run_job job = {.f = x->f, .d = w->d, .dropout = (float)x->dropout,
                              .seed = (uint64_t)x->seed, .lr = x->lr, .batch = (int)x->batch,
                              .weighting = !strcmp(x->weighting, "basic") ? TRAINER_BASIC
                                  : !strcmp(x->weighting, "sqrt") ? TRAINER_SQRT : TRAINER_NONE,
                              .resume = x->resume.len ? x->resume.data : NULL,
                              .resume_bytes = x->resume.len, .checkpoint_s = w->checkpoint_s,
                              .stop = stage_interrupted, .checkpoint = on_checkpoint, .ctx = &me};
        m->failed = run_train(&m->result, &job, &m->err) < 0;
    }
    m->seconds = monotonic_s() - t;
    push(w, m);
}

static void *work(void *arg)
{
    struct pool *w = arg;
    for (;;) {
        pthread_mutex_lock(&w->lock);
        while (w->next < w->plan->n && w->plan->x[w->next].have)
            w->next++;
        int i = stage_interrupted() || w->next >= w->plan->n ? -1 : w->next++;
        if (i < 0) {
            w->busy--;
            pthread_cond_signal(&w->news);
        }
        pthread_mutex_unlock(&w->lock);
        if (i < 0)
            return NULL;
        train_one(w, &w->plan->x[i]);
    }
}

/* ---- results to rows ---- */

static void put_checkpoint(struct db *db, struct message *m)
{
    static const char sql_put[] =
        "INSERT INTO checkpoint (identity, epoch, state, at)\n"
        "VALUES (:identity, :epoch, :state, unixepoch())\n"
        "ON CONFLICT (identity) DO UPDATE SET epoch = excluded.epoch, state = excluded.state,\n"
        "at = excluded.at";
    sqlite3_stmt *q = db_use(db, sql_put);
    db_blob(q, ":identity", m->x->identity, SHA256_BYTES);
    db_int(q, ":epoch", m->checkpoint_epoch);
    db_blob(q, ":state", m->state.data, m->state.len);
    db_run(q);
}

static int64_t put_run(struct db *db, const struct message *m)
{
    static const char sql_put[] =
        "INSERT INTO run (experiment_id, identity, feature_digest, state, reason, best_epoch,\n"
        "epochs, threshold, degenerate, seconds, backend) VALUES (:experiment, :identity,\n"
        ":features, :state, nullif(:reason, ''), :best, :epochs, :threshold, :degenerate,\n"
        ":seconds, :backend) RETURNING id";
    static const unsigned char none[32];
    const struct run_result *r = &m->result;
    sqlite3_stmt *q = db_use(db, sql_put);
    db_int(q, ":experiment", m->x->id);
    db_blob(q, ":identity", m->x->identity, SHA256_BYTES);
    db_blob(q, ":features", m->x->f ? m->x->f->digest : none, 32);
    db_text(q, ":state", m->failed ? "failed" : "done");
    db_text(q, ":reason", m->err.text);
    if (r->n_epochs) {
        db_int(q, ":best", r->best_epoch);
        db_int(q, ":epochs", r->n_epochs);
    }
    if (!m->failed)
        db_real(q, ":threshold", (double)r->threshold);
    db_int(q, ":degenerate", r->degenerate);
    db_real(q, ":seconds", m->seconds);
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

static void put_done(struct stage *s, struct message *m, const struct dataset *d)
{
    static const char sql_forget[] = "DELETE FROM checkpoint WHERE identity = :identity";
    struct db *db = s->db;
    char *item = xasprintf("run %s %s %g seed %lld", m->x->model, m->x->weighting, m->x->dropout,
                           (long long)m->x->seed);
    int64_t run = put_run(db, m);
    if (m->failed)
        stage_fail(s, item, m->err.text, 1);
    else {
        put_epochs(db, run, &m->result);
        put_metrics(db, run, &m->result);
        reliability_put(db, run, d, m->result.p);
        put_predictions(db, run, &m->result, d);
        stage_unfail(s, item);
        s->done++;
    }
    sqlite3_stmt *q = db_use(db, sql_forget);
    db_blob(q, ":identity", m->x->identity, SHA256_BYTES);
    db_run(q);
    free(item);
}

static void write_message(struct stage *s, struct message *m, const struct dataset *d)
{
    if (!m->result.interrupted) {
        db_begin(s->db);
        if (m->checkpoint_epoch)
            put_checkpoint(s->db, m);
        else
            put_done(s, m, d);
        db_commit(s->db);
    }
    buf_release(&m->state);
    run_result_release(&m->result);
    free(m);
}

static void train_all(struct stage *s, struct plan *p, const struct dataset *d, double every_s)
{
    int threads = (int)s->opts->threads;
    pthread_t *t = xcalloc((size_t)threads, sizeof *t);
    struct pool w = {.plan = p, .d = d, .checkpoint_s = every_s, .busy = threads,
                     .lock = PTHREAD_MUTEX_INITIALIZER, .news = PTHREAD_COND_INITIALIZER};
    struct progress bar;
    int finished = 0;
    w.tail = &w.head;
    progress_start(&bar, "runs", p->n_pending);
    for (int i = 0; i < threads; i++)
        if (pthread_create(&t[i], NULL, work, &w) != 0)
            die("cannot start a thread");
    for (;;) {
        pthread_mutex_lock(&w.lock);
        while (!w.head && w.busy > 0)
            pthread_cond_wait(&w.news, &w.lock);
        struct message *m = w.head;
        if (m && !(w.head = m->next))
            w.tail = &w.head;
        pthread_mutex_unlock(&w.lock);
        if (!m)
            break;
        finished += m->checkpoint_epoch == 0;
        write_message(s, m, d);
        progress_set(&bar, finished);
    }
    progress_end(&bar);
    for (int i = 0; i < threads; i++)
        pthread_join(t[i], NULL);
    free(t);
}

static int run(struct db *db, const struct opts *o, double every_s)
{
    struct stage s;
    struct err e;
    struct plan p = {0};
    char *protocol = setting_value(db, "PROTOCOL");
    if (strcmp(protocol, "crossfit") != 0)
        die_usage("PROTOCOL=%s: this build has crossfit only", protocol);
    free(protocol);
    struct dataset *d = dataset_new(db, &e);
    if (!d)
        die("%s: %s", db_path(db), e.text);
    stage_begin(&s, db, "train", o);
    if (!o->plan && grid_rows(db, &e) < 0)
        die_usage("%s", e.text);
    make_plan(&p, d, db);
    stage_plan(&s, "runs", o->plan ? p.n_pending : 0, "no result on the present features");
    if (!o->plan) {
        mark_stale(&p, db);
        if (s.left >= 0 && s.left < p.n_pending) {
            s.cut = 1;
            for (int i = p.n - 1; i >= 0 && p.n_pending > s.left; i--)
                if (!p.x[i].have) {
                    p.x[i].have = 1;
                    p.n_pending--;
                }
        }
        train_all(&s, &p, d, every_s);
        if (!stage_interrupted() && compare_all(db, (int)o->threads, &e) < 0)
            die("%s: %s", db_path(db), e.text);
    }
    release_plan(&p);
    dataset_free(d);
    return stage_end(&s);
}

static void remember(struct db *db, const char *name, const char *value)
{
    struct err e;
    if (!value)
        return;
    /* A file of rows is remembered absolute: the next run may start elsewhere. */
    int word = strcmp(name, "EXPERIMENT") || !strcmp(value, "quick") || !strcmp(value, "paper");
    char *path = word ? NULL : realpath(value, NULL);
    if (!word && !path)
        die("%s: %s", value, strerror(errno));
    if (setting_change(db, name, path ? path : value, &e) < 0)
        die_usage("%s", e.text);
    free(path);
}

int main(int argc, char **argv)
{
    struct opts o = opts_default;
    const char *experiment = NULL, *seeds = NULL;
    double every_s = 30;
    const struct opt_def defs[] = {
        {"experiment", OPT_STRING, &experiment, 0, 0, "NAME", "quick, paper or a file of rows"},
        {"seeds", OPT_STRING, &seeds, 0, 0, "N", "training seeds of each cell"},
        {"checkpoint-every", OPT_DOUBLE, &every_s, 0, 86400, "S", "seconds between checkpoints"},
        {0}};
    int first = opts_parse(argc, argv, &about, defs, &o);
    if (argv[first])
        die_usage("no arguments are taken, got '%s'", argv[first]);
    blas_single_thread();
    struct db *db = stage_open(&o, 0);
    if (!db)
        return close_stdout(EXIT_FAILED);
    if (!o.plan) {
        remember(db, "EXPERIMENT", experiment);
        remember(db, "SEEDS", seeds);
    }
    int status = run(db, &o, every_s);
    db_close(db);
    return close_stdout(status);
}
