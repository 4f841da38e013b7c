/* SPDX-License-Identifier: MIT */
/* The models of lib/train against PyTorch: forward, gradients, 20 steps of descent, of Adam
 * and of AdamW, the last by the trainer too. For the tests in float and for test_exact. */
#ifndef GOLDEN_TRAIN_TORCH_H
#define GOLDEN_TRAIN_TORCH_H
#include "golden.h"
#include "../../tap.h"
#include "train/adam.h"
#include "train/dlrm.h"
#include "train/mlp.h"

#define TORCH_STEPS 20
#define TORCH_DECAY 0.5
#define TORCH_LR 0.01 /* of Adam */

/* Largest errors allowed: of values and gradients, after 20 steps of descent and of Adam, each
 * over the largest value of its tensor; and of a loss. */
struct torch_bounds {
    double forward, descent, adam, loss;
};

/* One comparison under way: a model with its tensors and the rest of a golden file. */
struct torch {
    const char *name;
    struct golden *g;
    struct trainer_model m;
    const struct trainer_tensor *t;
    int nt, n;
    const int *ids;
    const real *weight, *start;
    struct torch_bounds b;
};

__attribute__((unused)) static void torch_next(const struct torch *k, double bound,
                                               const char *what)
{
    double worst = golden_tensors(k->m.params, golden_take(k->g, k->m.n_params), k->t, k->nt);
    ok(worst < bound, "%s: %d steps of %s (%.1e)", k->name, TORCH_STEPS, what, worst);
    memcpy(k->m.params, k->start, k->m.n_params * sizeof(real));
}

__attribute__((unused)) static void torch_gradient(const struct torch *k)
{
    struct layer_loss sum = {0, 0};
    k->m.gradient(k->m.self, &sum, k->ids, k->n, k->weight, 0);
    const real *loss = golden_take(k->g, 2);
    near(sum.weighted / k->n, loss[0], k->b.loss, "weighted loss");
    near(sum.plain / k->n, loss[1], k->b.loss, "unweighted loss");
    double worst = golden_tensors(k->m.grads, golden_take(k->g, k->m.n_params), k->t, k->nt);
    ok(worst < k->b.forward, "%s: gradients (worst tensor %.1e)", k->name, worst);
}

__attribute__((unused)) static void torch_steps(const struct torch *k)
{
    struct layer_loss sum = {0, 0};
    for (int i = 0; i < TORCH_STEPS; i++) {
        k->m.gradient(k->m.self, &sum, k->ids, k->n, k->weight, 0);
        adam_sgd(k->m.params, k->m.grads, k->m.n_params, 0.1);
    }
    torch_next(k, k->b.descent, "gradient descent");
    real *mom = xcalloc(2 * k->m.n_params, sizeof *mom);
    for (int i = 0; i < TORCH_STEPS; i++) {
        k->m.gradient(k->m.self, &sum, k->ids, k->n, k->weight, 0);
        adam_step(k->m.params, mom, mom + k->m.n_params, k->m.grads, k->m.n_params, i + 1,
                  &(struct adam){ADAM_DEFAULTS});
    }
    torch_next(k, k->b.adam, "Adam");
    free(mom);
}

/* The trainer, one batch an epoch: class weights, decay of what decays, Adam, and back to the
 * only epoch that may be the best. */
__attribute__((unused)) static void torch_trainer(const struct torch *k)
{
    struct err e;
    struct trainer_options o = {.batch = k->n, .lr = TORCH_LR, .weighting = TRAINER_BASIC,
                                .first_epoch = TORCH_STEPS, .patience = 1,
                                .max_epochs = TORCH_STEPS, .train_every = 100,
                                .decay = TORCH_DECAY};
    struct trainer *t = trainer_new(&k->m, k->ids, k->n, k->ids, k->n, &o, &e);
    if (!t || trainer_run(t, NULL, NULL, &e) < 0)
        die("%s", e.text);
    trainer_free(t);
    torch_next(k, k->b.adam, "the trainer with AdamW");
}

/* ---- DLRM ---- */

/* The features of a golden file, as samples. */
struct torch_data {
    struct samples s;
    struct samples_block block[4];
    float *dense, *vec[4];
    int *bags, *row[4], *ids;
    unsigned char *label;
};

__attribute__((unused)) static float *torch_floats(struct golden *g, size_t n)
{
    const real *from = golden_take(g, n);
    float *to = xcalloc(n + 1, sizeof *to);
    for (size_t i = 0; i < n; i++)
        to[i] = (float)from[i];
    return to;
}

/* A vector of zeros becomes a row without one. */
__attribute__((unused)) static void torch_block(struct torch_data *d, struct golden *g, int b,
                                                int n, int dim)
{
    d->vec[b] = torch_floats(g, (size_t)n * dim);
    d->row[b] = xcalloc((size_t)n, sizeof(int));
    for (int i = 0; i < n; i++) {
        d->row[b][i] = -1;
        for (int k = 0; k < dim; k++)
            if (d->vec[b][i * dim + k] < 0 || d->vec[b][i * dim + k] > 0)
                d->row[b][i] = i;
    }
    for (int i = 0; i < n; i++)
        for (int k = 0; k < dim && d->row[b][i] < 0; k++)
            d->vec[b][i * dim + k] = 99; /* must not be read */
    d->block[b] = (struct samples_block){d->vec[b], n, dim, d->row[b]};
}

__attribute__((unused)) static void torch_read(struct torch_data *d, struct golden *g, int n,
                                               const struct dlrm_config *c)
{
    *d = (struct torch_data){.dense = torch_floats(g, (size_t)n * c->n_dense),
                             .bags = xcalloc((size_t)n * c->bag, sizeof(int)),
                             .ids = xcalloc((size_t)n, sizeof(int)),
                             .label = xcalloc((size_t)n, 1)};
    const real *bags = golden_take(g, (size_t)n * c->bag);
    for (int i = 0; i < n * c->bag; i++)
        d->bags[i] = (int)bags[i];
    for (int b = 0; b < c->n_blocks; b++)
        torch_block(d, g, b, n, c->dim);
    const real *y = golden_take(g, (size_t)n);
    for (int i = 0; i < n; i++) {
        d->label[i] = (unsigned char)y[i];
        d->ids[i] = i;
    }
    d->s = (struct samples){n, d->label, c->n_dense, d->dense, c->bag, c->n_categories,
                            d->bags, c->n_blocks, d->block};
}

__attribute__((unused)) static void torch_release(struct torch_data *d)
{
    for (int b = 0; b < 4; b++) {
        free(d->vec[b]);
        free(d->row[b]);
    }
    free(d->dense);
    free(d->bags);
    free(d->ids);
    free(d->label);
}

__attribute__((unused)) static void torch_dlrm(const char *name, int n,
                                               const struct dlrm_config *c,
                                               struct torch_bounds bounds)
{
    struct golden g;
    struct torch_data d;
    struct err e;
    struct trainer_tensor t[DLRM_TENSORS];
    real z[64];
    golden_open(&g, name);
    torch_read(&d, &g, n, c);
    const real *weight = golden_take(&g, 2);
    struct dlrm *m = dlrm_new(c, 1, &e);
    if (!m || samples_check(&d.s, &e) < 0 || dlrm_bind(m, &d.s, &e) < 0)
        die("%s", e.text);
    struct torch k = {name, &g, dlrm_model(m), t, dlrm_tensors(m, t), n, d.ids, weight, NULL,
                      bounds};
    k.start = golden_take(&g, k.m.n_params);
    memcpy(k.m.params, k.start, k.m.n_params * sizeof(real));
    dlrm_logits(m, z, d.ids, n);
    double error = golden_error(z, golden_take(&g, (size_t)n), (size_t)n);
    ok(error < bounds.forward, "%s: logits (%.1e)", name, error);
    torch_gradient(&k);
    torch_steps(&k);
    torch_trainer(&k);
    ok(g.at == g.b.len, "%s: read to its end", name);
    const struct trainer_tensor *table = &t[4];
    const real *pad = k.m.params + table->at + (size_t)(table->rows - 1) * table->cols;
    double moved = 0;
    for (int i = 0; i < table->cols; i++)
        moved += fabs(pad[i]);
    near(moved, 0, 0, "the padding row is still zero");
    dlrm_free(m);
    torch_release(&d);
    buf_release(&g.b);
}

/* ---- MLP ---- */

__attribute__((unused)) static void torch_mlp(const char *name, int activation,
                                              struct torch_bounds bounds)
{
    enum { N = 40, IN = 21, H = 18, F = 7 };
    struct golden g;
    struct err e;
    struct trainer_tensor t[MLP_TENSORS];
    real z[N], f[N * F];
    unsigned char label[N];
    int ids[N];
    golden_open(&g, name);
    float *x = torch_floats(&g, N * IN);
    const real *y = golden_take(&g, N), *weight = golden_take(&g, 2);
    for (int i = 0; i < N; i++) {
        label[i] = (unsigned char)y[i];
        ids[i] = i;
    }
    struct samples_block block = {x, N, IN, NULL};
    struct samples s = {.n = N, .label = label, .n_blocks = 1, .blocks = &block};
    struct mlp_config c = {IN, H, F, activation, 0};
    struct mlp *m = mlp_new(&c, 1, &e);
    if (!m || mlp_bind(m, &s, &e) < 0)
        die("%s", e.text);
    struct torch k = {name, &g, mlp_model(m), t, mlp_tensors(m, t), N, ids, weight, NULL, bounds};
    k.start = golden_take(&g, k.m.n_params);
    memcpy(k.m.params, k.start, k.m.n_params * sizeof(real));
    mlp_logits(m, z, ids, N);
    double error = golden_error(z, golden_take(&g, N), N);
    ok(error < bounds.forward, "%s: logits (%.1e)", name, error);
    torch_gradient(&k);
    torch_steps(&k);
    torch_trainer(&k);
    mlp_features(m, f, ids, N);
    error = golden_error(f, golden_take(&g, N * F), N * F);
    ok(error < bounds.forward, "%s: features (%.1e)", name, error);
    ok(g.at == g.b.len, "%s: read to its end", name);
    free(x);
    mlp_free(m);
    buf_release(&g.b);
}

#endif
