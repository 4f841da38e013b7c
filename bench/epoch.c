/* SPDX-License-Identifier: MIT */
/* Epochs of the DLRM as the grid trains it: a model and a trainer a thread, on shared made-up
 * rows with indexed blocks (the time does not know what the numbers mean).
 * usage: epoch dot|cat ROWS EPOCHS THREADS   prints one line: seconds an epoch of a thread
 *        (median), epochs a second of all, GFLOP/s of the products, GFLOP an epoch, seconds
 *        of a core an epoch (less than the first where others use the machine too)
 *        epoch rate SECONDS                  prints GFLOP/s of tile_product alone, one core
 * An epoch is ROWS training rows in batches of 2,048, then ROWS/8 validation rows with their
 * rates, losses and AUC; every tenth also scores the training rows, as in the product. */
#include "base/rng.h"
#include "base/util.h"
#include "nn/tile.h"
#include "train/dlrm.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DENSE = 8, BAG = 11, CATEGORIES = 179, BLOCKS = 2, DIM = 32, MOST_EPOCHS = 1000 };

struct rows {
    struct samples s;
    struct samples_block block[BLOCKS];
    int *ids, n_train;
};

static void fill(float *x, size_t n, struct rng *r)
{
    for (size_t i = 0; i < n; i++)
        x[i] = 2 * rng_uniform(r) - 1;
}

/* Every third row looks at a vector of its own: shared ones, as those of an entity, repeat. */
static void make_rows(struct rows *d, int n_train)
{
    struct rng r;
    size_t n = (size_t)n_train + (size_t)n_train / 8;
    float *dense = xcalloc(n, DENSE * sizeof *dense);
    int *bags = xcalloc(n, BAG * sizeof *bags);
    unsigned char *label = xcalloc(n, 1);
    rng_seed(&r, 1, 0);
    fill(dense, n * DENSE, &r);
    for (size_t i = 0; i < n * BAG; i++)
        bags[i] = (int)rng_below(&r, CATEGORIES);
    for (int b = 0; b < BLOCKS; b++) {
        size_t rows = n / 3 + 1;
        float *v = xcalloc(rows, DIM * sizeof *v);
        int *row = xcalloc(n, sizeof *row);
        fill(v, rows * DIM, &r);
        for (size_t i = 0; i < n; i++)
            row[i] = (int)rng_below(&r, (uint32_t)rows);
        d->block[b] = (struct samples_block){v, (int)rows, DIM, row};
    }
    d->ids = xcalloc(n, sizeof *d->ids);
    for (size_t i = 0; i < n; i++) {
        label[i] = dense[i * DENSE] + 2 * rng_uniform(&r) > 0;
        d->ids[i] = (int)i;
    }
    d->n_train = n_train;
    d->s = (struct samples){(int)n, label, DENSE, dense, BAG, CATEGORIES, bags, BLOCKS, d->block};
}

struct turn {
    const struct rows *d;
    int variant, epochs, seed;
    double s[MOST_EPOCHS], sum, cpu, auc;
};

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *turn(void *arg)
{
    struct turn *t = arg;
    struct err e;
    struct dlrm_config c = {DLRM_DEFAULTS, .n_dense = DENSE, .bag = BAG,
                            .n_categories = CATEGORIES, .n_blocks = BLOCKS, .dropout = 0.1f};
    struct trainer_options o = {TRAINER_DLRM, .seed = (uint64_t)t->seed,
                                .weighting = TRAINER_BASIC};
    c.variant = t->variant;
    struct dlrm *m = dlrm_new(&c, (uint64_t)t->seed, &e);
    if (!m || dlrm_bind(m, &t->d->s, &e) < 0)
        die("%s", e.text);
    struct trainer_model table = dlrm_model(m);
    const int *ids = t->d->ids;
    int n = t->d->n_train;
    struct trainer *tr = trainer_new(&table, ids, n, ids + n, t->d->s.n - n, &o, &e);
    struct trainer_epoch rec;
    if (!tr)
        die("%s", e.text);
    for (int i = -1; i < t->epochs; i++) { /* the first warms up */
        double start = monotonic_s(), cpu = cpu_s();
        if (trainer_epoch(tr, &rec, &e) < 0)
            die("%s", e.text);
        if (i >= 0) {
            t->sum += t->s[i] = monotonic_s() - start;
            t->cpu += (cpu_s() - cpu) / t->epochs;
        }
    }
    t->auc = rec.val_auc;
    trainer_free(tr);
    dlrm_free(m);
    return NULL;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Multiplications and additions of the dense layers alone: forward, dW, and dx where wanted;
 * validation is forward. */
static double flop(int variant, double train, double valid)
{
    const int top = 6 + (variant == DLRM_CAT ? 4 * DIM : DIM);
    const double forward = DENSE * 64 + 64 * 32 + top * 64 + 64 * 32 + 32;
    return 2 * (train * (3 * forward - DENSE * 64) + valid * forward);
}

static void measure(int variant, int rows, int epochs, int threads)
{
    struct rows d;
    struct turn *t = xcalloc((size_t)threads, sizeof *t);
    pthread_t *id = xcalloc((size_t)threads, sizeof *id);
    double rate = 0, median = 0, cpu = 0;
    make_rows(&d, rows);
    for (int i = 0; i < threads; i++) {
        t[i] = (struct turn){.d = &d, .variant = variant, .epochs = epochs, .seed = i + 1};
        if (pthread_create(&id[i], NULL, turn, &t[i]) != 0)
            die("cannot start a thread");
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(id[i], NULL);
        qsort(t[i].s, (size_t)epochs, sizeof *t[i].s, by_value);
        rate += epochs / t[i].sum;
        median += t[i].s[epochs / 2] / threads;
        cpu += t[i].cpu / threads;
    }
    double work = flop(variant, rows, d.s.n - rows + rows / 10) / 1e9;
    printf("%.4f %.3f %.1f %.3f %.4f\n", median, rate, work * rate / threads, work, cpu);
    info("AUC %.6f, fastest epoch %.4f s", t[0].auc, t[0].s[0]);
    for (int b = 0; b < BLOCKS; b++) {
        free((void *)(uintptr_t)d.block[b].rows);
        free((void *)(uintptr_t)d.block[b].row);
    }
    free((void *)(uintptr_t)d.s.dense);
    free((void *)(uintptr_t)d.s.bags);
    free((void *)(uintptr_t)d.s.label);
    free(d.ids);
    free(t);
    free(id);
}

/* The largest product of the DLRM, [128,38] [38,64], on hot operands. */
static double rate(double seconds)
{
    static float a[128 * 48], b[48 * 64], c[128 * 64];
    double n = 0, start = monotonic_s(), s;
    while ((s = monotonic_s() - start) < seconds)
        for (int i = 0; i < 100; i++, n++)
            tile_product(c, 64, a, 48, 1, b, 64, 128, 64, 38, NULL, 0);
    return n * 2 * 128 * 38 * 64 / s / 1e9;
}

int main(int argc, char **argv)
{
    struct err e;
    int64_t rows, epochs, threads;
    double seconds;
    util_program = "epoch";
    if (argc == 3 && strcmp(argv[1], "rate") == 0 &&
        parse_double(&seconds, argv[2], 0, 60, &e) == 0)
        printf("%.1f\n", rate(seconds));
    else if (argc == 5 && parse_int(&rows, argv[2], 8, 100000000, &e) == 0 &&
             parse_int(&epochs, argv[3], 1, MOST_EPOCHS, &e) == 0 &&
             parse_int(&threads, argv[4], 1, 256, &e) == 0)
        measure(strcmp(argv[1], "cat") == 0 ? DLRM_CAT : DLRM_DOT, (int)rows, (int)epochs,
                (int)threads);
    else
        die_usage("epoch dot|cat ROWS EPOCHS THREADS, or epoch rate SECONDS");
    return close_stdout(EXIT_DONE);
}
