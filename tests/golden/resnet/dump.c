/* SPDX-License-Identifier: MIT */
/* What photos.py compares with torch, and a stop-watch.
 *
 *     cc -std=c11 -D_GNU_SOURCE -O2 -Ilib -pthread -o build/dump tests/golden/resnet/dump.c \
 *         build/libmm.a -ljpeg -lpng -lz -lcrypto -lcjson -lopenblas -ldnnl -lgomp -lm
 *     build/dump MODEL_FOLDER f32|bf16 auto|onednn|openblas pixels|features THREADS FILE...
 *
 * Writes float32 [files, 3*224*224 or dim] to stdout and pictures/s to stderr. */
#include "base/buf.h"
#include "base/util.h"
#include "model/resnet50.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static struct resnet50 *model;
static int pixels, files;
static char **file;
static size_t dim;
static float *out;
static atomic_int next;

static void *work(void *arg)
{
    struct resnet50_scratch *s = resnet50_scratch_new(model);
    for (int i; (i = atomic_fetch_add(&next, 1)) < files;) {
        struct buf b = {0};
        struct image img;
        struct err e;
        if (buf_read_file(&b, file[i], 64 << 20, &e) < 0 || image_decode(&img, b.data, b.len, &e) < 0)
            die("%s: %s", file[i], e.text);
        if (pixels)
            resnet50_pixels(out + (size_t)i * dim, &img, model);
        else
            resnet50_encode(out + (size_t)i * dim, &img, model, s);
        image_release(&img);
        buf_release(&b);
    }
    resnet50_scratch_free(s);
    return arg;
}

int main(int argc, char **argv)
{
    struct err e;
    enum gemm_backend backend;
    pthread_t t[64];
    if (argc < 7)
        die_usage("see the head of dump.c");
    if (gemm_backend_of(&backend, argv[3], &e) < 0)
        die("%s", e.text);
    double from = monotonic_s();
    model = resnet50_open(argv[1], strcmp(argv[2], "bf16") == 0 ? GEMM_BF16 : GEMM_F32, backend, &e);
    if (!model)
        die("%s", e.text);
    double opened = monotonic_s();
    pixels = strcmp(argv[4], "pixels") == 0;
    int threads = atoi(argv[5]);
    file = argv + 6;
    files = argc - 6;
    dim = pixels ? (size_t)3 * 224 * 224 : (size_t)resnet50_dim(model);
    out = xcalloc((size_t)files, dim * sizeof *out);
    for (int i = 0; i < threads; i++)
        if (pthread_create(&t[i], NULL, work, NULL) != 0)
            die("no thread");
    for (int i = 0; i < threads; i++)
        pthread_join(t[i], NULL);
    double done = monotonic_s();
    fwrite(out, dim * sizeof *out, (size_t)files, stdout);
    fprintf(stderr, "%s, %s: opened in %.2f s, %d pictures in %.2f s, %.2f pictures/s, peak %ld MiB\n",
            gemm_describe(backend, strcmp(argv[2], "bf16") == 0 ? GEMM_BF16 : GEMM_F32),
            resnet50_preprocessing(model), opened - from, files, done - opened, files / (done - opened),
            peak_rss_kib() / 1024);
    free(out);
    resnet50_close(model);
    return 0;
}
