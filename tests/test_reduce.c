/* SPDX-License-Identifier: MIT */
/* Reducers: who has seen which labels, how networks of folds are turned onto the axes of the one
 * for all, and that threads change nothing. No database: rows drawn from a seed. */
#include "base/rng.h"
#include "base/util.h"
#include "tap.h"
#include "train/logistic.h"
#include "train/mlp.h"
#include "train/reduce.h"
#include <stdlib.h>

enum { N = 900, WIDTH = 10, FOLDS = 3, D = BLOCK_DIM };

static float rows[N * WIDTH];
static int which[N];
static const struct samples_block block = {.rows = rows, .n_rows = N, .dim = WIDTH, .row = which};

/* Every 20th row has nothing to look at; a third of the rows are not train. */
static struct dataset *make(void)
{
    struct dataset *d = xcalloc(1, sizeof *d);
    struct rng g;
    rng_seed(&g, 4, 0);
    d->n = N;
    d->folds = FOLDS;
    d->label = xcalloc(N, 1);
    d->split = xcalloc(N, 1);
    d->fold = xcalloc(N, sizeof *d->fold);
    for (int s = 0; s < DATASET_SPLITS; s++)
        d->ids[s] = xcalloc(N, sizeof **d->ids);
    for (int i = 0; i < N; i++) {
        float z = 0;
        for (int k = 0; k < WIDTH; k++) {
            rows[i * WIDTH + k] = rng_normal(&g);
            z += k < 3 ? rows[i * WIDTH + k] : 0;
        }
        which[i] = i % 20 == 7 ? -1 : i;
        d->label[i] = z + rng_normal(&g) > 0;
        d->split[i] = i % 6 < 4 ? DATASET_TRAIN : i % 6 == 4 ? DATASET_VAL : DATASET_TEST;
        d->fold[i] = d->split[i] == DATASET_TRAIN ? (int)rng_below(&g, FOLDS) : -1;
        d->ids[d->split[i]][d->n_ids[d->split[i]]++] = i;
    }
    return d;
}

static struct reduce_fit fit_of(const struct dataset *d, const struct samples *s,
                                enum reduce_mode mode, int threads)
{
    struct reduce_fit f = {.d = d, .samples = s, .mode = mode, .dir = "/tmp"};
    reduce_run(&f, 1, threads, NULL);
    if (f.failed)
        die("%s", f.err.text);
    return f;
}

static struct samples samples_of(const struct dataset *d)
{
    return (struct samples){.n = N, .label = d->label, .n_blocks = 1, .blocks = &block};
}

/* ---- the BLOB ---- */

static const size_t turn_bytes = (size_t)D * D * sizeof(float);
static size_t net_bytes; /* of one network: the BLOB of a single fit */

/* Network k of a fit of folds: 0 is the one for all, 1 + fold the others. */
static const char *net_at(const struct reduce_fit *f, int k)
{
    return f->weights.data + (k ? net_bytes + (size_t)(k - 1) * (net_bytes + turn_bytes) : 0);
}

static void rotation_at(float R[D * D], const struct reduce_fit *f, int k)
{
    memcpy(R, net_at(f, k) + net_bytes, turn_bytes);
}

/* Outputs of a network for all rows. */
static float *outputs(const struct reduce_fit *f, int k)
{
    struct err e;
    struct mlp *m = mlp_load(net_at(f, k), net_bytes, &e);
    float *h = xcalloc((size_t)N * D, sizeof *h);
    int ids[N];
    for (int i = 0; i < N; i++)
        ids[i] = i;
    if (!m || mlp_bind(m, f->samples, &e) < 0)
        die("%s", e.text);
    mlp_features(m, h, ids, N);
    mlp_free(m);
    return h;
}

static void test_rotation(const struct reduce_fit *f, int k)
{
    static float R[D * D];
    static double C[D * D], M[D * D];
    float *h = outputs(f, k), *all = outputs(f, 0);
    double off = 0, asymmetric = 0, largest = 0, worst = 0, lowest = 0;
    rotation_at(R, f, k);
    memset(C, 0, sizeof C);
    for (int i = 0; i < D; i++)
        for (int j = 0; j < D; j++) {
            double s = 0;
            for (int r = 0; r < D; r++)
                s += (double)R[r * D + i] * (double)R[r * D + j];
            off = fmax(off, fabs(s - (i == j)));
        }
    ok(off < 1e-5, "fold %d: R^T R is the identity to %.1e", k - 1, off);

    /* The best rotation is the one that makes R^T H_k^T H symmetric and positive. */
    for (int r = 0; r < N; r++)
        for (int i = 0; i < D * D && f->d->split[r] == DATASET_TRAIN && which[r] >= 0; i++)
            C[i] += (double)h[r * D + i / D] * (double)all[r * D + i % D];
    for (int i = 0; i < D; i++)
        for (int j = 0; j < D; j++) {
            M[i * D + j] = 0;
            for (int r = 0; r < D; r++)
                M[i * D + j] += (double)R[r * D + i] * C[r * D + j];
            largest = fmax(largest, fabs(M[i * D + j]));
        }
    for (int i = 0; i < D; i++)
        for (int j = 0; j < i; j++)
            asymmetric = fmax(asymmetric, fabs(M[i * D + j] - M[j * D + i]) / largest);
    struct rng g;
    rng_seed(&g, 9, 9);
    for (int t = 0; t < 200; t++) {
        double x[D], s = 0;
        for (int i = 0; i < D; i++)
            x[i] = (double)rng_normal(&g);
        for (int i = 0; i < D * D; i++)
            s += x[i / D] * M[i] * x[i % D];
        lowest = fmin(lowest, s / largest);
    }
    ok(asymmetric < 1e-5 && lowest > -1e-5, "fold %d: it is the closest rotation (%.1e)", k - 1,
       asymmetric);

    for (int r = 0; r < N; r++)
        for (int j = 0; j < D && f->d->fold[r] == k - 1 && which[r] >= 0; j++) {
            double s = 0;
            for (int i = 0; i < D; i++)
                s += (double)R[i * D + j] * (double)h[r * D + i];
            worst = fmax(worst, fabs(s - (double)f->features[r * D + j]));
        }
    ok(worst < 1e-6, "fold %d: its rows are R^T h of its network, to %.1e", k - 1, worst);
    free(h);
    free(all);
}

static void test_folds(const struct dataset *d)
{
    struct samples s = samples_of(d);
    struct reduce_fit one = fit_of(d, &s, REDUCE_SINGLE, 1), f = fit_of(d, &s, REDUCE_FOLDS, 1);
    size_t row = D * sizeof(float);
    int held = 1, train = 0, unknown = 1;
    net_bytes = one.weights.len;
    ok(f.weights.len == net_bytes + FOLDS * (net_bytes + turn_bytes),
       "one network and a fold's each");
    ok(memcmp(f.weights.data, one.weights.data, net_bytes) == 0, "the one for all is single's");
    float *h = outputs(&one, 0);
    double worst = 0;
    for (int i = 0; i < N; i++) {
        const float *x = f.features + i * D, *y = one.features + i * D;
        if (d->split[i] != DATASET_TRAIN)
            held &= memcmp(x, y, row) == 0;
        else
            train += memcmp(x, y, row) != 0;
        for (int k = 0; k < D; k++) {
            unknown &= which[i] >= 0 || (x[k] == 0 && y[k] == 0);
            if (which[i] >= 0)
                worst = fmax(worst, fabs((double)(y[k] - h[i * D + k])));
        }
    }
    ok(worst == 0, "single: what its network says");
    ok(held && train > d->n_ids[DATASET_TRAIN] * 9 / 10, "val and test as single's, train not");
    ok(unknown, "a row that sees nothing is zeros");
    for (int k = 1; k <= FOLDS; k++)
        test_rotation(&f, k);
    free(h);
    reduce_release(&one);
    reduce_release(&f);
    ok(f.features == NULL && f.weights.data == NULL, "released");
}

static void test_own_fold(struct dataset *d)
{
    struct samples s = samples_of(d);
    struct reduce_fit a = fit_of(d, &s, REDUCE_FOLDS, 2);
    unsigned char *was = xcalloc(N, 1);
    int last = -1, equal[FOLDS + 1];
    memcpy(was, d->label, N);
    for (int i = 0; i < N; i++) /* each row of fold 1 takes the label of the one before */
        if (d->fold[i] == 1) {
            d->label[i] = last < 0 ? !was[i] : was[last];
            last = i;
        }
    struct reduce_fit b = fit_of(d, &s, REDUCE_FOLDS, 2);
    for (int k = 0; k <= FOLDS; k++)
        equal[k] = memcmp(net_at(&a, k), net_at(&b, k), net_bytes) == 0;
    ok(equal[2], "other labels in fold 1: its own network is the same to the byte");
    ok(!equal[0] && !equal[1] && !equal[3], "those that see it are not");
    memcpy(d->label, was, N);
    free(was);
    reduce_release(&a);
    reduce_release(&b);
}

static void test_threads(const struct dataset *d)
{
    struct samples s = samples_of(d);
    struct reduce_fit a = fit_of(d, &s, REDUCE_FOLDS, 1);
    for (int threads = 2; threads <= 4; threads *= 2) {
        struct reduce_fit b = fit_of(d, &s, REDUCE_FOLDS, threads);
        ok(a.weights.len == b.weights.len &&
           memcmp(a.weights.data, b.weights.data, a.weights.len) == 0 &&
           memcmp(a.features, b.features, (size_t)N * D * sizeof(float)) == 0 &&
           a.choice_loss == b.choice_loss, "%d threads: the same bytes as one", threads);
        reduce_release(&b);
    }
    struct reduce_fit many[2] = {{.d = d, .samples = &s, .mode = REDUCE_SINGLE, .dir = "/tmp"},
                                 {.d = d, .samples = &s, .mode = REDUCE_FOLDS, .dir = "/tmp"}};
    reduce_run(many, 2, 3, NULL);
    ok(!many[0].failed && !many[1].failed && many[1].weights.len == a.weights.len &&
       memcmp(many[1].weights.data, a.weights.data, a.weights.len) == 0,
       "several fits at once: each as if alone");
    reduce_release(&many[0]);
    reduce_release(&many[1]);
    reduce_release(&a);
}

static void train_row(float *x, void *ctx, int i)
{
    const struct reduce_fit *f = ctx;
    memcpy(x, f->features + f->d->ids[DATASET_TRAIN][i] * D, D * sizeof *x);
}

static void test_choice(struct dataset *d)
{
    struct samples s = samples_of(d);
    struct reduce_fit f = fit_of(d, &s, REDUCE_FOLDS, 2);
    struct logistic m;
    struct err e = {""};
    unsigned char label[N];
    int n = d->n_ids[DATASET_TRAIN], nv = d->n_ids[DATASET_VAL];
    double loss = 0;
    for (int i = 0; i < n; i++)
        label[i] = d->label[d->ids[DATASET_TRAIN][i]];
    struct logistic_rows train = {train_row, &f, label, n, D};
    if (logistic_fit(&m, &train, 0.01, &e) < 0)
        die("%s", e.text);
    for (int i = 0; i < nv; i++) {
        int row = d->ids[DATASET_VAL][i];
        double p = 1 / (1 + exp(-(double)logistic_logit(&m, f.features + row * D)));
        loss -= log(d->label[row] ? p : 1 - p) / nv;
    }
    near(f.choice_loss, loss, 1e-6, "choice_loss: log loss on validation");
    ok(loss < 0.6, "which is better than guessing: %.3f", loss);
    logistic_release(&m);
    reduce_release(&f);
    unsigned char *was = xcalloc(N, 1);
    memcpy(was, d->label, N);
    memset(d->label, 1, N);
    f = fit_of(d, &s, REDUCE_SINGLE, 1);
    ok(isnan(f.choice_loss), "with one class there is no choice");
    memcpy(d->label, was, N);
    free(was);
    reduce_release(&f);
}

static int stop_now(void)
{
    return 1;
}

static void test_failures(struct dataset *d)
{
    struct samples s = samples_of(d);
    struct reduce_fit f = {.d = d, .samples = &s, .mode = REDUCE_FOLDS, .dir = "/tmp"};
    reduce_run(&f, 1, 2, stop_now);
    ok(f.failed && strstr(f.err.text, "interrupted") && !f.features, "stopped: %s", f.err.text);
    reduce_release(&f);
    f = (struct reduce_fit){.d = d, .samples = &s, .mode = REDUCE_SINGLE, .dir = "/nowhere"};
    reduce_run(&f, 1, 1, NULL);
    ok(f.failed && strstr(f.err.text, "/nowhere"), "no room: %s", f.err.text);
    reduce_release(&f);
    float was = rows[0];
    rows[0] = INFINITY;
    f = (struct reduce_fit){.d = d, .samples = &s, .mode = REDUCE_SINGLE, .dir = "/tmp"};
    reduce_run(&f, 1, 1, NULL);
    ok(f.failed && f.err.text[0], "a value that is not finite: %s", f.err.text);
    rows[0] = was;
    reduce_release(&f);
    for (int i = 0; i < N; i++)
        d->fold[i] = d->fold[i] == 1 ? 0 : d->fold[i];
    f = fit_of(d, &s, REDUCE_FOLDS, 2);
    ok(f.weights.len == net_bytes + 2 * (net_bytes + turn_bytes),
       "a fold without rows: no network");
    reduce_release(&f);
}

static void test_modes(void)
{
    static const struct {
        enum dataset_protocol protocol;
        const char *reduction, *kind, *stopping;
        enum reduce_mode want;
    } t[] = {{DATASET_PAPER, "folds", "dlrm", "loss", REDUCE_SINGLE},
             {DATASET_CROSSFIT, "folds", "dlrm", "fpr", REDUCE_FOLDS},
             {DATASET_CROSSFIT, "single", "logistic", "loss", REDUCE_SINGLE},
             {DATASET_CROSSFIT, "auto", "dlrm", "fpr", REDUCE_SINGLE},
             {DATASET_CROSSFIT, "auto", "dlrm", "loss", REDUCE_FOLDS},
             {DATASET_CROSSFIT, "auto", "logistic", "fpr", REDUCE_FOLDS}};
    int right = 1;
    for (size_t i = 0; i < ARRAY_LEN(t); i++)
        right &= reduce_mode_for(t[i].protocol, t[i].reduction, t[i].kind, t[i].stopping) ==
                 t[i].want;
    ok(right, "which mode is for which model and experiment");
}

int main(void)
{
    struct dataset *d = make();
    test_modes();
    test_folds(d);
    test_own_fold(d);
    test_threads(d);
    test_choice(d);
    test_failures(d);
    dataset_free(d);
    return done();
}
