/* SPDX-License-Identifier: MIT */
#include "train/run.h"
#include "base/util.h"
#include "train/baseline.h"
#include "train/dlrm.h"
#include "train/logistic.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DAMPING 5.0
/* scikit-learn's C: narrow inputs need little regularisation, wide ones much. */
#define C_NARROW 1.0
#define C_WIDE 0.01
#define NARROW 16
/* Stopping by validation loss: any epoch counts, and overfitting shows within a few. */
#define LOSS_PATIENCE 20
#define LOSS_EPOCHS 500

static void sigmoid(float *z, int n)
{
    for (int i = 0; i < n; i++)
        z[i] = (float)(1 / (1 + exp(-(double)z[i])));
}

static int *all_rows(const struct dataset *d)
{
    int *ids = xcalloc((size_t)d->n, sizeof *ids);
    for (int i = 0; i < d->n; i++)
        ids[i] = i;
    return ids;
}

/* ---- DLRM ---- */

/* A checkpoint is the epochs so far and the trainer's state. */
static void save(const struct run_result *r, const struct trainer *t, struct buf *to)
{
    int64_t n = r->n_epochs;
    buf_add(to, &n, sizeof n);
    buf_add(to, r->epochs, (size_t)n * sizeof *r->epochs);
    trainer_save(t, to);
}

static int resume(struct run_result *r, struct trainer *t, const struct run_job *job,
                  struct err *e)
{
    const char *p = job->resume;
    size_t left = job->resume_bytes;
    int64_t n;
    if (left < sizeof n)
        return err_set(e, "checkpoint is cut");
    memcpy(&n, p, sizeof n);
    p += sizeof n;
    left -= sizeof n;
    if (n < 0 || (uint64_t)n > left / sizeof *r->epochs)
        return err_set(e, "checkpoint is cut");
    r->epochs = xrealloc(r->epochs, (size_t)n, sizeof *r->epochs);
    memcpy(r->epochs, p, (size_t)n * sizeof *r->epochs);
    r->n_epochs = r->cap_epochs = (int)n;
    p += (size_t)n * sizeof *r->epochs;
    left -= (size_t)n * sizeof *r->epochs;
    return trainer_load(t, p, left, e);
}

static void keep_epoch(struct run_result *r, const struct trainer_epoch *rec)
{
    if (r->n_epochs == r->cap_epochs) {
        r->cap_epochs = r->cap_epochs * 2 + 64;
        r->epochs = xrealloc(r->epochs, (size_t)r->cap_epochs, sizeof *r->epochs);
    }
    r->epochs[r->n_epochs++] = *rec;
}

static int epochs(struct run_result *r, struct trainer *t, const struct run_job *job,
                  struct err *e)
{
    struct trainer_epoch rec;
    double saved = monotonic_s();
    int more;
    while ((more = trainer_epoch(t, &rec, e)) >= 0) {
        keep_epoch(r, &rec);
        if (more == 0)
            return 0;
        r->interrupted = job->stop && job->stop();
        if (job->checkpoint && (r->interrupted || monotonic_s() - saved > job->checkpoint_s)) {
            struct buf state = {0};
            save(r, t, &state);
            job->checkpoint(job->ctx, rec.epoch, &state);
            saved = monotonic_s();
        }
        if (r->interrupted)
            return 0;
    }
    return -1;
}

static int train_dlrm(struct run_result *r, const struct run_job *job, struct dlrm *m,
                      struct err *e)
{
    const struct dataset *d = job->d;
    struct trainer_options o = {TRAINER_DLRM, .seed = job->seed, .weighting = (int)job->weighting};
    o.lr = job->lr;
    o.decay = job->decay;
    o.batch = job->batch;
    if (job->stopping == TRAINER_BY_LOSS) {
        o.stop = TRAINER_BY_LOSS;
        o.first_epoch = 1;
        o.patience = LOSS_PATIENCE;
        o.max_epochs = LOSS_EPOCHS;
    }
    struct trainer_model table = dlrm_model(m);
    struct trainer *t = trainer_new(&table, d->ids[DATASET_TRAIN], d->n_ids[DATASET_TRAIN],
                                    d->ids[DATASET_VAL], d->n_ids[DATASET_VAL], &o, e);
    if (!t)
        return -1;
    int rc = job->resume ? resume(r, t, job, e) : 0;
    if (rc == 0)
        rc = epochs(r, t, job, e);
    struct trainer_result result;
    trainer_result(t, &result);
    r->best_epoch = result.best.epoch;
    r->degenerate = result.degenerate;
    trainer_free(t);
    return rc;
}

static int run_dlrm(struct run_result *r, const struct run_job *job, struct err *e)
{
    const struct samples *s = &job->f->samples;
    struct dlrm_config c = {DLRM_DEFAULTS, .n_dense = s->n_dense, .bag = s->bag,
                            .n_categories = s->n_categories, .n_blocks = s->n_blocks,
                            .dropout = job->dropout};
    c.variant = job->f->interaction_cat ? DLRM_CAT : DLRM_DOT;
    struct dlrm *m = dlrm_new(&c, job->seed, e);
    int rc = m && dlrm_bind(m, s, e) == 0 ? train_dlrm(r, job, m, e) : -1;
    if (rc == 0 && !r->interrupted) {
        int *ids = all_rows(job->d);
        dlrm_logits(m, r->p, ids, job->d->n);
        sigmoid(r->p, job->d->n);
        free(ids);
    }
    dlrm_free(m);
    return rc;
}

/* ---- the others ---- */

/* What a logistic regression reads: rows by their place among the train rows. */
struct regression {
    const struct run_job *job;
    void (*row)(float *x, const struct run_job *job, int i);
};

static void train_row(float *x, void *ctx, int i)
{
    const struct regression *r = ctx;
    r->row(x, r->job, r->job->d->ids[DATASET_TRAIN][i]);
}

/* Fitted on the train rows, p of all rows. */
static int regress(float *p, struct regression *r, int width, double C, struct err *e)
{
    const struct dataset *d = r->job->d;
    int n = d->n_ids[DATASET_TRAIN];
    unsigned char *label = xcalloc((size_t)n, 1);
    float *x = xcalloc((size_t)width, sizeof *x);
    struct logistic_rows rows = {.row = train_row, .ctx = r, .label = label, .n = n, .p = width};
    struct logistic m;
    for (int i = 0; i < n; i++)
        label[i] = d->label[d->ids[DATASET_TRAIN][i]];
    int rc = logistic_fit(&m, &rows, C, e);
    for (int i = 0; i < d->n && rc == 0; i++) {
        r->row(x, r->job, i);
        p[i] = logistic_logit(&m, x);
    }
    if (rc == 0) {
        sigmoid(p, d->n);
        logistic_release(&m);
    }
    free(x);
    free(label);
    return rc;
}

static void row_of_features(float *x, const struct run_job *job, int i)
{
    features_row(x, job->f, i);
}

static int run_logistic(struct run_result *r, const struct run_job *job, struct err *e)
{
    int width = features_width(job->f);
    struct regression all = {job, row_of_features};
    return regress(r->p, &all, width, width > NARROW ? C_WIDE : C_NARROW, e);
}

/* Damped user mean + damped business mean of the visible ratings. The sum ranks; a logistic
 * curve of it, fitted on the train rows, makes it a probability without changing the order. */
static void row_of_means(float *x, const struct run_job *job, int i)
{
    const struct dataset *d = job->d;
    x[0] = 0;
    for (int side = 0; side < 2; side++) {
        int v = d->view[side][i];
        int own = v >= 0 && d->protocol == DATASET_PAPER && d->split[i] == DATASET_TRAIN;
        double sum = v < 0 ? 0 : d->views[side][v].rating_sum;
        double count = v < 0 ? 0 : d->views[side][v].n_labelled;
        x[0] += (float)baseline_damped(sum - own * (double)d->rating[i], count - own,
                                       d->mean_rating, DAMPING);
    }
}

static int run_means(struct run_result *r, const struct run_job *job, struct err *e)
{
    struct regression means = {job, row_of_means};
    return regress(r->p, &means, 1, C_NARROW, e);
}

static void run_majority(struct run_result *r, const struct run_job *job)
{
    const struct dataset *d = job->d;
    float p = baseline_majority(d->label, d->ids[DATASET_TRAIN], d->n_ids[DATASET_TRAIN]);
    for (int i = 0; i < d->n; i++)
        r->p[i] = p;
    r->degenerate = 1;
}

/* ---- scores ---- */

static void score_split(struct run_result *r, const struct dataset *d, int split)
{
    int n = d->n_ids[split];
    unsigned char *y = xcalloc((size_t)n, 1);
    float *p = xcalloc((size_t)n, sizeof *p);
    for (int i = 0; i < n; i++) {
        y[i] = d->label[d->ids[split][i]];
        p[i] = r->p[d->ids[split][i]];
    }
    struct metrics_ranking rank;
    metrics_rank(&rank, y, p, n);
    for (int k = 0; k < METRICS_KINDS; k++)
        r->metric[split][k] = n ? metrics_value(k, &rank, NULL) : (double)NAN;
    if (split == DATASET_VAL)
        r->threshold = metrics_threshold_accuracy(&rank);
    metrics_rank_release(&rank);
    free(y);
    free(p);
}

static void score_threshold(struct run_result *r, const struct dataset *d, int split)
{
    struct metrics_counts c = {0};
    for (int i = 0; i < d->n_ids[split]; i++) {
        int row = d->ids[split][i], yes = r->p[row] > r->threshold;
        *(d->label[row] ? yes ? &c.tp : &c.fn : yes ? &c.fp : &c.tn) += 1;
    }
    r->at_threshold[split][0] = metrics_accuracy(&c);
    r->at_threshold[split][1] = metrics_fpr(&c);
}

int run_train(struct run_result *r, const struct run_job *job, struct err *e)
{
    const char *kind = job->f->kind;
    int rc = 0;
    *r = (struct run_result){.p = xcalloc((size_t)job->d->n, sizeof(float))};
    if (strcmp(kind, "dlrm") == 0)
        rc = run_dlrm(r, job, e);
    else if (strcmp(kind, "logistic") == 0)
        rc = run_logistic(r, job, e);
    else if (strcmp(kind, "means") == 0)
        rc = run_means(r, job, e);
    else
        run_majority(r, job);
    if (rc < 0 || r->interrupted)
        return rc;
    for (int s = 0; s < DATASET_SPLITS; s++)
        score_split(r, job->d, s);
    for (int s = 0; s < DATASET_SPLITS; s++)
        score_threshold(r, job->d, s);
    return 0;
}

void run_result_release(struct run_result *r)
{
    free(r->epochs);
    free(r->p);
    *r = (struct run_result){0};
}
