/* SPDX-License-Identifier: MIT */
#include "train/reduce.h"
#include "base/util.h"
#include "train/logistic.h"
#include "train/mlp.h"
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define DIM BLOCK_DIM
#define CHUNK 1024 /* rows at a time */
#define EVERYONE (-1)
#define CHOICE_C 0.01 /* as for wide inputs in run.c */

const char *const reduce_mode_name[REDUCE_MODES] = {"single", "folds"};

enum reduce_mode reduce_mode_for(enum dataset_protocol protocol, const char *reduction,
                                 const char *kind, const char *stopping)
{
    if (protocol == DATASET_PAPER)
        return REDUCE_SINGLE;
    for (int m = 0; m < REDUCE_MODES; m++)
        if (strcmp(reduction, reduce_mode_name[m]) == 0)
            return (enum reduce_mode)m;
    return strcmp(kind, "dlrm") == 0 && strcmp(stopping, "fpr") == 0 ? REDUCE_SINGLE
                                                                      : REDUCE_FOLDS;
}

/* LAPACK, in OpenBLAS: a = u s vt, all column-major. */
void dgesvd_(const char *jobu, const char *jobvt, const int *m, const int *n, double *a,
             const int *lda, double *s, double *u, const int *ldu, double *vt, const int *ldvt,
             double *work, const int *lwork, int *info);

/* One network of a fit. */
struct net {
    struct reduce_fit *fit;
    int fold; /* that it must not see, or EVERYONE sees all */
    struct mlp *m;
    struct trainer_result result;
    int failed;
    struct err err;
};

struct pool {
    struct net *net;
    int n, next; /* next: under lock */
    int (*stop)(void);
    pthread_mutex_t lock;
};

/* ---- one network ---- */

static int *train_rows(int *n, const struct dataset *d, int fold)
{
    int *ids = xcalloc((size_t)d->n_ids[DATASET_TRAIN], sizeof *ids);
    *n = 0;
    for (int i = 0; i < d->n_ids[DATASET_TRAIN]; i++)
        if (fold == EVERYONE || d->fold[d->ids[DATASET_TRAIN][i]] != fold)
            ids[(*n)++] = d->ids[DATASET_TRAIN][i];
    return ids;
}

static int train(struct net *net, int (*stop)(void), struct err *e)
{
    const struct dataset *d = net->fit->d;
    struct trainer_options o = {TRAINER_MLP, .seed = REDUCE_SEED, .weighting = TRAINER_NONE};
    o.batch = 256; /* small: a few epochs are all that early stopping leaves */
    struct trainer_model table = mlp_model(net->m);
    int n, more = -1, *ids = train_rows(&n, d, net->fold);
    struct trainer *t = trainer_new(&table, ids, n, d->ids[DATASET_VAL], d->n_ids[DATASET_VAL],
                                    &o, e);
    free(ids);
    if (!t)
        return -1;
    struct trainer_epoch rec;
    while ((more = trainer_epoch(t, &rec, e)) > 0)
        if (stop && stop()) {
            more = err_set(e, "interrupted");
            break;
        }
    trainer_result(t, &net->result);
    trainer_free(t);
    return more < 0 ? -1 : 0;
}

static void fit_net(struct net *net, int (*stop)(void))
{
    struct mlp_config c = {MLP_DEFAULTS, .dropout = 0.3f};
    c.in = samples_width(net->fit->samples);
    c.features = DIM;
    net->m = mlp_new(&c, REDUCE_SEED, &net->err);
    net->failed = !net->m || samples_check(net->fit->samples, &net->err) < 0 ||
                  mlp_bind(net->m, net->fit->samples, &net->err) < 0 ||
                  train(net, stop, &net->err) < 0;
}

static void *work(void *arg)
{
    struct pool *w = arg;
    for (;;) {
        pthread_mutex_lock(&w->lock);
        int i = w->next < w->n ? w->next++ : -1;
        pthread_mutex_unlock(&w->lock);
        if (i < 0)
            return NULL;
        fit_net(&w->net[i], w->stop);
    }
}

static void fit_nets(struct pool *w, int threads)
{
    pthread_t *t = xcalloc((size_t)threads, sizeof *t);
    for (int i = 0; i < threads; i++)
        if (pthread_create(&t[i], NULL, work, w) != 0)
            die("cannot start a thread");
    for (int i = 0; i < threads; i++)
        pthread_join(t[i], NULL);
    free(t);
}

/* ---- rows ---- */

static int known(const struct samples *s, int row)
{
    for (int b = 0; b < s->n_blocks; b++)
        if (samples_vector(s, b, row))
            return 1;
    return 0;
}

/* The next chunk of known rows, from *at on, of a fold or of all; how many. */
static int next_rows(int *ids, int *at, const struct reduce_fit *f, int fold, int train_only)
{
    const struct dataset *d = f->d;
    int n = 0;
    for (; *at < d->n && n < CHUNK; ++*at) {
        int is_train = d->split[*at] == DATASET_TRAIN;
        if ((train_only && !is_train) || !known(f->samples, *at))
            continue;
        if (fold == EVERYONE || (is_train && d->fold[*at] == fold))
            ids[n++] = *at;
    }
    return n;
}

/* R [DIM,DIM], row-major, from c = H_k^T H. */
static int rotation(float *R, double *c, struct err *e)
{
    int n = DIM, room = 64 * DIM, info;
    double s[DIM], u[DIM * DIM], vt[DIM * DIM], space[64 * DIM];
    double a[DIM * DIM];
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            a[j * n + i] = c[i * n + j];
    dgesvd_("A", "A", &n, &n, a, &n, s, u, &n, vt, &n, space, &room, &info);
    if (info != 0)
        return err_set(e, "the networks of two folds cannot be aligned (dgesvd: %d)", info);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            double sum = 0;
            for (int k = 0; k < n; k++)
                sum += u[k * n + i] * vt[j * n + k];
            R[i * n + j] = (float)sum;
        }
    return 0;
}

/* The rotation of a fold's network onto the one for all, over the known train rows. */
static int align(float *R, struct net *one, struct net *all, struct err *e)
{
    int *ids = xcalloc(CHUNK, sizeof *ids), n, at = 0;
    float *h = xcalloc((size_t)CHUNK * DIM, sizeof *h);
    float *to = xcalloc((size_t)CHUNK * DIM, sizeof *to);
    double *c = xcalloc((size_t)DIM * DIM, sizeof *c);
    while ((n = next_rows(ids, &at, all->fit, EVERYONE, 1)) > 0) {
        mlp_features(one->m, h, ids, n);
        mlp_features(all->m, to, ids, n);
        for (int r = 0; r < n; r++)
            for (int i = 0; i < DIM; i++)
                for (int j = 0; j < DIM; j++)
                    c[i * DIM + j] += (double)h[r * DIM + i] * (double)to[r * DIM + j];
    }
    int rc = rotation(R, c, e);
    free(ids);
    free(h);
    free(to);
    free(c);
    return rc;
}

static void turn(float *to, const float *h, const float *R)
{
    for (int j = 0; j < DIM; j++) {
        double sum = 0;
        for (int i = 0; i < DIM; i++)
            sum += (double)h[i] * (double)R[i * DIM + j];
        to[j] = (float)sum;
    }
}

/* Rows of a fold (EVERYONE: all rows) through a network into the fit's features. */
static void apply(struct net *net, const float *R)
{
    struct reduce_fit *f = net->fit;
    int *ids = xcalloc(CHUNK, sizeof *ids), n, at = 0;
    float *h = xcalloc((size_t)CHUNK * DIM, sizeof *h);
    while ((n = next_rows(ids, &at, f, net->fold, 0)) > 0) {
        mlp_features(net->m, h, ids, n);
        for (int r = 0; r < n; r++) {
            float *to = (float *)f->file.data + (size_t)ids[r] * DIM;
            if (R)
                turn(to, h + (size_t)r * DIM, R);
            else
                memcpy(to, h + (size_t)r * DIM, DIM * sizeof *to);
        }
    }
    free(ids);
    free(h);
}

/* ---- the choice ---- */

static void train_row(float *x, void *ctx, int i)
{
    const struct reduce_fit *f = ctx;
    memcpy(x, f->features + (size_t)f->d->ids[DATASET_TRAIN][i] * DIM, DIM * sizeof *x);
}

static double judge(const struct reduce_fit *f)
{
    const struct dataset *d = f->d;
    int n = d->n_ids[DATASET_TRAIN];
    unsigned char *label = xcalloc((size_t)n, 1);
    struct logistic_rows rows = {train_row, (void *)f, label, n, DIM};
    struct logistic m;
    struct err e;
    double sum = 0;
    for (int i = 0; i < n; i++)
        label[i] = d->label[d->ids[DATASET_TRAIN][i]];
    int rc = logistic_fit(&m, &rows, CHOICE_C, &e);
    for (int i = 0; i < d->n_ids[DATASET_VAL] && rc == 0; i++) {
        int row = d->ids[DATASET_VAL][i];
        double z = (double)logistic_logit(&m, f->features + (size_t)row * DIM);
        sum += log1p(exp(-fabs(z))) + (z > 0 ? z : 0) - z * d->label[row];
    }
    if (rc == 0)
        logistic_release(&m);
    free(label);
    return rc == 0 ? sum / d->n_ids[DATASET_VAL] : (double)NAN;
}

/* net[0] is the one for all, the others are the folds'. */
static int assemble(struct reduce_fit *f, struct net *net, int n, struct err *e)
{
    for (int i = 0; i < n; i++)
        if (net[i].failed)
            return err_set(e, "%s", net[i].err.text);
    if (mapped_temp(&f->file, f->dir, (size_t)f->d->n * DIM * sizeof(float), e) < 0)
        return -1;
    f->features = f->file.data;
    f->result = net[0].result;
    mlp_save(net[0].m, &f->weights);
    apply(&net[0], NULL);
    for (int i = 1; i < n; i++) {
        float R[DIM * DIM];
        if (align(R, &net[i], &net[0], e) < 0)
            return -1;
        mlp_save(net[i].m, &f->weights);
        buf_add(&f->weights, R, sizeof R);
        apply(&net[i], R);
    }
    f->choice_loss = judge(f);
    return 0;
}

static int has_fold(const struct dataset *d, int fold)
{
    for (int i = 0; i < d->n_ids[DATASET_TRAIN]; i++)
        if (d->fold[d->ids[DATASET_TRAIN][i]] == fold)
            return 1;
    return 0;
}

void reduce_run(struct reduce_fit *fit, int n, int threads, int (*stop)(void))
{
    struct pool w = {.stop = stop, .lock = PTHREAD_MUTEX_INITIALIZER};
    int *first = xcalloc((size_t)n + 1, sizeof *first);
    for (int i = 0; i < n; i++) {
        int folds = fit[i].mode == REDUCE_FOLDS ? fit[i].d->folds : 0;
        first[i] = w.n;
        w.net = xrealloc(w.net, (size_t)(w.n + 1 + folds), sizeof *w.net);
        for (int k = EVERYONE; k < folds; k++)
            if (k == EVERYONE || has_fold(fit[i].d, k))
                w.net[w.n++] = (struct net){.fit = &fit[i], .fold = k};
    }
    first[n] = w.n;
    fit_nets(&w, threads);
    for (int i = 0; i < n; i++)
        fit[i].failed = assemble(&fit[i], w.net + first[i], first[i + 1] - first[i],
                                 &fit[i].err) < 0;
    for (int i = 0; i < w.n; i++)
        mlp_free(w.net[i].m);
    free(w.net);
    free(first);
}

void reduce_release(struct reduce_fit *fit)
{
    mapped_release(&fit->file);
    buf_release(&fit->weights);
    fit->features = NULL;
}
