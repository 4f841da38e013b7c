/* SPDX-License-Identifier: MIT */
#include "train/dlrm.h"
#include "golden/train/torch.h"

/* A data set of any shape, owned. */
struct data {
    struct samples s;
    struct samples_block block[4];
    float *dense, *vec[4];
    int *bags, *ids;
    unsigned char *label;
};

static void data_init(struct data *d, int n, const struct dlrm_config *c, uint64_t seed)
{
    struct rng r;
    rng_seed(&r, seed, 0);
    *d = (struct data){.dense = xcalloc((size_t)n * c->n_dense + 1, sizeof(float)),
                       .bags = xcalloc((size_t)n * c->bag + 1, sizeof(int)),
                       .ids = xcalloc((size_t)n, sizeof(int)),
                       .label = xcalloc((size_t)n, 1)};
    for (int i = 0; i < n * c->n_dense; i++)
        d->dense[i] = rng_normal(&r);
    for (int i = 0; i < n * c->bag; i++)
        d->bags[i] = (int)rng_below(&r, (uint32_t)c->n_categories + 1);
    for (int b = 0; b < c->n_blocks; b++) {
        d->vec[b] = xcalloc((size_t)n * c->dim, sizeof(float));
        for (int i = 0; i < n * c->dim; i++)
            d->vec[b][i] = rng_normal(&r);
        d->block[b] = (struct samples_block){d->vec[b], n, c->dim, NULL};
    }
    for (int i = 0; i < n; i++) {
        d->label[i] = rng_uniform(&r) < 0.7f;
        d->ids[i] = i;
    }
    d->s = (struct samples){n, d->label, c->n_dense, d->dense, c->bag, c->n_categories,
                            d->bags, c->n_blocks, d->block};
}

static void data_release(struct data *d)
{
    for (int b = 0; b < 4; b++)
        free(d->vec[b]);
    free(d->dense);
    free(d->bags);
    free(d->ids);
    free(d->label);
}

static struct dlrm *model(const struct dlrm_config *c, const struct data *d)
{
    struct err e;
    struct dlrm *m = dlrm_new(c, 1, &e);
    if (!m || dlrm_bind(m, &d->s, &e) < 0)
        die("%s", e.text);
    return m;
}

/* ---- gradients, every part present or absent ---- */

/* Biases of +-3 keep most pre-activations away from the ReLU's kink. */
static void away_from_kinks(struct trainer_model *tm, const struct trainer_tensor *t, int n)
{
    for (int i = 0; i < n; i++)
        for (int k = 0; k < t[i].rows * t[i].cols; k++) {
            float *w = tm->params + t[i].at + k;
            int is_bias = strstr(t[i].name, ".b") != NULL;
            *w = is_bias ? (k % 3 == 2 ? -3.0f : 3.0f) : 0.5f * (*w > 0 ? 1 : -1);
            if (strcmp(t[i].name, "table") == 0)
                *w = k / t[i].cols == t[i].rows - 1 ? 0 : 3 * *w;
        }
}

static void check_gradients(const char *what, struct dlrm_config c)
{
    struct data d;
    struct trainer_tensor t[DLRM_TENSORS];
    c.dim = 6, c.bottom = 5, c.top[0] = 7, c.top[1] = 4;
    data_init(&d, 12, &c, 5);
    for (int i = 0; i < 12 * c.n_dense; i++)
        d.dense[i] *= 0.5f;
    for (int b = 0; b < c.n_blocks; b++)
        for (int i = 0; i < 12 * c.dim; i++)
            d.vec[b][i] *= 0.3f;
    struct dlrm *m = model(&c, &d);
    struct trainer_model tm = dlrm_model(m);
    int n = dlrm_tensors(m, t);
    away_from_kinks(&tm, t, n);
    for (int i = 0; i < n; i++) {
        double error = golden_gradient(&tm, &t[i], d.ids, 12, 77);
        ok(error < 1e-3, "%s: gradient of %s (%.1e)", what, t[i].name, error);
    }
    dlrm_free(m);
    data_release(&d);
}

/* ---- the rest ---- */

static void test_order(void)
{
    enum { N = 300 };
    struct dlrm_config c = {DLRM_DEFAULTS, .n_dense = 8, .bag = 3, .n_categories = 9,
                            .n_blocks = 1, .dropout = 0.2f};
    struct data d;
    float z[N], one;
    int same = 1;
    data_init(&d, N, &c, 3);
    struct dlrm *m = model(&c, &d);
    dlrm_logits(m, z, d.ids, N);
    for (int i = 0; i < N; i += 37) {
        dlrm_logits(m, &one, &i, 1);
        same &= memcmp(&one, &z[i], sizeof one) == 0;
    }
    ok(same, "a row's logit is the same bits alone and in a batch");

    struct buf b = {0};
    struct err e = {{0}};
    float z2[N];
    dlrm_save(m, &b);
    struct dlrm *k = dlrm_load(b.data, b.len, &e);
    ok(k && dlrm_bind(k, &d.s, &e) == 0, "saved and loaded %s", e.text);
    if (k) {
        dlrm_logits(k, z2, d.ids, N);
        ok(memcmp(z, z2, sizeof z) == 0, "a loaded model computes the same bits");
    }
    dlrm_free(k);
    ok(!dlrm_load(b.data, b.len - 4, &e) && strstr(e.text, "bytes"), "cut file: %s", e.text);
    b.data[8] = 127, b.data[10] = 127;
    ok(!dlrm_load(b.data, b.len, &e), "wild sizes: %s", e.text);
    b.data[0] = 'x';
    ok(!dlrm_load(b.data, b.len, &e), "another file: %s", e.text);
    buf_release(&b);

    int rows[N];
    struct samples_block cold = {d.vec[0], N, c.dim, rows};
    for (int i = 0; i < N; i++)
        rows[i] = i == 5 ? -1 : N - 1 - i;
    struct samples s = d.s;
    s.blocks = &cold;
    memset(d.vec[0] + (size_t)17 * c.dim, 0, c.dim * sizeof(float));
    ok(dlrm_bind(m, &s, &e) == 0, "blocks by row number");
    dlrm_logits(m, z2, d.ids, N);
    rows[5] = 17;
    dlrm_logits(m, z, d.ids, N);
    ok(memcmp(z, z2, sizeof z) == 0 && isfinite(z[5]), "row -1 is a zero vector");
    s.n_dense = 7;
    ok(dlrm_bind(m, &s, &e) < 0, "another shape: %s", e.text);
    dlrm_free(m);
    data_release(&d);
}

static void test_refusals(void)
{
    struct err e = {{0}};
    struct dlrm_config c = {DLRM_DEFAULTS, .bag = 3, .n_categories = 9};
    ok(!dlrm_new(&c, 1, &e), "nothing to feed: %s", e.text);
    c = (struct dlrm_config){DLRM_DEFAULTS, .n_dense = 3, .dropout = 1};
    ok(!dlrm_new(&c, 1, &e), "all dropped: %s", e.text);
    c = (struct dlrm_config){DLRM_DEFAULTS, .n_dense = -1};
    ok(!dlrm_new(&c, 1, &e), "negative size: %s", e.text);

    struct data d;
    c = (struct dlrm_config){DLRM_DEFAULTS, .n_dense = 2, .bag = 2, .n_categories = 4,
                             .n_blocks = 1};
    data_init(&d, 6, &c, 1);
    ok(samples_check(&d.s, &e) == 0, "good samples pass");
    d.bags[3] = 5;
    ok(samples_check(&d.s, &e) < 0, "%s", e.text);
    d.bags[3] = 4;
    d.label[2] = 2;
    ok(samples_check(&d.s, &e) < 0, "%s", e.text);
    d.label[2] = 1;
    d.dense[7] = NAN;
    ok(samples_check(&d.s, &e) < 0, "%s", e.text);
    d.dense[7] = 0;
    d.vec[0][9] = INFINITY;
    ok(samples_check(&d.s, &e) < 0, "%s", e.text);
    d.vec[0][9] = 0;
    int rows[6] = {0, 1, 2, -2, 0, 0};
    d.block[0].row = rows;
    ok(samples_check(&d.s, &e) < 0, "%s", e.text);
    data_release(&d);
}

static void test_init(void)
{
    struct dlrm_config c = {DLRM_DEFAULTS, .n_dense = 8, .bag = 11, .n_categories = 179,
                            .n_blocks = 2};
    struct err e;
    struct trainer_tensor t[DLRM_TENSORS];
    struct dlrm *m = dlrm_new(&c, 7, &e);
    struct trainer_model tm = dlrm_model(m);
    int n = dlrm_tensors(m, t);
    double sd = 0, most = 0;
    for (int k = 0; k < t[5].rows * t[5].cols; k++)
        sd += tm.params[t[5].at + k] * (double)tm.params[t[5].at + k];
    near(sqrt(sd / (t[5].rows * t[5].cols)), sqrt(2.0 / (38 + 64)), 0.01, "W is N(0, 2/(m+n))");
    for (int k = 0; k < t[4].rows * t[4].cols; k++)
        most = fmax(most, fabs(tm.params[t[4].at + k]));
    ok(n == 11 && t[5].cols == 38, "top MLP reads 32 + 6");
    near(most, sqrt(1.0 / 180), 1e-3, "table is U(+-sqrt(1/rows))");
    dlrm_free(m);
}

int main(void)
{
    static const struct torch_bounds bounds = {1e-5, 1e-5, 1e-4, 1e-6};
    torch_dlrm("dlrm_dot.bin", 48,
               &(struct dlrm_config){DLRM_DEFAULTS, .n_dense = 8, .bag = 11, .n_categories = 20,
                                     .n_blocks = 2},
               bounds);
    torch_dlrm("dlrm_cat.bin", 37,
               &(struct dlrm_config){.n_dense = 3, .bag = 4, .n_categories = 9, .n_blocks = 1,
                                     .dim = 6, .bottom = 5, .top = {7, 4}, .variant = DLRM_CAT},
               bounds);
    check_gradients("dot", (struct dlrm_config){.n_dense = 3, .bag = 3, .n_categories = 5,
                                                .n_blocks = 2, .dropout = 0.3f});
    check_gradients("cat", (struct dlrm_config){.n_dense = 3, .bag = 3, .n_categories = 5,
                                                .n_blocks = 2, .variant = DLRM_CAT,
                                                .dropout = 0.3f});
    check_gradients("no dense", (struct dlrm_config){.bag = 3, .n_categories = 5, .n_blocks = 2});
    check_gradients("no categories", (struct dlrm_config){.n_dense = 3, .n_blocks = 2});
    check_gradients("no blocks", (struct dlrm_config){.n_dense = 3, .bag = 3,
                                                      .n_categories = 5});
    check_gradients("blocks only", (struct dlrm_config){.n_blocks = 3, .variant = DLRM_CAT});
    check_gradients("dense only", (struct dlrm_config){.n_dense = 3});
    test_order();
    test_refusals();
    test_init();
    return done();
}
