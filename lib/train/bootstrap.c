/* SPDX-License-Identifier: MIT */
#include "train/bootstrap.h"
#include "base/rng.h"
#include "base/util.h"
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

void bootstrap_draw(int *times, int users, uint64_t seed, int k)
{
    struct rng r;
    rng_seed(&r, seed, (uint64_t)k);
    memset(times, 0, (size_t)users * sizeof *times);
    for (int u = 0; u < users; u++)
        times[rng_below(&r, (uint32_t)users)]++;
}

size_t bootstrap_room(int runs, int resamples)
{
    return (size_t)runs * METRICS_KINDS * (size_t)resamples;
}

/* Resamples from, from + stride, ... of all runs. */
struct part {
    double *v;
    const struct metrics_ranking *run;
    int runs, users, resamples, from, stride;
    uint64_t seed;
};

static void *compute(void *arg)
{
    const struct part *p = arg;
    int *times = xcalloc((size_t)p->users, sizeof *times);
    double one[METRICS_KINDS];
    for (int k = p->from; k < p->resamples; k += p->stride) {
        bootstrap_draw(times, p->users, p->seed, k);
        for (int r = 0; r < p->runs; r++) {
            metrics_ranked(one, &p->run[r], times);
            for (int m = 0; m < METRICS_KINDS; m++)
                p->v[((size_t)r * METRICS_KINDS + (size_t)m) * (size_t)p->resamples +
                     (size_t)k] = one[m];
        }
    }
    free(times);
    return NULL;
}

void bootstrap_values(double *v, const struct metrics_ranking *run, int runs, int users,
                      int resamples, uint64_t seed, int threads)
{
    pthread_t *t = xcalloc((size_t)threads, sizeof *t);
    struct part *part = xcalloc((size_t)threads, sizeof *part);
    for (int i = 0; i < threads; i++) {
        part[i] = (struct part){v, run, runs, users, resamples, i, threads, seed};
        if (i > 0 && pthread_create(&t[i], NULL, compute, &part[i]) != 0)
            die("cannot start a thread");
    }
    compute(&part[0]);
    for (int i = 1; i < threads; i++)
        pthread_join(t[i], NULL);
    free(part);
    free(t);
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

void bootstrap_interval(struct bootstrap *b, double *x, int n)
{
    double mean;
    int used = 0;
    for (int i = 0; i < n; i++)
        if (!isnan(x[i])) {
            double t = x[used];
            x[used++] = x[i];
            x[i] = t;
        }
    qsort(x, (size_t)used, sizeof *x, by_value);
    *b = (struct bootstrap){.used = used};
    metrics_mean_sd(&mean, &b->sd, x, used);
    b->lo = used < 2 ? NAN : bootstrap_quantile(x, used, 0.025);
    b->hi = used < 2 ? NAN : bootstrap_quantile(x, used, 0.975);
}
