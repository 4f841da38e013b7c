/* SPDX-License-Identifier: MIT */
/* Bins of probabilities and intervals over users, against scikit-learn and NumPy. */
#include "train/bootstrap.h"
#include "base/rng.h"
#include "base/util.h"
#include "tap.h"
#include <stdlib.h>

static FILE *golden(const char *name)
{
    char *path = xasprintf("tests/golden/stats/%s", name);
    FILE *f = fopen(path, "r");
    if (!f)
        die("%s: cannot be read", path);
    free(path);
    return f;
}

static void read_rows(FILE *f, unsigned char *label, float *p, int n)
{
    for (int i = 0; i < n; i++) {
        int y;
        if (fscanf(f, "%d %f", &y, &p[i]) != 2)
            die("golden: bad row %d", i);
        label[i] = (unsigned char)y;
    }
}

static void test_bins(void)
{
    FILE *f = golden("bins.txt");
    int n, filled, cases = 0;
    double ap;
    while (fscanf(f, "%d %d %lf", &n, &filled, &ap) == 3) {
        unsigned char *y = xmalloc((size_t)n);
        float *p = xcalloc((size_t)n, sizeof *p);
        struct metrics_bin bin[METRICS_BINS];
        struct metrics_ranking r;
        double worst = 0, ece = 0, rows = 0;
        read_rows(f, y, p, n);
        metrics_bins(bin, y, p, n);
        for (int b = 0; b < METRICS_BINS; b++) {
            double mean, share;
            if (bin[b].n <= 0)
                continue;
            if (filled-- <= 0 || fscanf(f, "%lf %lf", &mean, &share) != 2)
                die("bins.txt: fewer bins than here");
            worst = fmax(worst, fabs(bin[b].p / bin[b].n - mean));
            worst = fmax(worst, fabs(bin[b].positive / bin[b].n - share));
            ece += fabs(mean - share) * bin[b].n / n;
            rows += bin[b].n;
        }
        ok(filled == 0 && rows >= n && rows <= n, "case %d: as many bins, each row once", ++cases);
        near(worst, 0, 1e-9, "bins as calibration_curve has them");
        metrics_rank(&r, y, p, n);
        near(metrics_value(METRICS_ECE, &r, NULL), ece, 1e-9, "their gaps are the ECE");
        near(metrics_value(METRICS_PR_AUC_NEGATIVE, &r, NULL), ap, 1e-9, "PR-AUC of negatives");
        metrics_rank_release(&r);
        free(p);
        free(y);
    }
    fclose(f);
    ok(cases == 2, "two cases");
}

static int kind_of(const char *name)
{
    for (int k = 0; k < METRICS_KINDS; k++)
        if (strcmp(metrics_name[k], name) == 0)
            return k;
    die("no metric '%s'", name);
}

/* The draws of the golden are those of base/rng, so intervals must agree to the last digits. */
static void test_golden(void)
{
    enum { N = 400, RUNS = 2 };
    FILE *f = golden("bootstrap.txt");
    unsigned char y[N];
    float p[RUNS][N];
    int user[N], n, users, resamples, names;
    if (fscanf(f, "%d %d %d %d", &n, &users, &resamples, &names) != 4 || n > N)
        die("bootstrap.txt: bad head");
    for (int i = 0; i < n; i++) {
        int label;
        if (fscanf(f, "%d %d %f %f", &user[i], &label, &p[0][i], &p[1][i]) != 4)
            die("bootstrap.txt: bad row");
        y[i] = (unsigned char)label;
    }
    struct metrics_ranking r[RUNS];
    for (int k = 0; k < RUNS; k++) {
        metrics_rank(&r[k], y, p[k], n);
        metrics_rank_clusters(&r[k], user);
    }
    size_t room = bootstrap_room(RUNS, resamples);
    double *v = xcalloc(room, sizeof *v), *w = xcalloc(room, sizeof *w);
    double *diff = xcalloc((size_t)resamples, sizeof *diff);
    bootstrap_values(v, r, RUNS, users, resamples, 1, 1);
    bootstrap_values(w, r, RUNS, users, resamples, 1, 3);
    ok(memcmp(v, w, room * sizeof *v) == 0, "one thread or three: the same bits");
    for (int m = 0; m < names; m++) {
        char name[32];
        double want[5];
        struct bootstrap b;
        if (fscanf(f, "%31s %lf %lf %lf %lf %lf", name, &want[0], &want[1], &want[2], &want[3],
                   &want[4]) != 6)
            die("bootstrap.txt: bad numbers");
        int kind = kind_of(name);
        const double *a = v + (size_t)kind * (size_t)resamples, *c = a + room / RUNS;
        for (int k = 0; k < resamples; k++)
            diff[k] = a[k] - c[k];
        bootstrap_interval(&b, diff, resamples);
        near(metrics_value(kind, &r[0], NULL), want[0], 1e-9, name);
        near(metrics_value(kind, &r[1], NULL), want[1], 1e-9, "of the other score");
        ok(fabs(b.lo - want[2]) < 1e-9 && fabs(b.hi - want[3]) < 1e-9, "interval %.4f to %.4f",
           b.lo, b.hi);
        near(b.sd, want[4], 1e-9, "spread");
        ok(b.used == resamples, "all resamples");
    }
    fclose(f);
    for (int k = 0; k < RUNS; k++)
        metrics_rank_release(&r[k]);
    free(v);
    free(w);
    free(diff);
}

/* Spread of the accuracy over resamples of clusters. */
static double spread(const struct metrics_ranking *one, const int *cluster, int clusters)
{
    enum { RESAMPLES = 2000 };
    struct metrics_ranking r = *one;
    struct bootstrap b;
    double *v = xcalloc(bootstrap_room(1, RESAMPLES), sizeof *v);
    metrics_rank_clusters(&r, cluster);
    bootstrap_values(v, &r, 1, clusters, RESAMPLES, 1, 2);
    bootstrap_interval(&b, v + METRICS_ACCURACY * RESAMPLES, RESAMPLES);
    free(v);
    return b.sd;
}

static void test_formula(void)
{
    enum { USERS = 80, PER = 5, N = USERS * PER };
    unsigned char y[N];
    float p[N];
    int user[N], alone[N];
    double per[USERS] = {0}, var = 0;
    struct rng g;
    struct metrics_ranking r;
    rng_seed(&g, 21, 0);
    for (int u = 0; u < USERS; u++) {
        float taste = rng_normal(&g); /* a user's rows rise and fall together */
        for (int i = u * PER; i < (u + 1) * PER; i++) {
            y[i] = rng_normal(&g) + 2 * taste > 0;
            p[i] = 0.5f + 0.1f * taste + 0.1f * rng_normal(&g);
            user[i] = u;
            alone[i] = i;
            per[u] += ((p[i] > 0.5f) == y[i]) / (double)PER;
        }
    }
    metrics_rank(&r, y, p, N);
    double a = metrics_value(METRICS_ACCURACY, &r, NULL), binomial = sqrt(a * (1 - a) / N);
    double rows = spread(&r, alone, N), users = spread(&r, user, USERS);
    for (int u = 0; u < USERS; u++) /* clusters of equal size: the variance of their means */
        var += (per[u] - a) * (per[u] - a) / USERS / USERS;
    ok(fabs(rows / binomial - 1) < 0.08, "rows alone: binomial spread, %.4f against %.4f", rows,
       binomial);
    ok(users > 1.1 * rows, "users: wider, %.4f", users);
    ok(fabs(users / sqrt(var) - 1) < 0.08, "users: as the formula says, %.4f", sqrt(var));
    metrics_rank_release(&r);
}

static void test_interval(void)
{
    static const double x[5] = {1, 2, 3, 4, 10};
    struct bootstrap b;
    near(bootstrap_quantile(x, 5, 0.9), 7.6, 1e-12, "quantile as numpy");
    near(bootstrap_quantile(x, 5, 1), 10, 0, "largest");
    bootstrap_interval(&b, (double[]){3, (double)NAN, 1, (double)NAN, 2}, 5);
    ok(b.used == 3 && fabs(b.lo - 1.05) < 1e-12 && fabs(b.hi - 2.95) < 1e-12 &&
       fabs(b.sd - 1) < 1e-12, "undefined resamples are left out: %d of 5", b.used);
    bootstrap_interval(&b, (double[]){(double)NAN, 1}, 2);
    ok(b.used == 1 && isnan(b.lo) && isnan(b.hi), "one value has no interval");
}

int main(void)
{
    test_bins();
    test_golden();
    test_formula();
    test_interval();
    return done();
}
