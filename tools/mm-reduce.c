/* SPDX-License-Identifier: MIT */
/* mm-reduce: fits the upstream MLPs on the train rows and gives every labelled review its 32
 * numbers. One early-stopped reducer a block serves all folds (mode "single"): the rows of a
 * fold are described by the other folds' texts, so one network sees them all on one set of
 * axes. */
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
#include "train/grid.h"
#include "train/metrics.h"
#include "train/mlp.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define REDUCE_VERSION 1
#define SEED 1

static const struct opts_about about = {
    "mm-reduce", "[options]", "Fits the upstream MLPs and reduces every review to 32 numbers."};

struct block {
    const char *name;
    enum entity_what input[4];
    int n_inputs;
};

/* The paper's: 768 -> 32 from two summaries, 384 -> 32 from captions; for the baseline the
 * averaged reviews and the photos. */
static const struct block block_table[] = {
    {"text", {ENTITY_USER_SUMMARY, ENTITY_BUSINESS_SUMMARY}, 2},
    {"image", {ENTITY_CAPTIONS}, 1},
    {"average", {ENTITY_USER_TEXTS, ENTITY_BUSINESS_TEXTS, ENTITY_PHOTOS}, 3}};

enum { BLOCKS = ARRAY_LEN(block_table) };

struct fit {
    const struct block *b;
    const struct dataset *d;
    struct entity_matrix m[4];
    struct samples_block part[4];
    int *row[4];              /* [d->n] into m[k] */
    struct samples samples;
    unsigned char digest[SHA256_BYTES]; /* of all that the fit reads */
    struct buf inputs;        /* "user summary 384, business summary 384" */
    int n_in, any, known_already;
    /* result */
    struct buf weights;
    float *features;          /* [d->n, 32] */
    struct trainer_result result;
    double val_auc;
    int failed;
    struct err err;
};

/* ---- what goes in ---- */

static int gather(struct fit *f, struct db *db, int record, struct err *e)
{
    const struct dataset *d = f->d;
    for (int k = 0; k < f->b->n_inputs; k++) {
        const struct entity_input *in = &entity_inputs[f->b->input[k]];
        if (entity_read(&f->m[k], d, db, in, record, e) < 0)
            return -1;
        f->row[k] = xcalloc((size_t)d->n, sizeof *f->row[k]);
        for (int i = 0; i < d->n; i++) {
            int v = d->view[in->side][i];
            f->row[k][i] = v < 0 ? -1 : f->m[k].row[v];
            f->any |= f->row[k][i] >= 0;
        }
        f->part[k] = (struct samples_block){.rows = f->m[k].rows, .n_rows = f->m[k].n_rows,
                                            .dim = f->m[k].dim, .row = f->row[k]};
        f->n_in += f->m[k].dim;
        buf_addf(&f->inputs, "%s%s %d", k ? ", " : "", in->name, f->m[k].dim);
    }
    f->samples = (struct samples){.n = d->n, .label = d->label, .n_blocks = f->b->n_inputs,
                                  .blocks = f->part};
    return 0;
}

static void digest(struct fit *f)
{
    struct sha256 *h = sha256_new();
    char head[128];
    int n = snprintf(head, sizeof head, "%s %d %d %d", f->b->name, REDUCE_VERSION, SEED, f->d->n);
    sha256_add_field(h, head, (size_t)n);
    sha256_add_field(h, f->inputs.data, f->inputs.len);
    sha256_add_field(h, f->d->label, (size_t)f->d->n);
    sha256_add_field(h, f->d->split, (size_t)f->d->n);
    for (int k = 0; k < f->b->n_inputs; k++) {
        sha256_add_field(h, f->row[k], (size_t)f->d->n * sizeof **f->row);
        sha256_add_field(h, f->m[k].rows,
                         (size_t)f->m[k].n_rows * (size_t)f->m[k].dim * sizeof(float));
    }
    sha256_end(f->digest, h);
    sha256_free(h);
}

static int complete(struct fit *f, struct db *db)
{
    static const char sql_done[] =
        "SELECT count(*) FROM reduced x JOIN reducer r ON r.id = x.reducer_id\n"
        "WHERE r.name = :name AND r.feature_digest = :digest AND r.mode = 'single'\n"
        "AND r.current = 1";
    sqlite3_stmt *q = db_use(db, sql_done);
    db_text(q, ":name", f->b->name);
    db_blob(q, ":digest", f->digest, sizeof f->digest);
    return db_one_int(q, 0) == f->d->n;
}

/* ---- the fit, on its own thread ---- */

static int train(struct fit *f, struct mlp *m, struct err *e)
{
    struct trainer_options o = {TRAINER_MLP, .seed = SEED, .weighting = TRAINER_NONE};
    o.batch = 256; /* small: a few epochs are all that early stopping leaves */
    struct trainer_model table = mlp_model(m);
    struct trainer *t = trainer_new(&table, f->d->ids[DATASET_TRAIN], f->d->n_ids[DATASET_TRAIN],
                                    f->d->ids[DATASET_VAL], f->d->n_ids[DATASET_VAL], &o, e);
    if (!t)
        return -1;
    struct trainer_epoch rec;
    int more;
    while ((more = trainer_epoch(t, &rec, e)) > 0 && !stage_interrupted())
        ;
    trainer_result(t, &f->result);
    f->val_auc = f->result.best.val_auc;
    trainer_free(t);
    return more < 0 ? -1 : 0;
}

static void *fit_thread(void *arg)
{
    struct fit *f = arg;
    struct mlp_config c = {MLP_DEFAULTS, .in = f->n_in, .dropout = 0.3f};
    struct mlp *m = mlp_new(&c, SEED, &f->err);
    f->failed = !m || samples_check(&f->samples, &f->err) < 0 ||
                mlp_bind(m, &f->samples, &f->err) < 0 || train(f, m, &f->err) < 0;
    if (!f->failed) {
        int *all = xcalloc((size_t)f->d->n, sizeof *all);
        for (int i = 0; i < f->d->n; i++)
            all[i] = i;
        f->features = xcalloc((size_t)f->d->n * (size_t)c.features, sizeof *f->features);
        mlp_features(m, f->features, all, f->d->n);
        free(all);
        mlp_save(m, &f->weights);
    }
    mlp_free(m);
    return NULL;
}

/* ---- what comes out ---- */

static int64_t put_reducer(struct fit *f, struct db *db)
{
    static const char sql_demote[] =
        "UPDATE reducer SET current = 0 WHERE name = :name AND current = 1";
    static const char sql_forget[] =
        "DELETE FROM reduced WHERE reducer_id IN (SELECT id FROM reducer WHERE name = :name)";
    static const char sql_put[] =
        "INSERT INTO reducer (name, feature_digest, mode, inputs, n_in, n_out, weights, epochs,\n"
        "val_loss, val_auc, current) VALUES (:name, :digest, 'single', :inputs, :n_in, 32,\n"
        ":weights, :epochs, :loss, :auc, 1) ON CONFLICT (name, feature_digest, mode)\n"
        "DO UPDATE SET current = 1 RETURNING id";
    sqlite3_stmt *q = db_use(db, sql_demote);
    db_text(q, ":name", f->b->name);
    db_run(q);
    q = db_use(db, sql_forget); /* rows of older reducers can be made again from their weights */
    db_text(q, ":name", f->b->name);
    db_run(q);
    q = db_use(db, sql_put);
    db_text(q, ":name", f->b->name);
    db_blob(q, ":digest", f->digest, sizeof f->digest);
    db_text(q, ":inputs", buf_str(&f->inputs));
    db_int(q, ":n_in", f->n_in);
    db_blob(q, ":weights", f->weights.data ? f->weights.data : "", f->weights.len);
    db_int(q, ":epochs", f->result.best.epoch);
    db_real(q, ":loss", f->any ? f->result.best.val_loss : 0.0 / 0.0);
    db_real(q, ":auc", f->any ? f->val_auc : 0.0 / 0.0);
    return db_one_int(q, 0);
}

static int known(const struct fit *f, int i)
{
    for (int k = 0; k < f->b->n_inputs; k++)
        if (f->row[k][i] >= 0)
            return 1;
    return 0;
}

/* All of one block in one transaction: reduced rows are there for every review or for none. */
static void store(struct fit *f, struct stage *s)
{
    static const char sql_put[] =
        "INSERT INTO reduced (reducer_id, review_id, known, vec)\n"
        "VALUES (:reducer, :review, :known, :vec)";
    static const float zero[32];
    db_begin(s->db);
    int64_t id = put_reducer(f, s->db);
    for (int i = 0; i < f->d->n; i++) {
        int k = known(f, i);
        sqlite3_stmt *q = db_use(s->db, sql_put);
        db_int(q, ":reducer", id);
        db_int(q, ":review", f->d->review[i]);
        db_int(q, ":known", k);
        vec_bind(q, ":vec", k ? f->features + (size_t)i * 32 : zero, 32);
        db_run(q);
    }
    db_commit(s->db);
    s->done += f->d->n;
    info("%s: %s -> 32, %s", f->b->name, buf_str(&f->inputs),
         f->any ? "fitted" : "nothing to see in any row: zero vectors");
}

static void release(struct fit *f)
{
    for (int k = 0; k < f->b->n_inputs; k++) {
        entity_release(&f->m[k]);
        free(f->row[k]);
    }
    buf_release(&f->inputs);
    buf_release(&f->weights);
    free(f->features);
}

static void fit_all(struct fit *f, struct stage *s)
{
    pthread_t thread[BLOCKS];
    int started[BLOCKS] = {0};
    for (int i = 0; i < BLOCKS; i++) {
        started[i] = !f[i].known_already && f[i].any;
        if (started[i] && pthread_create(&thread[i], NULL, fit_thread, &f[i]) != 0)
            die("cannot start a thread");
        if (started[i] && s->opts->threads == 1)
            pthread_join(thread[i], NULL);
    }
    for (int i = 0; i < BLOCKS; i++) {
        if (started[i] && s->opts->threads > 1)
            pthread_join(thread[i], NULL);
        if (f[i].known_already || stage_interrupted())
            continue;
        if (f[i].failed) {
            db_begin(s->db);
            stage_fail(s, f[i].b->name, f[i].err.text, 0);
            db_commit(s->db);
        } else
            store(&f[i], s);
    }
}

static const char sql_forget_readings[] = "DELETE FROM reading WHERE what <> 'summary'";

static int run(struct db *db, const struct opts *o)
{
    struct stage s;
    struct err e;
    struct fit f[BLOCKS] = {{0}};
    char *protocol = setting_value(db, "PROTOCOL");
    if (strcmp(protocol, "crossfit") != 0)
        die_usage("PROTOCOL=%s: this build has crossfit only", protocol);
    free(protocol);
    struct dataset *d = dataset_new(db, &e);
    if (!d)
        die("%s: %s", db_path(db), e.text);
    stage_begin(&s, db, "reduce", o);
    /* The experiments say which models there are, and those which blocks are wanted. */
    if (!o->plan && grid_rows(db, &e) < 0)
        die_usage("%s", e.text);
    if (!o->plan) {
        db_begin(db); /* entity_read writes what it reads, all of it anew */
        db_run(db_use(db, sql_forget_readings));
    }
    for (int i = 0; i < BLOCKS; i++) {
        f[i].b = &block_table[i];
        f[i].d = d;
        if (gather(&f[i], db, !o->plan, &e) < 0 && !stage_interrupted())
            die("%s", e.text);
        if (stage_interrupted())
            break;
        digest(&f[i]);
        f[i].known_already = complete(&f[i], db);
    }
    if (o->plan)
        for (int i = 0; i < BLOCKS; i++)
            stage_plan(&s, f[i].b->name, f[i].known_already ? 0 : d->n, "its inputs changed");
    else if (stage_interrupted())
        db_rollback(db);
    else {
        db_commit(db);
        fit_all(f, &s);
    }
    for (int i = 0; i < BLOCKS; i++)
        release(&f[i]);
    dataset_free(d);
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
