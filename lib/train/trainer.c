/* SPDX-License-Identifier: MIT */
#include "train/trainer.h"
#include "base/arena.h"
#include "base/rng.h"
#include "base/util.h"
#include "train/adam.h"
#include "train/metrics.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What trainer_save writes as it stands; parameters and moments follow. */
struct state {
    char magic[8];
    uint64_t run; /* hash of the options, the rows and the model's size */
    int64_t steps;
    int epoch, finished, stopped_early, improved_at; /* improved_at: epoch of the last reset */
    int degenerate, reserved;
    struct trainer_epoch best; /* epoch 0: none yet */
};

struct trainer {
    struct trainer_model model;
    struct trainer_options o;
    real weight[2];
    int *train, *order, *valid;
    int n_train, n_valid;
    unsigned char *label; /* of rows being scored */
    real *z;
    float *score; /* z, as the metrics want it */
    struct arena memory;
    real *m, *v, *best;
    struct state s;
};

static const char magic[8] = "mmTRN01";

void trainer_weights(real weight[2], int weighting, const unsigned char *label, const int *ids,
                     int n)
{
    double count[2] = {0, 0};
    for (int i = 0; i < n; i++)
        count[label[ids[i]]]++;
    for (int k = 0; k < 2; k++) {
        double w = weighting == TRAINER_NONE ? 1 : 1 - count[k] / n;
        weight[k] = (real)(weighting == TRAINER_SQRT ? sqrt(w) : w);
    }
}

static uint64_t mix_in(uint64_t h, uint64_t x)
{
    return rng_mix(h ^ rng_mix(x));
}

/* A saved state goes on only in the run it came from. */
static uint64_t run_hash(const struct trainer *t)
{
    const struct trainer_options *o = &t->o;
    uint64_t lr, decay, h = rng_mix(o->seed);
    memcpy(&lr, &o->lr, sizeof lr);
    memcpy(&decay, &o->decay, sizeof decay);
    const uint64_t parts[] = {t->model.n_params, (uint64_t)t->n_train, (uint64_t)t->n_valid, lr,
                              (uint64_t)o->batch, (uint64_t)o->weighting, (uint64_t)o->stop,
                              (uint64_t)o->first_epoch, (uint64_t)o->patience,
                              (uint64_t)o->max_epochs, decay};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        h = mix_in(h, parts[i]);
    for (int i = 0; i < t->n_train; i++)
        h = mix_in(h, (uint64_t)t->train[i] * 2 + t->model.label[t->train[i]]);
    for (int i = 0; i < t->n_valid; i++)
        h = mix_in(h, (uint64_t)t->valid[i] * 2 + t->model.label[t->valid[i]]);
    return h;
}

static int check_options(const struct trainer_options *o, const struct trainer_model *model,
                         int n_train, int n_valid, struct err *e)
{
    if (n_train < 1 || n_valid < 1)
        return err_set(e, "training with %d rows and validation with %d", n_train, n_valid);
    if (o->batch < 1 || !(o->lr > 0) || o->patience < 1 || o->train_every < 1)
        return err_set(e, "batch %d, learning rate %g, patience %d, train_every %d: all must be "
                       "positive", o->batch, o->lr, o->patience, o->train_every);
    if (o->first_epoch < 1 || o->max_epochs < o->first_epoch)
        return err_set(e, "epochs count from %d on but end at %d", o->first_epoch,
                       o->max_epochs);
    if (!(o->decay >= 0 && o->lr * o->decay < 1))
        return err_set(e, "weight decay %g: it must not be negative, nor reach 1 with the "
                       "learning rate %g", o->decay, o->lr);
    if (o->decay > 0 && !model->n_tensors)
        return err_set(e, "weight decay %g on a model that does not say what decays", o->decay);
    return 0;
}

static int *copy_ids(const int *ids, int n)
{
    int *c = xcalloc((size_t)n, sizeof *c);
    memcpy(c, ids, (size_t)n * sizeof *c);
    return c;
}

struct trainer *trainer_new(const struct trainer_model *model, const int *train, int n_train,
                            const int *valid, int n_valid, const struct trainer_options *o,
                            struct err *e)
{
    if (check_options(o, model, n_train, n_valid, e) < 0)
        return NULL;
    struct trainer *t = xcalloc(1, sizeof *t);
    int most = n_train > n_valid ? n_train : n_valid;
    t->model = *model;
    t->o = *o;
    t->n_train = n_train;
    t->n_valid = n_valid;
    t->train = copy_ids(train, n_train);
    t->order = xcalloc((size_t)n_train, sizeof *t->order);
    t->valid = copy_ids(valid, n_valid);
    t->label = xmalloc((size_t)most);
    t->z = xcalloc((size_t)most, sizeof *t->z);
    t->score = xcalloc((size_t)most, sizeof *t->score);
    arena_init(&t->memory, 3 * real_room(model->n_params));
    t->m = real_take(&t->memory, model->n_params);
    t->v = real_take(&t->memory, model->n_params);
    t->best = real_take(&t->memory, model->n_params);
    trainer_weights(t->weight, o->weighting, model->label, train, n_train);
    memcpy(t->s.magic, magic, sizeof magic);
    t->s.run = run_hash(t);
    return t;
}

void trainer_free(struct trainer *t)
{
    if (!t)
        return;
    arena_release(&t->memory);
    free(t->train);
    free(t->order);
    free(t->valid);
    free(t->label);
    free(t->z);
    free(t->score);
    free(t);
}

/* ---- one epoch ---- */

static void step(struct trainer *t)
{
    const struct adam o = {ADAM_DEFAULTS}, adam = {t->o.lr, o.beta1, o.beta2, o.eps};
    const struct trainer_model *m = &t->model;
    for (int i = 0; t->o.decay > 0 && i < m->n_tensors; i++) {
        const struct trainer_tensor *k = &m->tensors[i];
        if (k->decays)
            adam_decay(m->params + k->at, (size_t)k->rows * k->cols, t->o.lr, t->o.decay);
    }
    adam_step(m->params, t->m, t->v, m->grads, m->n_params, ++t->s.steps, &adam);
}

static int train_once(struct trainer *t, struct trainer_epoch *rec, struct err *e)
{
    struct layer_loss sum = {0, 0};
    struct rng r;
    rng_seed(&r, t->o.seed, (uint64_t)rec->epoch);
    uint64_t key = rng_u64(&r);
    memcpy(t->order, t->train, (size_t)t->n_train * sizeof *t->order);
    rng_shuffle(&r, t->order, (size_t)t->n_train);
    for (int at = 0; at < t->n_train; at += t->o.batch) {
        int n = t->n_train - at < t->o.batch ? t->n_train - at : t->o.batch;
        t->model.gradient(t->model.self, &sum, t->order + at, n, t->weight, key);
        step(t);
        if (!isfinite(sum.plain))
            return err_set(e, "epoch %d: the training loss is %g; try a lower learning rate",
                           rec->epoch, sum.plain);
    }
    rec->train_loss = sum.weighted / t->n_train;
    rec->train_loss_plain = sum.plain / t->n_train;
    return 0;
}

/* Logits and labels of ids into t->z, t->score and t->label. */
static void score(struct trainer *t, const int *ids, int n)
{
    t->model.logits(t->model.self, t->z, ids, n);
    for (int i = 0; i < n; i++) {
        t->score[i] = (float)t->z[i];
        t->label[i] = t->model.label[ids[i]];
    }
}

static int score_valid(struct trainer *t, struct trainer_epoch *rec, int *one_class,
                       struct err *e)
{
    struct layer_loss sum = {0, 0};
    struct metrics_counts c;
    score(t, t->valid, t->n_valid);
    layer_bce(NULL, &sum, t->z, t->label, t->n_valid, t->weight, 0);
    if (!isfinite(sum.plain))
        return err_set(e, "epoch %d: the validation loss is %g; try a lower learning rate",
                       rec->epoch, sum.plain);
    metrics_count(&c, t->label, t->score, t->n_valid, 0); /* p > 0.5 is z > 0 */
    rec->val_loss = sum.weighted / t->n_valid;
    rec->val_loss_plain = sum.plain / t->n_valid;
    rec->val_fpr = metrics_fpr(&c);
    rec->val_accuracy = metrics_accuracy(&c);
    rec->val_auc = metrics_auc(t->label, t->score, t->n_valid);
    *one_class = c.tp + c.fp == 0 || c.tn + c.fn == 0;
    return 0;
}

static void score_train(struct trainer *t, struct trainer_epoch *rec)
{
    struct metrics_counts c;
    score(t, t->train, t->n_train);
    metrics_count(&c, t->label, t->score, t->n_train, 0);
    rec->train_fpr = metrics_fpr(&c);
    rec->train_accuracy = metrics_accuracy(&c);
}

/* Compares rec with the best so far; 1 if it is better. *reset: patience starts again. */
static int better(const struct trainer *t, const struct trainer_epoch *rec, int *reset)
{
    const struct trainer_epoch *b = &t->s.best;
    *reset = 1;
    if (b->epoch == 0)
        return 1;
    if (t->o.stop == TRAINER_BY_LOSS || isnan(rec->val_fpr))
        return rec->val_loss < b->val_loss;
    if (rec->val_fpr < b->val_fpr)
        return 1;
    *reset = 0;
    return rec->val_fpr <= b->val_fpr && rec->val_loss < b->val_loss;
}

static void judge(struct trainer *t, struct trainer_epoch *rec, int one_class)
{
    int reset;
    if (rec->epoch >= t->o.first_epoch && better(t, rec, &reset)) {
        rec->is_best = 1;
        memcpy(t->best, t->model.params, t->model.n_params * sizeof(real));
        t->s.degenerate = one_class;
        if (reset)
            t->s.improved_at = rec->epoch;
    }
    t->s.stopped_early = rec->epoch >= t->o.first_epoch &&
                         rec->epoch - t->s.improved_at >= t->o.patience;
    t->s.finished = t->s.stopped_early || rec->epoch == t->o.max_epochs;
}

int trainer_epoch(struct trainer *t, struct trainer_epoch *rec, struct err *e)
{
    int one_class = 0;
    if (t->s.finished)
        return err_set(e, "training ended after epoch %d", t->s.epoch);
    *rec = (struct trainer_epoch){.epoch = t->s.epoch + 1, .train_fpr = NAN,
                                  .train_accuracy = NAN};
    if (train_once(t, rec, e) < 0 || score_valid(t, rec, &one_class, e) < 0)
        return -1;
    t->s.epoch = rec->epoch;
    judge(t, rec, one_class);
    if (rec->epoch % t->o.train_every == 0 || t->s.finished)
        score_train(t, rec);
    if (rec->is_best)
        t->s.best = *rec;
    if (t->s.finished)
        memcpy(t->model.params, t->best, t->model.n_params * sizeof(real));
    return !t->s.finished;
}

int trainer_run(struct trainer *t, int (*each)(void *ctx, const struct trainer_epoch *rec),
                void *ctx, struct err *e)
{
    struct trainer_epoch rec;
    for (int more = 1; more > 0;) {
        more = trainer_epoch(t, &rec, e);
        if (more < 0)
            return -1;
        if (each && each(ctx, &rec))
            break;
    }
    return 0;
}

void trainer_result(const struct trainer *t, struct trainer_result *out)
{
    *out = (struct trainer_result){t->s.epoch, t->s.finished, t->s.stopped_early,
                                   t->s.degenerate, t->s.best};
}

/* ---- state ---- */

void trainer_save(const struct trainer *t, struct buf *to)
{
    size_t bytes = t->model.n_params * sizeof(real);
    buf_add(to, &t->s, sizeof t->s);
    buf_add(to, t->model.params, bytes);
    buf_add(to, t->m, bytes);
    buf_add(to, t->v, bytes);
    buf_add(to, t->best, bytes);
}

int trainer_load(struct trainer *t, const void *blob, size_t n, struct err *e)
{
    size_t bytes = t->model.n_params * sizeof(real);
    struct state s;
    if (n != sizeof s + 4 * bytes)
        return err_set(e, "saved training has %zu bytes, this run's has %zu", n,
                       sizeof s + 4 * bytes);
    memcpy(&s, blob, sizeof s);
    if (memcmp(s.magic, magic, sizeof magic) != 0 || s.run != t->s.run)
        return err_set(e, "saved training belongs to another run");
    const char *p = (const char *)blob + sizeof s;
    t->s = s;
    memcpy(t->model.params, p, bytes);
    memcpy(t->m, p + bytes, bytes);
    memcpy(t->v, p + 2 * bytes, bytes);
    memcpy(t->best, p + 3 * bytes, bytes);
    return 0;
}
