/* SPDX-License-Identifier: MIT */
/* What this machine gives: GFLOP/s of MiniLM's products alone, on hot operands, all cores, and
 * the work of token counts on stdin; how fast all cores read memory.
 * usage: rate f32|bf16 SECONDS    prints GFLOP/s
 *        rate memory SECONDS      prints GB/s
 *        rate work < IDS          prints GFLOP of the texts whose token ids are the lines */
#include "base/arena.h"
#include "base/util.h"
#include "nn/gemm.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static const int shape[][2] = {{1152, 384}, {384, 384}, {1536, 384}, {384, 1536}}; /* [N,K] */

static struct gemm *product[4];
static double seconds;

struct result {
    double done, s; /* operations or bytes */
};

/* Runs turn on each core; the sum of what each did, in thousand millions a second. */
static double all_cores(void *(*turn)(void *))
{
    int n = cpu_count();
    struct result *r = xcalloc((size_t)n, sizeof *r);
    pthread_t *t = xcalloc((size_t)n, sizeof *t);
    double sum = 0;
    for (int i = 0; i < n; i++)
        if (pthread_create(&t[i], NULL, turn, &r[i]) != 0)
            die("cannot start a thread");
    for (int i = 0; i < n; i++) {
        pthread_join(t[i], NULL);
        sum += r[i].done / r[i].s;
    }
    free(r);
    free(t);
    return sum / 1e9;
}

static void *multiply(void *arg)
{
    struct result *r = arg;
    struct arena a;
    size_t n = (size_t)GEMM_ROWS * 1536;
    arena_init(&a, 2 * arena_room(n));
    float *x = arena_take(&a, n), *y = arena_take(&a, n);
    double start = monotonic_s();
    while ((r->s = monotonic_s() - start) < seconds)
        for (int i = 0; i < 4; i++)
            for (int k = 0; k < 16; k++) {
                gemm_run(y, x, GEMM_ROWS, product[i]);
                r->done += 2.0 * GEMM_ROWS * shape[i][0] * shape[i][1];
            }
    arena_release(&a);
    return NULL;
}

static double rate(enum gemm_precision p)
{
    struct err e;
    for (int i = 0; i < 4; i++) {
        float *w = xcalloc((size_t)shape[i][0] * (size_t)shape[i][1], sizeof *w);
        product[i] = gemm_new(w, w, shape[i][0], shape[i][1], p, GEMM_AUTO, &e);
        if (!product[i])
            die("%s", e.text);
        free(w);
    }
    double sum = all_cores(multiply);
    for (int i = 0; i < 4; i++)
        gemm_free(product[i]);
    return sum;
}

/* Looks for a byte that is not there: nothing but reading, far beyond any cache. */
static void *scan(void *arg)
{
    struct result *r = arg;
    size_t n = (size_t)1 << 29;
    char *bytes = xmalloc(n);
    memset(bytes, 1, n);
    double start = monotonic_s();
    while ((r->s = monotonic_s() - start) < seconds) {
        if (memchr(bytes, 2, n))
            die("memory does not hold");
        r->done += (double)n;
    }
    free(bytes);
    return NULL;
}

/* 6 layers: 2 x (4 x 384^2 + 2 x 384 x 1536) a token, and 4 x 384 a pair of tokens. */
static double work(void)
{
    double flop = 0;
    char *line = NULL;
    size_t cap = 0;
    while (getline(&line, &cap, stdin) > 0) {
        double T = 1;
        for (const char *p = line; *p; p++)
            T += *p == ',';
        flop += 6 * T * (2 * (4 * 384.0 * 384 + 2 * 384.0 * 1536) + 4 * 384 * T);
    }
    free(line);
    return flop / 1e9;
}

int main(int argc, char **argv)
{
    struct err e;
    if (argc == 2 && strcmp(argv[1], "work") == 0)
        printf("%.1f\n", work());
    else if (argc == 3 && parse_double(&seconds, argv[2], 0, 60, &e) == 0)
        printf("%.1f\n", strcmp(argv[1], "memory") == 0 ? all_cores(scan)
                         : rate(strcmp(argv[1], "bf16") == 0 ? GEMM_BF16 : GEMM_F32));
    else
        die_usage("rate f32|bf16|memory SECONDS, or rate work");
    return close_stdout(EXIT_DONE);
}
