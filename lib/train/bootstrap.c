/* SPDX-License-Identifier: MIT */
#include "train/bootstrap.h"
#include "base/rng.h"
#include "base/util.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct owned {
    int64_t user;
    int row;
};

static int by_user(const void *x, const void *y)
{
    const struct owned *a = x, *b = y;
    if (a->user != b->user)
        return a->user < b->user ? -1 : 1;
    return a->row < b->row ? -1 : 1;
}

/* Numbers users 0, 1, ... in the order of their ids; returns how many. */
static int number_users(int *cluster, const int64_t *user, int n)
{
    struct owned *o = xcalloc((size_t)n, sizeof *o);
    int users = 0;
    for (int i = 0; i < n; i++)
        o[i] = (struct owned){user[i], i};
    qsort(o, (size_t)n, sizeof *o, by_user);
    for (int i = 0; i < n; i++) {
        if (i && o[i].user != o[i - 1].user)
            users++;
        cluster[o[i].row] = users;
    }
    free(o);
    return users + 1;
}

static int by_value(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

double bootstrap_quantile(const double *x, int n, double q)
{
    double at = q * (n - 1);
    int k = (int)at;
    return k + 1 < n ? x[k] + (at - k) * (x[k + 1] - x[k]) : x[n - 1];
}

static double value_of(int kind, const struct metrics_ranking *a,
                       const struct metrics_ranking *b, const int *times)
{
    double v = metrics_value(kind, a, times);
    return b ? v - metrics_value(kind, b, times) : v;
}

/* Draws, in resample k, users with replacement: how often each row counts. */
static void draw(int *times, int *drawn, const int *cluster, int users, int n, uint64_t seed,
                 int k)
{
    struct rng r;
    rng_seed(&r, seed, (uint64_t)k);
    memset(drawn, 0, (size_t)users * sizeof *drawn);
    for (int u = 0; u < users; u++)
        drawn[rng_below(&r, (uint32_t)users)]++;
    for (int i = 0; i < n; i++)
        times[i] = drawn[cluster[i]];
}

static void summarise(struct bootstrap *out, double *v)
{
    double mean;
    qsort(v, (size_t)out->used, sizeof *v, by_value);
    metrics_mean_sd(&mean, &out->sd, v, out->used);
    out->lo = out->used < 2 ? NAN : bootstrap_quantile(v, out->used, 0.025);
    out->hi = out->used < 2 ? NAN : bootstrap_quantile(v, out->used, 0.975);
}

int bootstrap_compare(struct bootstrap *out, int kind, const unsigned char *label,
                      const float *a, const float *b, const int64_t *user, int n,
                      int resamples, uint64_t seed, struct err *e)
{
    if (n < 1 || resamples < 2)
        return err_set(e, "bootstrap of %d rows with %d resamples", n, resamples);
    struct metrics_ranking ra, rb = {0};
    metrics_rank(&ra, label, a, n);
    if (b)
        metrics_rank(&rb, label, b, n);
    int *cluster = xcalloc((size_t)n, sizeof *cluster), *times = xcalloc((size_t)n, sizeof *times);
    *out = (struct bootstrap){.a = metrics_value(kind, &ra, NULL),
                              .b = b ? metrics_value(kind, &rb, NULL) : NAN,
                              .diff = value_of(kind, &ra, b ? &rb : NULL, NULL),
                              .users = number_users(cluster, user, n)};
    int *drawn = xcalloc((size_t)out->users, sizeof *drawn);
    double *v = xcalloc((size_t)resamples, sizeof *v);
    for (int k = 0; k < resamples; k++) {
        draw(times, drawn, cluster, out->users, n, seed, k);
        double x = value_of(kind, &ra, b ? &rb : NULL, times);
        if (!isnan(x))
            v[out->used++] = x;
    }
    summarise(out, v);
    free(v);
    free(drawn);
    free(times);
    free(cluster);
    metrics_rank_release(&rb);
    metrics_rank_release(&ra);
    return 0;
}
