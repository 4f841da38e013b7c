/* SPDX-License-Identifier: MIT */
/* mm-reduce: fits the upstream MLPs that the experiments' models ask for, and gives every
 * labelled review its 32 numbers: one set per block, mode and protocol. */
#include "base/buf.h"
#include "base/opts.h"
#include "base/sha256.h"
#include "base/util.h"
#include "db/db.h"
#include "db/setting.h"
#include "db/stage.h"
#include "db/vec.h"
#include "nn/blas.h"
#include "train/dataset.h"
#include "train/entity.h"
#include "train/features.h"
#include "train/grid.h"
#include "train/reduce.h"
#include <stdlib.h>
#include <string.h>

static const struct opts_about about = {
    "mm-reduce", "[options]", "Fits the upstream MLPs and reduces every review to 32 numbers."};

/* One block in one mode, for the rows of one protocol. */
struct task {
    char name[64];
    enum reduce_mode mode;
    struct block b;
    struct entity_matrix m[BLOCK_INPUTS];
    struct samples_block part[BLOCK_INPUTS];
    struct samples samples;
    struct buf inputs;                  /* "user_summary 384, business_summary 384" */
    unsigned char digest[SHA256_BYTES]; /* of all that the fit reads */
    int n_in, any, done_already;
    struct reduce_fit fit;
    struct err err; /* why it cannot be done */
};

struct work {
    struct stage *s;
    struct db *db;
    const struct dataset *d;
    char *dir;
    struct task *task; /* [n] */
    int n;
};

/* ---- what is asked for ---- */

static void add_task(struct work *w, const char *name, enum reduce_mode mode)
{
    for (int i = 0; i < w->n; i++)
        if (strcmp(w->task[i].name, name) == 0 && w->task[i].mode == mode)
            return;
    w->task = xrealloc(w->task, (size_t)w->n + 1, sizeof *w->task);
    w->task[w->n] = (struct task){.mode = mode};
    snprintf(w->task[w->n++].name, sizeof w->task->name, "%s", name);
}

/* The blocks of all models that have an experiment under the protocol. */
static void list_tasks(struct work *w)
{
    static const char sql_models[] =
        "SELECT DISTINCT m.blocks, m.reduction, m.kind, x.stopping FROM model m\n"
        "JOIN experiment x ON x.model = m.name WHERE x.protocol = :protocol\n"
        "AND m.kind IN ('dlrm', 'logistic') ORDER BY 1, 2, 3, 4";
    sqlite3_stmt *q = db_use(w->db, sql_models);
    db_text(q, ":protocol", dataset_protocol_name[w->d->protocol]);
    while (db_step(q)) {
        char *copy = xstrdup(db_col_text(q, 0)), *save = NULL;
        enum reduce_mode mode = reduce_mode_for(w->d->protocol, db_col_text(q, 1),
                                                db_col_text(q, 2), db_col_text(q, 3));
        for (char *b = strtok_r(copy, " ", &save); b; b = strtok_r(NULL, " ", &save))
            add_task(w, b, mode);
        free(copy);
    }
}

/* ---- what goes in ---- */

static int gather(struct work *w, struct task *t, struct err *e)
{
    const struct dataset *d = w->d;
    if (block_read(&t->b, w->db, t->name, e) < 0)
        return -1;
    for (int k = 0; k < t->b.n_inputs; k++) {
        const struct entity_input *in = &entity_inputs[t->b.input[k]];
        struct entity_job job = {.d = d, .db = w->db, .in = in, .who = &t->b.who, .dir = w->dir,
                                 .record = !w->s->opts->plan};
        if (entity_read(&t->m[k], &job, e) < 0)
            return -1;
        for (int i = 0; i < d->n; i++)
            t->any |= t->m[k].of[i] >= 0;
        t->part[k] = (struct samples_block){.rows = t->m[k].rows, .n_rows = t->m[k].n_rows,
                                            .dim = t->m[k].dim, .row = t->m[k].of};
        t->n_in += t->m[k].dim;
        buf_addf(&t->inputs, "%s%s %d", k ? ", " : "", in->name, t->m[k].dim);
    }
    t->samples = (struct samples){.n = d->n, .label = d->label, .n_blocks = t->b.n_inputs,
                                  .blocks = t->part};
    return 0;
}

/* An input whose encoder has no dimension yet gives nothing: it takes no part. */
static void drop_empty(struct task *t)
{
    int n = 0;
    for (int k = 0; k < t->b.n_inputs; k++)
        if (t->part[k].dim > 0)
            t->part[n++] = t->part[k];
    t->samples.n_blocks = n;
}

static void digest(struct task *t, const struct dataset *d)
{
    struct sha256 *h = sha256_new();
    char head[160];
    int n = snprintf(head, sizeof head, "%s %s %d %d %d %s", t->name, reduce_mode_name[t->mode],
                     REDUCE_VERSION, REDUCE_SEED, d->n,
                     dataset_protocol_name[d->protocol]);
    sha256_add_field(h, head, (size_t)n);
    sha256_add_field(h, t->inputs.data, t->inputs.len);
    sha256_add_field(h, d->label, (size_t)d->n);
    sha256_add_field(h, d->split, (size_t)d->n);
    if (t->mode == REDUCE_FOLDS)
        sha256_add_field(h, d->fold, (size_t)d->n * sizeof *d->fold);
    for (int k = 0; k < t->b.n_inputs; k++) {
        sha256_add_field(h, t->m[k].of, (size_t)d->n * sizeof *t->m[k].of);
        sha256_add_field(h, t->m[k].rows,
                         (size_t)t->m[k].n_rows * (size_t)t->m[k].dim * sizeof(float));
    }
    sha256_end(t->digest, h);
    sha256_free(h);
}

static int complete(const struct work *w, const struct task *t)
{
    static const char sql_done[] =
        "SELECT count(*) FROM reduced x JOIN reducer r ON r.id = x.reducer_id\n"
        "WHERE r.name = :name AND r.feature_digest = :digest AND r.mode = :mode\n"
        "AND r.protocol = :protocol AND r.current = 1";
    sqlite3_stmt *q = db_use(w->db, sql_done);
    db_text(q, ":name", t->name);
    db_blob(q, ":digest", t->digest, sizeof t->digest);
    db_text(q, ":mode", reduce_mode_name[t->mode]);
    db_text(q, ":protocol", dataset_protocol_name[w->d->protocol]);
    return db_one_int(q, 0) == w->d->n;
}

/* ---- what comes out ---- */

static void bind_who(sqlite3_stmt *q, const struct work *w, const struct task *t)
{
    db_text(q, ":name", t->name);
    db_text(q, ":mode", reduce_mode_name[t->mode]);
    db_text(q, ":protocol", dataset_protocol_name[w->d->protocol]);
}

/* Rows of an earlier reducer can be made again from its weights: they go. */
static void forget(const struct work *w, const struct task *t)
{
    static const char sql_forget[] =
        "DELETE FROM reduced WHERE reducer_id IN (SELECT id FROM reducer\n"
        "WHERE name = :name AND mode = :mode AND protocol = :protocol)";
    static const char sql_demote[] =
        "UPDATE reducer SET current = 0 WHERE name = :name AND mode = :mode\n"
        "AND protocol = :protocol AND current = 1";
    sqlite3_stmt *q = db_use(w->db, sql_forget);
    bind_who(q, w, t);
    db_run(q);
    q = db_use(w->db, sql_demote);
    bind_who(q, w, t);
    db_run(q);
}

static int64_t put_reducer(const struct work *w, struct task *t)
{
    static const char sql_put[] =
        "INSERT INTO reducer (name, feature_digest, mode, inputs, n_in, n_out, weights, epochs,\n"
        "val_loss, val_auc, current, protocol, choice_loss) VALUES (:name, :digest, :mode,\n"
        ":inputs, :n_in, :n_out, :weights, :epochs, :loss, :auc, 1, :protocol, :choice)\n"
        "ON CONFLICT (name, feature_digest, mode) DO UPDATE SET current = 1,\n"
        "protocol = excluded.protocol, choice_loss = excluded.choice_loss RETURNING id";
    const struct trainer_epoch *best = &t->fit.result.best;
    sqlite3_stmt *q = db_use(w->db, sql_put);
    bind_who(q, w, t);
    db_blob(q, ":digest", t->digest, sizeof t->digest);
    db_text(q, ":inputs", buf_str(&t->inputs));
    db_int(q, ":n_in", t->n_in);
    db_int(q, ":n_out", BLOCK_DIM);
    db_blob(q, ":weights", t->fit.weights.data ? t->fit.weights.data : "", t->fit.weights.len);
    db_int(q, ":epochs", best->epoch);
    db_real(q, ":loss", t->any ? best->val_loss : 0.0 / 0.0);
    db_real(q, ":auc", t->any ? best->val_auc : 0.0 / 0.0);
    db_real(q, ":choice", t->any ? t->fit.choice_loss : 0.0 / 0.0);
    return db_one_int(q, 0);
}

static int known(const struct task *t, int i)
{
    for (int k = 0; k < t->b.n_inputs; k++)
        if (t->m[k].of[i] >= 0)
            return 1;
    return 0;
}

/* All of one block in one transaction: reduced rows are there for every review or for none. */
static void store(struct work *w, struct task *t)
{
    static const char sql_put[] =
        "INSERT INTO reduced (reducer_id, review_id, known, vec)\n"
        "VALUES (:reducer, :review, :known, :vec)";
    static const float zero[BLOCK_DIM];
    db_begin(w->db);
    forget(w, t);
    int64_t id = put_reducer(w, t);
    for (int i = 0; i < w->d->n; i++) {
        int k = known(t, i);
        sqlite3_stmt *q = db_use(w->db, sql_put);
        db_int(q, ":reducer", id);
        db_int(q, ":review", w->d->review[i]);
        db_int(q, ":known", k);
        vec_bind(q, ":vec", k ? t->fit.features + (size_t)i * BLOCK_DIM : zero, BLOCK_DIM);
        db_run(q);
    }
    stage_unfail(w->s, t->name);
    db_commit(w->db);
    w->s->done += w->d->n;
    info("%s (%s, %s): %s -> %d, %s", t->name, reduce_mode_name[t->mode],
         dataset_protocol_name[w->d->protocol], buf_str(&t->inputs), BLOCK_DIM,
         t->any ? "fitted" : "nothing to see in any row: zero vectors");
}

static void fail(struct work *w, struct task *t, const char *why)
{
    db_begin(w->db);
    forget(w, t);
    stage_fail(w->s, t->name, why, 1);
    db_commit(w->db);
    warn("%s", why);
}

/* ---- one protocol ---- */

static void fit_all(struct work *w)
{
    struct reduce_fit *fit = xcalloc((size_t)w->n, sizeof *fit);
    int n = 0;
    for (int i = 0; i < w->n; i++) {
        struct task *t = &w->task[i];
        if (!t->done_already && !t->err.text[0] && t->any) {
            drop_empty(t);
            fit[n++] = (struct reduce_fit){.d = w->d, .samples = &t->samples, .mode = t->mode,
                                           .dir = w->dir};
        }
    }
    reduce_run(fit, n, (int)w->s->opts->threads, stage_interrupted);
    n = 0;
    for (int i = 0; i < w->n; i++) {
        struct task *t = &w->task[i];
        if (!t->done_already && !t->err.text[0] && t->any)
            t->fit = fit[n++];
        if (stage_interrupted() || t->done_already)
            continue;
        if (t->err.text[0] || t->fit.failed)
            fail(w, t, t->err.text[0] ? t->err.text : t->fit.err.text);
        else
            store(w, t);
    }
    free(fit);
}

static void gather_all(struct work *w)
{
    for (int i = 0; i < w->n && !stage_interrupted(); i++) {
        struct task *t = &w->task[i];
        struct err e = {{0}};
        if (gather(w, t, &e) < 0) {
            err_set(&t->err, "%s", e.text);
            continue;
        }
        digest(t, w->d);
        t->done_already = complete(w, t);
    }
}

static void release(struct work *w)
{
    for (int i = 0; i < w->n; i++) {
        for (int k = 0; k < BLOCK_INPUTS; k++)
            entity_release(&w->task[i].m[k]);
        buf_release(&w->task[i].inputs);
        reduce_release(&w->task[i].fit);
    }
    free(w->task);
    free(w->dir);
}

static void run_protocol(struct stage *s, enum dataset_protocol protocol)
{
    struct err e;
    struct dataset *d = dataset_new(s->db, protocol, &e);
    if (!d)
        die("%s: %s", db_path(s->db), e.text);
    struct work w = {.s = s, .db = s->db, .d = d, .dir = features_dir(s->db)};
    list_tasks(&w);
    if (!s->opts->plan)
        db_begin(s->db); /* what entity_read writes to table reading */
    gather_all(&w);
    if (s->opts->plan)
        for (int i = 0; i < w.n; i++)
            stage_plan(s, w.task[i].name, w.task[i].done_already ? 0 : d->n,
                       "its inputs changed");
    else if (stage_interrupted())
        db_rollback(s->db);
    else {
        db_commit(s->db);
        fit_all(&w);
    }
    release(&w);
    dataset_free(d);
}

static int asked(struct db *db, enum dataset_protocol protocol)
{
    static const char sql_asked[] =
        "SELECT EXISTS (SELECT 1 FROM experiment WHERE protocol = :protocol)";
    sqlite3_stmt *q = db_use(db, sql_asked);
    db_text(q, ":protocol", dataset_protocol_name[protocol]);
    return (int)db_one_int(q, 0);
}

static int run(struct db *db, const struct opts *o)
{
    static const char sql_forget_readings[] = "DELETE FROM reading WHERE what <> 'summary'";
    struct stage s;
    struct err e;
    stage_begin(&s, db, "reduce", o);
    if (o->plan && stage_fresh(db, stage_find("reduce"), NULL))
        return stage_end(&s);
    /* The experiments say which models there are, and those which blocks are wanted. */
    if (!o->plan && grid_rows(db, &e) < 0)
        die_usage("%s", e.text);
    if (!o->plan)
        db_run(db_use(db, sql_forget_readings)); /* all of it is read anew */
    for (int p = 0; p < DATASET_PROTOCOLS && !stage_interrupted(); p++)
        if (asked(db, (enum dataset_protocol)p))
            run_protocol(&s, (enum dataset_protocol)p);
    return stage_end(&s);
}

int main(int argc, char **argv)
{
    struct opts o = opts_default;
    const struct opt_def defs[] = {{0}};
    int first = opts_parse(argc, argv, &about, defs, &o);
    if (argv[first])
        die_usage("no arguments are taken, got '%s'", argv[first]);
    blas_single_thread();
    struct db *db = stage_open(&o, 0);
    if (!db)
        return close_stdout(EXIT_FAILED);
    int status = run(db, &o);
    db_close(db);
    return close_stdout(status);
}
