/* SPDX-License-Identifier: MIT */
#include "train/metrics.h"
#include "base/rng.h"
#include "base/util.h"
#include "tap.h"
#include "train/baseline.h"
#include <stdlib.h>

static void against_sklearn(void)
{
    FILE *f = fopen("tests/golden/train/metrics.txt", "r");
    int n, cases = 0;
    if (!f)
        die("tests/golden/train/metrics.txt: cannot be read");
    while (fscanf(f, "%d", &n) == 1) {
        unsigned char *y = xmalloc((size_t)n);
        float *p = xcalloc((size_t)n, sizeof *p);
        struct metrics_ranking r;
        for (int i = 0; i < n; i++) {
            int label;
            if (fscanf(f, "%d %f", &label, &p[i]) != 2)
                die("metrics.txt: bad row %d", i);
            y[i] = (unsigned char)label;
        }
        metrics_rank(&r, y, p, n);
        cases++;
        for (int k = 0; k <= METRICS_ECE; k++) {
            double want;
            if (fscanf(f, "%lf", &want) != 1)
                die("metrics.txt: bad numbers");
            char name[60];
            snprintf(name, sizeof name, "case %d: %s", cases, metrics_name[k]);
            near(metrics_value(k, &r, NULL), want, 1e-9, name);
        }
        metrics_rank_release(&r);
        free(p);
        free(y);
    }
    fclose(f);
    ok(cases == 7, "seven cases");
}

/* Rows counted several times must give what copies of the rows give. */
static void test_times(void)
{
    enum { N = 60 };
    unsigned char y[N], y2[4 * N];
    float p[N], p2[4 * N];
    int times[N], m = 0;
    struct rng r;
    rng_seed(&r, 3, 0);
    for (int i = 0; i < N; i++) {
        y[i] = rng_uniform(&r) < 0.6f;
        p[i] = (float)rng_below(&r, 20) / 20;
        times[i] = (int)rng_below(&r, 4);
        for (int k = 0; k < times[i]; k++, m++) {
            y2[m] = y[i];
            p2[m] = p[i];
        }
    }
    struct metrics_ranking a, b;
    metrics_rank(&a, y, p, N);
    metrics_rank(&b, y2, p2, m);
    double worst = 0;
    for (int k = 0; k < METRICS_KINDS; k++)
        worst = fmax(worst, fabs(metrics_value(k, &a, times) - metrics_value(k, &b, NULL)));
    near(worst, 0, 1e-12, "rows counted several times");
    metrics_rank_release(&a);
    metrics_rank_release(&b);
}

static void test_undefined(void)
{
    static const unsigned char pos[3] = {1, 1, 1}, neg[3] = {0, 0, 0};
    static const float p[3] = {0.2f, 0.9f, 0.5f};
    struct metrics_ranking r;
    metrics_rank(&r, pos, p, 3);
    ok(isnan(metrics_value(METRICS_FPR, &r, NULL)) &&
       isnan(metrics_value(METRICS_AUC, &r, NULL)) &&
       isnan(metrics_value(METRICS_FPR_AT_TPR90, &r, NULL)), "no negatives: undefined");
    near(metrics_value(METRICS_ACCURACY, &r, NULL), 1 / 3., 1e-12, "0.5 is not positive");
    metrics_rank_release(&r);
    metrics_rank(&r, neg, p, 3);
    ok(isnan(metrics_value(METRICS_TPR, &r, NULL)) &&
       isnan(metrics_value(METRICS_PR_AUC, &r, NULL)), "no positives: undefined");
    ok(isnan(metrics_threshold_tpr(&r, 0.9)), "no positives: no threshold");
    metrics_rank_release(&r);
    metrics_rank(&r, neg, p, 0);
    ok(isnan(metrics_value(METRICS_ACCURACY, &r, NULL)) &&
       isnan(metrics_value(METRICS_ECE, &r, NULL)), "no rows: undefined");
    metrics_rank_release(&r);
    static const unsigned char y[2] = {1, 0};
    static const float zero[2] = {-0.0f, 0.0f};
    near(metrics_auc(y, zero, 2), 0.5, 0, "-0 and +0 are a tie");
}

static void test_threshold(void)
{
    enum { N = 200 };
    unsigned char y[N];
    float p[N];
    struct rng g;
    struct metrics_ranking r;
    struct metrics_counts c;
    rng_seed(&g, 8, 0);
    for (int i = 0; i < N; i++) {
        y[i] = rng_uniform(&g) < 0.8f;
        p[i] = (float)rng_below(&g, 50) / 50 * (y[i] ? 1 : 0.8f);
    }
    metrics_rank(&r, y, p, N);
    float t = metrics_threshold_accuracy(&r);
    metrics_count(&c, y, p, N, t);
    double best = 0, got = metrics_accuracy(&c);
    for (float s = -0.01f; s < 1; s += 0.001f) {
        metrics_count(&c, y, p, N, s);
        best = fmax(best, metrics_accuracy(&c));
    }
    near(got, best, 0, "no threshold is more accurate");
    t = metrics_threshold_tpr(&r, 0.9);
    metrics_count(&c, y, p, N, t);
    ok(metrics_tpr(&c) >= 0.9, "threshold %.3f has TPR %.3f", (double)t, metrics_tpr(&c));
    metrics_count(&c, y, p, N, t + 0.021f);
    ok(metrics_tpr(&c) < 0.9, "and the next higher one has not");
    metrics_rank_release(&r);
}

static void test_baseline(void)
{
    static const unsigned char y[5] = {1, 1, 0, 1, 1};
    static const int rows[4] = {0, 2, 3, 4};
    near(baseline_majority(y, rows, 4), 0.75, 0, "majority");
    near(baseline_damped(10, 2, 4, 5), 30 / 7., 1e-12, "a damped mean");
    near(baseline_damped(0, 0, 4, 5), 4, 0, "nothing known: the mean");
    near(baseline_damped(0, 0, 4, 0), 4, 0, "also undamped");
    double mean, sd;
    metrics_mean_sd(&mean, &sd, (double[]){1, 2, 6}, 3);
    ok(fabs(mean - 3) < 1e-12 && fabs(sd - sqrt(7)) < 1e-12, "mean and sd");
    metrics_mean_sd(&mean, &sd, (double[]){1}, 1);
    ok(mean == 1 && isnan(sd), "one value has no sd");
}

int main(void)
{
    against_sklearn();
    test_times();
    test_undefined();
    test_threshold();
    test_baseline();
    return done();
}
