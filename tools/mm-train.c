/* SPDX-License-Identifier: MIT */
/* mm-train: trains every experiment row that has no result on the present features, several
 * at once; results, curves and predictions become rows. */
#include "base/buf.h"
#include "base/opts.h"
#include "base/progress.h"
#include "base/util.h"
#include "db/db.h"
#include "db/setting.h"
#include "db/stage.h"
#include "nn/blas.h"
#include "train/compare.h"
#include "train/experiment.h"
#include "train/grid.h"
#include "train/merge.h"
#include "train/probe.h"
#include "train/results.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static const struct opts_about about = {
    "mm-train", "[options]", "Trains every experiment that has no result on the present data."};

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
    struct experiments *all;
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
        struct run_job job = {.f = x->f, .d = x->d, .dropout = (float)x->dropout,
                              .seed = (uint64_t)x->seed, .lr = x->lr, .batch = (int)x->batch,
                              .decay = x->decay, .stopping = !strcmp(x->stopping, "loss")
                                  ? TRAINER_BY_LOSS : TRAINER_BY_FPR,
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
        while (w->next < w->all->n && w->all->row[w->next].have)
            w->next++;
        int i = stage_interrupted() || w->next >= w->all->n ? -1 : w->next++;
        if (i < 0) {
            w->busy--;
            pthread_cond_signal(&w->news);
        }
        pthread_mutex_unlock(&w->lock);
        if (i < 0)
            return NULL;
        train_one(w, &w->all->row[i]);
    }
}

/* ---- results to rows ---- */

static void put_done(struct stage *s, struct message *m)
{
    const struct experiment *x = m->x;
    char *item = xasprintf("run %s %s %s %g seed %lld%s%s", dataset_protocol_name[x->protocol],
                           x->model, x->weighting, x->dropout, (long long)x->seed,
                           strcmp(x->stopping, "fpr") ? " by " : "",
                           strcmp(x->stopping, "fpr") ? x->stopping : "");
    results_put(s->db, x, &m->result, m->failed ? m->err.text : NULL, m->seconds);
    results_forget_checkpoint(s->db, x);
    if (m->failed)
        stage_fail(s, item, m->err.text, 1);
    else {
        stage_unfail(s, item);
        s->done++;
    }
    free(item);
}

static void write_message(struct stage *s, struct message *m)
{
    if (!m->result.interrupted) {
        db_begin(s->db);
        if (m->checkpoint_epoch)
            results_put_checkpoint(s->db, m->x, m->checkpoint_epoch, &m->state);
        else
            put_done(s, m);
        db_commit(s->db);
    }
    buf_release(&m->state);
    run_result_release(&m->result);
    free(m);
}

static void train_all(struct stage *s, struct experiments *x, double every_s)
{
    int threads = (int)s->opts->threads;
    pthread_t *t = xcalloc((size_t)threads, sizeof *t);
    struct pool w = {.all = x, .checkpoint_s = every_s, .busy = threads,
                     .lock = PTHREAD_MUTEX_INITIALIZER, .news = PTHREAD_COND_INITIALIZER};
    struct progress bar;
    int finished = 0;
    w.tail = &w.head;
    progress_start(&bar, "runs", x->n_pending);
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
        write_message(s, m);
        progress_set(&bar, finished);
    }
    progress_end(&bar);
    for (int i = 0; i < threads; i++)
        pthread_join(t[i], NULL);
    free(t);
}

/* --limit: the first `left` of the pending ones. */
static void cut_to(struct stage *s, struct experiments *x)
{
    if (s->left < 0 || s->left >= x->n_pending)
        return;
    s->cut = 1;
    for (int i = x->n - 1; i >= 0 && x->n_pending > s->left; i--)
        if (!x->row[i].have) {
            x->row[i].have = 1;
            x->n_pending--;
        }
}

struct shard {
    int i, n;        /* part i of n, from 0 */
    const char *out; /* the part file, or NULL */
};

/* What is asked of all runs together; a shard leaves it to whoever has them all. */
static int measure(const struct experiments *x, struct db *db, int threads, struct err *e)
{
    return probe_all(x, db, e) < 0 ? -1 : compare_all(db, threads, e);
}

static int run(struct db *db, const struct opts *o, const struct shard *part, double every_s)
{
    struct stage s;
    struct err e;
    struct experiments x;
    stage_begin(&s, db, "train", o);
    if (!o->plan && part->out && merge_check_new(part->out, &e) < 0)
        die("%s", e.text); /* now, not after hours of training */
    if (!o->plan && grid_rows(db, &e) < 0)
        die_usage("%s", e.text);
    if (experiments_read(&x, db, part->i, part->n, &e) < 0)
        die("%s: %s", db_path(db), e.text);
    stage_plan(&s, "runs", o->plan ? x.n_pending : 0, "no result on the present features");
    if (!o->plan) {
        experiments_mark(&x, db);
        cut_to(&s, &x);
        s.cut |= part->n > 1;
        train_all(&s, &x, every_s);
        if (part->n == 1 && !stage_interrupted() && measure(&x, db, (int)o->threads, &e) < 0)
            die("%s: %s", db_path(db), e.text);
        if (part->out && !stage_interrupted() && merge_part(db, part->out, &e) < 0)
            die("%s", e.text);
    }
    experiments_release(&x);
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

/* "2/8" */
static void parse_shard(struct shard *part, const char *text)
{
    struct err e;
    int64_t i, n;
    char *copy = xstrdup(text), *slash = strchr(copy, '/');
    if (slash)
        *slash++ = 0;
    if (!slash || parse_int(&n, slash, 1, 100000, &e) < 0 || parse_int(&i, copy, 1, n, &e) < 0)
        die_usage("--shard: '%s' is not I/N with 1 <= I <= N", text);
    part->i = (int)i - 1;
    part->n = (int)n;
    free(copy);
}

int main(int argc, char **argv)
{
    struct opts o = opts_default;
    struct shard part = {0, 1, NULL};
    const char *experiment = NULL, *seeds = NULL, *shard = NULL;
    double every_s = 30;
    const struct opt_def defs[] = {
        {"experiment", OPT_STRING, &experiment, 0, 0, "NAME", "quick, paper or a file of rows"},
        {"seeds", OPT_STRING, &seeds, 0, 0, "N", "training seeds of each cell"},
        {"checkpoint-every", OPT_DOUBLE, &every_s, 0, 86400, "S", "seconds between checkpoints"},
        {"shard", OPT_STRING, &shard, 0, 0, "I/N", "only the I-th of N parts of the grid"},
        {"out", OPT_STRING, &part.out, 0, 0, "PART.db", "write its runs there, for mm-merge"},
        {0}};
    int first = opts_parse(argc, argv, &about, defs, &o);
    if (argv[first])
        die_usage("no arguments are taken, got '%s'", argv[first]);
    if (shard)
        parse_shard(&part, shard);
    blas_single_thread();
    struct db *db = stage_open(&o, 0);
    if (!db)
        return close_stdout(EXIT_FAILED);
    if (!o.plan) {
        remember(db, "EXPERIMENT", experiment);
        remember(db, "SEEDS", seeds);
    }
    int status = run(db, &o, &part, every_s);
    db_close(db);
    return close_stdout(status);
}
