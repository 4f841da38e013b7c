/* SPDX-License-Identifier: MIT */
#include "train/trainer.h"
#include "base/rng.h"
#include "base/util.h"
#include "tap.h"
#include "train/dlrm.h"
#include "train/mlp.h"
#include <stdlib.h>

/* ---- a real model on data that can be learned ---- */

enum { N = 900, TRAIN = 700 };
static float dense[N * 4], vec[N * 8];
static int bags[N * 3], ids[N];
static unsigned char label[N];
static struct samples_block block = {vec, N, 8, NULL};
static const struct samples data = {N, label, 4, dense, 3, 6, bags, 1, &block};

static void make_data(void)
{
    struct rng r;
    rng_seed(&r, 11, 0);
    for (int i = 0; i < N; i++) {
        for (int k = 0; k < 4; k++)
            dense[i * 4 + k] = rng_normal(&r);
        for (int k = 0; k < 8; k++)
            vec[i * 8 + k] = rng_normal(&r);
        for (int k = 0; k < 3; k++)
            bags[i * 3 + k] = (int)rng_below(&r, 7);
        label[i] = dense[i * 4] + vec[i * 8] + (bags[i * 3] == 2) + 0.5f * rng_normal(&r) > -0.8f;
        ids[i] = i;
    }
}

static struct dlrm *model(void)
{
    struct err e;
    struct dlrm_config c = {.n_dense = 4, .bag = 3, .n_categories = 6, .n_blocks = 1, .dim = 8,
                            .bottom = 16, .top = {16, 8}, .dropout = 0.1f};
    struct dlrm *m = dlrm_new(&c, 5, &e);
    if (!m || dlrm_bind(m, &data, &e) < 0)
        die("%s", e.text);
    return m;
}

static struct trainer *trainer(struct dlrm *m, const struct trainer_options *o)
{
    struct err e;
    struct trainer_model tm = dlrm_model(m);
    struct trainer *t = trainer_new(&tm, ids, TRAIN, ids + TRAIN, N - TRAIN, o, &e);
    if (!t)
        die("%s", e.text);
    return t;
}

static int keep(void *ctx, const struct trainer_epoch *rec)
{
    struct trainer_epoch *log = ctx;
    log[rec->epoch] = *rec;
    return 0;
}

static const struct trainer_options opts = {TRAINER_DLRM, .seed = 4, .weighting = TRAINER_BASIC};

static void test_learns(void)
{
    static struct trainer_epoch log[41];
    struct trainer_options o = opts;
    struct trainer_result res;
    struct err e;
    o.batch = 100, o.first_epoch = 5, o.patience = 30, o.max_epochs = 40;
    struct dlrm *m = model();
    struct trainer *t = trainer(m, &o);
    ok(trainer_run(t, keep, log, &e) == 0, "trained");
    trainer_result(t, &res);
    ok(log[1].val_auc < 0.95 && log[res.epochs].val_auc > 0.88, "learns: AUC %.3f to %.3f",
       log[1].val_auc, log[res.epochs].val_auc);
    ok(isnan(log[9].train_fpr) && !isnan(log[10].train_fpr) && !isnan(log[res.epochs].train_fpr),
       "training rows are scored every tenth epoch and at the end");
    int best = 0;
    for (int i = o.first_epoch; i <= res.epochs; i++)
        if (!best || log[i].val_fpr < log[best].val_fpr ||
            (log[i].val_fpr == log[best].val_fpr && log[i].val_loss < log[best].val_loss))
            best = i;
    ok(best == res.best.epoch && res.finished && !res.degenerate, "best epoch %d", best);
    float z[N - TRAIN], w[2];
    struct layer_loss sum = {0, 0};
    dlrm_logits(m, z, ids + TRAIN, N - TRAIN);
    trainer_weights(w, TRAINER_BASIC, label, ids, TRAIN);
    layer_bce(NULL, &sum, z, label + TRAIN, N - TRAIN, w, 0);
    near(sum.weighted / (N - TRAIN), res.best.val_loss, 0, "the best epoch's weights are back");
    struct trainer_epoch rec;
    ok(trainer_epoch(t, &rec, &e) < 0, "no epoch after the end: %s", e.text);
    trainer_free(t);
    dlrm_free(m);
}

/* Stop after cut epochs, save, go on in a new trainer with a new model; compare the bits. */
static void test_resume(void)
{
    struct trainer_options o = opts;
    struct err e;
    struct buf whole = {0}, half = {0}, joined = {0};
    struct trainer_epoch rec;
    o.batch = 128, o.first_epoch = 3, o.patience = 20, o.max_epochs = 12;
    struct dlrm *a = model(), *b = model();
    struct trainer *t = trainer(a, &o), *u = trainer(b, &o);
    int r = 0;
    for (int i = 0; i < 12; i++) {
        if (i == 7)
            trainer_save(t, &half);
        r = trainer_epoch(t, &rec, &e);
    }
    ok(r == 0, "ends at the cap");
    trainer_save(t, &whole);
    ok(trainer_load(u, half.data, half.len, &e) == 0, "state of epoch 7 loaded");
    for (int i = 7; i < 12; i++)
        r = trainer_epoch(u, &rec, &e);
    trainer_save(u, &joined);
    ok(r == 0 && whole.len == joined.len && memcmp(whole.data, joined.data, whole.len) == 0,
       "going on gives the bits of the undisturbed run");
    struct trainer_options other = o;
    other.seed = 5;
    struct trainer *x = trainer(b, &other);
    ok(trainer_load(x, half.data, half.len, &e) < 0, "another seed: %s", e.text);
    ok(trainer_load(u, half.data, half.len - 1, &e) < 0, "cut state: %s", e.text);
    trainer_free(x);
    other = o;
    other.lr = 0.02;
    x = trainer(b, &other);
    ok(trainer_load(x, half.data, half.len, &e) < 0, "another learning rate: %s", e.text);
    trainer_free(x);
    other = o;
    other.decay = 0.1;
    x = trainer(b, &other);
    ok(trainer_load(x, half.data, half.len, &e) < 0, "another decay: %s", e.text);
    trainer_free(x);
    trainer_free(t);
    trainer_free(u);
    dlrm_free(a);
    dlrm_free(b);
    buf_release(&whole);
    buf_release(&half);
    buf_release(&joined);
}

static void test_diverges(void)
{
    struct trainer_options o = opts;
    struct err e = {{0}};
    struct trainer_epoch rec;
    o.lr = 1e30, o.first_epoch = 1;
    struct dlrm *m = model();
    struct trainer *t = trainer(m, &o);
    int r = 1;
    for (int i = 0; i < 5 && r > 0; i++)
        r = trainer_epoch(t, &rec, &e);
    ok(r < 0 && strstr(e.text, "loss is"), "divergence: %s", e.text);
    trainer_free(t);
    dlrm_free(m);
}

/* What trainer.h says of a checkpoint. */
static void test_size(void)
{
    struct err e;
    struct dlrm_config c = {DLRM_DEFAULTS, .n_dense = 8, .bag = 11, .n_categories = 179,
                            .n_blocks = 2};
    for (int cat = 0; cat < 2; cat++) {
        struct buf state = {0};
        c.variant = cat ? DLRM_CAT : DLRM_DOT;
        struct dlrm *m = dlrm_new(&c, 1, &e);
        struct trainer_model tm = dlrm_model(m);
        tm.label = label;
        struct trainer *t = trainer_new(&tm, ids, TRAIN, ids + TRAIN, N - TRAIN, &opts, &e);
        trainer_save(t, &state);
        ok(tm.n_params == (cat ? 19169 : 13025) && state.len - 16 * tm.n_params < 300,
           "the full model's checkpoint has %zu bytes", state.len);
        buf_release(&state);
        trainer_free(t);
        dlrm_free(m);
    }
}

/* The reducer: early stopping on the loss. */
static void test_reducer(void)
{
    static struct trainer_epoch log[201];
    struct trainer_options o = {TRAINER_MLP, .seed = 1};
    struct trainer_result res;
    struct err e;
    struct mlp_config c = {MLP_DEFAULTS, .in = 8};
    struct mlp *m = mlp_new(&c, 2, &e);
    ok(m && mlp_bind(m, &data, &e) == 0, "an MLP reads the blocks only");
    struct trainer_model tm = mlp_model(m);
    o.batch = 64, o.lr = 0.01, o.patience = 4;
    struct trainer *t = trainer_new(&tm, ids, TRAIN, ids + TRAIN, N - TRAIN, &o, &e);
    ok(t && trainer_run(t, keep, log, &e) == 0, "reducer trained");
    trainer_result(t, &res);
    ok(res.stopped_early && res.epochs == res.best.epoch + 4, "stops %d epochs after the best, %d",
       res.epochs - res.best.epoch, res.best.epoch);
    ok(res.best.val_loss < log[1].val_loss && res.best.val_loss < log[res.epochs].val_loss,
       "which has the lowest validation loss");
    trainer_free(t);
    mlp_free(m);
}

/* ---- a puppet whose logits per epoch are written down: the stopping rule alone ---- */

struct puppet {
    float param, grad;
    int calls;
    float (*z)[4]; /* logits of the four rows, per epoch */
};

static void puppet_gradient(void *self, struct layer_loss *sum, const int *rows, int n,
                            const float weight[2], uint64_t key)
{
    struct puppet *p = self;
    (void)rows, (void)weight, (void)key;
    p->grad = 1;
    p->calls++;
    sum->plain += n;
    sum->weighted += n;
}

static void puppet_logits(void *self, float *z, const int *rows, int n)
{
    const struct puppet *p = self;
    for (int i = 0; i < n; i++)
        z[i] = p->z[p->calls - 1][rows[i]];
}

static struct trainer_result stop_rule(float (*z)[4], const unsigned char *y, int first,
                                       int patience, int max, float *param)
{
    static const int rows[4] = {0, 1, 2, 3};
    struct puppet p = {.z = z};
    struct trainer_model tm = {&p, &p.param, &p.grad, 1, y, puppet_gradient, puppet_logits,
                               NULL, 0};
    struct trainer_options o = {TRAINER_DLRM};
    struct trainer_result res;
    struct err e;
    o.first_epoch = first, o.patience = patience, o.max_epochs = max;
    struct trainer *t = trainer_new(&tm, rows, 4, rows, 4, &o, &e);
    if (!t || trainer_run(t, NULL, NULL, &e) < 0)
        die("%s", e.text);
    trainer_result(t, &res);
    *param = p.param;
    trainer_free(t);
    return res;
}

static void test_stopping(void)
{
    /* Two negatives, two positives: false positive rate by epoch 0, 1, .5, .5, .5, 1, 1, 1. */
    static const float worse[4] = {0.1f, 0.1f, 9, 9}; /* rate 1, but the lowest loss */
    float z[8][4] = {{-1, -1, 1, 1}, {1, 1, 1, 1}, {1, -1, 1, 1}, {1, -2, 1, 1}, {1, -1, 1, 1}};
    for (int i = 5; i < 8; i++)
        memcpy(z[i], worse, sizeof worse);
    static const unsigned char y[4] = {0, 0, 1, 1}, pos[4] = {1, 1, 1, 1}, neg[4] = {0};
    float w;
    struct trainer_result r = stop_rule(z, y, 2, 3, 8, &w);
    ok(r.best.epoch == 4, "epochs before the first do not count; a tie goes to the lower loss");
    ok(r.epochs == 6 && r.stopped_early, "the tie does not extend the patience (%d)", r.epochs);
    near(w, -0.04, 1e-4, "the weights of epoch 4 are restored"); /* Adam moves lr an epoch */
    r = stop_rule(z, y, 1, 50, 8, &w);
    ok(r.best.epoch == 1 && r.epochs == 8 && !r.stopped_early && r.finished, "the cap");
    r = stop_rule(z, pos, 1, 3, 8, &w);
    ok(isnan(r.best.val_fpr) && r.best.epoch == 2 && r.epochs == 5 && r.degenerate,
       "no negatives: the loss decides, and a run of one class is degenerate");
    r = stop_rule(z, neg, 1, 3, 8, &w);
    ok(r.best.epoch == 1 && isnan(r.best.val_auc) && !r.degenerate, "no positives: the rate does");
}

static void test_options(void)
{
    struct err e = {{0}};
    struct puppet p = {0};
    struct trainer_model tm = {&p, &p.param, &p.grad, 1, label, puppet_gradient, puppet_logits,
                               NULL, 0};
    struct trainer_options o = opts;
    ok(!trainer_new(&tm, ids, 10, ids, 0, &o, &e), "%s", e.text);
    o.batch = 0;
    ok(!trainer_new(&tm, ids, 10, ids, 10, &o, &e), "%s", e.text);
    o.batch = 1, o.max_epochs = 299;
    ok(!trainer_new(&tm, ids, 10, ids, 10, &o, &e), "%s", e.text);
    o = opts;
    o.decay = 0.1;
    ok(!trainer_new(&tm, ids, 10, ids, 10, &o, &e), "%s", e.text);
    const struct trainer_tensor one = {"w", 0, 1, 1, 1};
    tm.tensors = &one, tm.n_tensors = 1;
    o.decay = 100;
    ok(!trainer_new(&tm, ids, 10, ids, 10, &o, &e), "%s", e.text);
    o.decay = -0.1;
    ok(!trainer_new(&tm, ids, 10, ids, 10, &o, &e), "%s", e.text);
    float w[2];
    static const unsigned char y[5] = {1, 1, 0, 1, 1};
    static const int rows[5] = {0, 1, 2, 3, 4};
    trainer_weights(w, TRAINER_BASIC, y, rows, 5);
    ok(fabsf(w[0] - 0.8f) < 1e-7f && fabsf(w[1] - 0.2f) < 1e-7f, "basic weights");
    trainer_weights(w, TRAINER_SQRT, y, rows, 5);
    near(w[1], sqrt(0.2), 1e-7, "square root weights");
    trainer_weights(w, TRAINER_NONE, y, rows, 5);
    ok(w[0] == 1 && w[1] == 1, "no weights");
}

int main(void)
{
    make_data();
    test_learns();
    test_resume();
    test_diverges();
    test_size();
    test_reducer();
    test_stopping();
    test_options();
    return done();
}
