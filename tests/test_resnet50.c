/* SPDX-License-Identifier: MIT */
/* ResNet against torch: pixels, every stage of a small network, the full one; both libraries,
 * both precisions, threads; files that must be refused. */
#include "base/buf.h"
#include "base/sha256.h"
#include "base/util.h"
#include "model/resnet50.h"
#include "resnet50_full.h"
#include "tap.h"
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define GOLDEN "tests/golden/resnet/"
enum { STAGES = 4, MEANS = 320, PIXELS = 3 * RESNET50_SIDE * RESNET50_SIDE };

static char tmp[64]; /* a folder of this test's own */

/* ---- files ---- */

static float *read_floats(const char *name, size_t *n)
{
    struct buf b = {0};
    struct err e;
    if (buf_read_file(&b, name, 1 << 24, &e) < 0)
        die("%s: %s", name, e.text);
    float *v = xmalloc(b.len + 1);
    memcpy(v, b.data, b.len);
    *n = b.len / sizeof *v;
    buf_release(&b);
    return v;
}

static int read_picture(struct image *img, const char *path)
{
    struct buf b = {0};
    struct err e;
    int rc = buf_read_file(&b, path, 64 << 20, &e);
    if (rc == 0)
        rc = image_decode(img, b.data, b.len, &e);
    if (rc < 0)
        printf("# %s: %s\n", path, e.text);
    buf_release(&b);
    return rc;
}

/* Our own pictures of pixels.tsv; *n of them. */
static struct image *own_pictures(int *n)
{
    struct image *all = xcalloc(64, sizeof *all);
    char line[2048];
    FILE *f = fopen(GOLDEN "pixels.tsv", "r");
    *n = 0;
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "tests/", 6) == 0) {
            line[strcspn(line, "\t")] = 0;
            *n += read_picture(&all[*n], line) == 0;
        }
    if (f)
        fclose(f);
    return all;
}

/* Does the tensor belong to a stage after the first `stages`? */
static int beyond(const char *name, int stages)
{
    const char *hf = strstr(name, "stages."), *tv = strncmp(name, "layer", 5) == 0 ? name : NULL;
    return (hf && hf[7] - '0' >= stages) || (tv && tv[5] - '1' >= stages);
}

static void write_stages(const char *from, int stages)
{
    struct err e = {"?"};
    char *path = xasprintf(GOLDEN "%s/model.safetensors", from);
    struct safetensors *st = safetensors_open(path, &e);
    if (!st)
        die("%s", e.text);
    int n, kept = 0;
    struct entry *t = entries_of(st, &n);
    for (int i = 0; i < n; i++)
        if (!beyond(t[i].name, stages))
            t[kept++] = t[i];
    write_weights(tmp, t, kept);
    free(t);
    safetensors_close(st);
    free(path);
}

/* ---- comparing ---- */

/* Largest difference as a share of the largest |want|. */
static double differ(const float *got, const float *want, int n)
{
    double worst = 0, largest = 0;
    for (int i = 0; i < n; i++) {
        worst = fmax(worst, isfinite(got[i]) ? fabs((double)got[i] - want[i]) : INFINITY);
        largest = fmax(largest, fabs((double)want[i]));
    }
    return worst / largest;
}

static double cosine(const float *a, const float *b, int n)
{
    double ab = 0, aa = 0, bb = 0;
    for (int i = 0; i < n; i++) {
        ab += (double)a[i] * b[i];
        aa += (double)a[i] * a[i];
        bb += (double)b[i] * b[i];
    }
    return ab / sqrt(aa * bb);
}

static struct resnet50 *must_open(const char *dir, enum gemm_precision p, enum gemm_backend b)
{
    struct err e = {"?"};
    struct resnet50 *m = resnet50_open(dir, p, b, &e);
    if (!m)
        die("%s", e.text);
    return m;
}

static void digest16(char out[17], const void *p, size_t n)
{
    unsigned char d[SHA256_BYTES];
    char hex[SHA256_HEX];
    sha256_of(d, p, n);
    sha256_hex(hex, d);
    memcpy(out, hex, 16);
    out[16] = 0;
}

/* ---- pixels ---- */

static const char timm_config[] =
    "{\"architecture\":\"resnet50\",\"num_classes\":1000,\"pretrained_cfg\":{\"input_size\":"
    "[3,224,224],\"crop_pct\":0.95,\"crop_mode\":\"center\",\"interpolation\":\"bicubic\","
    "\"mean\":[0.485,0.456,0.406],\"std\":[0.229,0.224,0.225]}}";

static void test_pixels(void)
{
    const char *shared = getenv("MM_SHARED") ? getenv("MM_SHARED") : "../shared";
    struct resnet50 *m[3] = {must_open(GOLDEN "tiny-hf", GEMM_F32, GEMM_AUTO),
                             must_open(GOLDEN "tiny-tv", GEMM_F32, GEMM_AUTO), NULL};
    float *planes = xmalloc(PIXELS * sizeof *planes);
    char line[2048], name[1200], want[3][17], got[17], path[2400];
    int n[2] = {0, 0}, good[2] = {0, 0}, absent = 0;
    write_stages("tiny-tv", STAGES);
    write_file(tmp, "config.json", timm_config, strlen(timm_config));
    m[2] = must_open(tmp, GEMM_F32, GEMM_AUTO);
    is(resnet50_preprocessing(m[0]), "256 -> 224 bicubic, crop floor", "Hugging Face");
    is(resnet50_preprocessing(m[1]), "256 -> 224 bilinear, crop half even", "torchvision");
    is(resnet50_preprocessing(m[2]), "235 -> 224 bicubic, crop half even", "timm's pretrained_cfg");
    FILE *f = fopen(GOLDEN "pixels.tsv", "r");
    while (f && fgets(line, sizeof line, f)) {
        struct image img;
        if (sscanf(line, "%1199[^\t]\t%16s\t%16s\t%16s", name, want[0], want[1], want[2]) != 4)
            continue;
        int data = strncmp(name, "data/", 5) == 0;
        snprintf(path, sizeof path, "%s%s%s", data ? shared : "", data ? "/" : "", name);
        if (data && access(path, R_OK) != 0) {
            absent++;
            continue;
        }
        n[data]++;
        if (read_picture(&img, path) < 0)
            continue;
        int same = 0;
        for (int k = 0; k < 3; k++) {
            resnet50_pixels(planes, &img, m[k]);
            digest16(got, planes, PIXELS * sizeof *planes);
            same += strcmp(got, want[k]) == 0;
        }
        good[data] += same == 3;
        if (same != 3)
            printf("# %s: %d of 3 equal\n", path, same);
        image_release(&img);
    }
    if (f)
        fclose(f);
    ok(n[0] == 18 && good[0] == n[0], "pixels of %d of %d drawn pictures, three ways", good[0], n[0]);
    if (n[1])
        ok(n[1] == 200 && good[1] == n[1], "pixels of %d of %d photos, three ways", good[1], n[1]);
    if (absent)
        skip("pixels of photos: the shared data folder is not there");
    for (int k = 0; k < 3; k++)
        resnet50_close(m[k]);
    free(planes);
    write_file(tmp, "config.json", "{}", 2);
}

/* ---- the small network ---- */

static void test_tiny(const char *name, enum gemm_backend b, const struct image *img, int n)
{
    static const int width[] = {32, 64, 96, 128};
    char *bin = xasprintf(GOLDEN "%s.bin", name);
    size_t floats;
    float *want = read_floats(bin, &floats), got[128], half[128];
    double worst = 0, least = 1;
    for (int stages = 1, at = 0; stages <= STAGES; at += width[stages - 1], stages++) {
        write_stages(name, stages);
        struct resnet50 *m = must_open(tmp, GEMM_F32, b), *h = must_open(tmp, GEMM_BF16, b);
        struct resnet50_scratch *s = resnet50_scratch_new(m), *t = resnet50_scratch_new(h);
        for (int i = 0; i < n && resnet50_dim(m) == width[stages - 1]; i++) {
            resnet50_encode(got, &img[i], m, s);
            resnet50_encode(half, &img[i], h, t);
            worst = fmax(worst, differ(got, want + (size_t)i * MEANS + at, width[stages - 1]));
            least = fmin(least, cosine(half, got, width[stages - 1]));
        }
        worst = resnet50_dim(m) == width[stages - 1] ? worst : 1;
        resnet50_scratch_free(s);
        resnet50_scratch_free(t);
        resnet50_close(m);
        resnet50_close(h);
    }
    ok(floats == (size_t)n * MEANS && worst <= 1e-5,
       "%s, %s: after each of 4 stages, %d pictures: %.2g of the largest", name,
       gemm_describe(b, GEMM_F32), n, worst);
    ok(least > 0.999, "bf16: least cosine %.6f", least);
    free(want);
    free(bin);
}

/* ---- the network of full size ---- */

static float *full_features(enum gemm_precision p, enum gemm_backend b, const char *const *name,
                            int n)
{
    double from = monotonic_s();
    struct resnet50 *m = must_open(tmp, p, b);
    struct resnet50_scratch *s = resnet50_scratch_new(m);
    double opened = monotonic_s();
    float *v = xcalloc((size_t)n * 2048, sizeof *v);
    for (int i = 0; i < n && resnet50_dim(m) == 2048; i++) {
        struct image img;
        if (read_picture(&img, name[i]) < 0)
            continue;
        resnet50_encode(v + (size_t)i * 2048, &img, m, s);
        image_release(&img);
    }
    printf("# %s: opened in %.2f s, %.0f ms a picture\n", gemm_describe(b, p), opened - from,
           1e3 * (monotonic_s() - opened) / n);
    resnet50_scratch_free(s);
    resnet50_close(m);
    return v;
}

static void test_full(void)
{
    static const char *const name[] = {GOLDEN "pictures/wide.jpg", GOLDEN "pictures/upright.jpg",
                                       "tests/golden/image/pictures/rgb.png"};
    size_t floats;
    int n = (int)ARRAY_LEN(name);
    float *want = read_floats(GOLDEN "full.bin", &floats);
    write_full(tmp);
    for (int b = GEMM_ONEDNN; b <= GEMM_OPENBLAS; b++) {
        struct err e;
        enum gemm_backend built;
        if (b == GEMM_ONEDNN && gemm_backend_of(&built, "onednn", &e) < 0) {
            skip(e.text);
            continue;
        }
        float *v = full_features(GEMM_F32, (enum gemm_backend)b, name, n);
        double worst = 0, least = 1;
        for (size_t i = 0; i < (size_t)n; i++)
            worst = fmax(worst, differ(v + i * 2048, want + i * 2048, 2048));
        ok(floats == (size_t)n * 2048 && worst <= 2e-5, "full size: %.2g of the largest", worst);
        if (b == GEMM_ONEDNN) {
            float *h = full_features(GEMM_BF16, (enum gemm_backend)b, name, n);
            for (size_t i = 0; i < (size_t)n; i++)
                least = fmin(least, cosine(h + i * 2048, v + i * 2048, 2048));
            ok(least > 0.999, "full size, bf16: least cosine %.6f", least);
            free(h);
        }
        free(v);
    }
    ok(peak_rss_kib() < 600 * 1024, "peak memory %ld MiB", peak_rss_kib() / 1024);
    free(want);
}

/* ---- threads ---- */

struct job {
    const struct resnet50 *m;
    const struct image *img;
    int n, first;
    float *out; /* [n,128] */
};

static void *encode_all(void *arg)
{
    struct job *j = arg;
    struct resnet50_scratch *s = resnet50_scratch_new(j->m);
    for (int i = 0; i < j->n; i++) { /* each thread in another order */
        int k = (i + j->first) % j->n;
        resnet50_encode(j->out + (size_t)k * 128, &j->img[k], j->m, s);
    }
    resnet50_scratch_free(s);
    return NULL;
}

static void test_threads(enum gemm_precision p, enum gemm_backend b, const struct image *img, int n)
{
    struct resnet50 *m = must_open(GOLDEN "tiny-hf", p, b);
    struct job j[5];
    pthread_t t[5];
    int same = 0;
    for (int i = 0; i < 5; i++)
        j[i] = (struct job){m, img, n, 4 * i, xcalloc((size_t)n * 128, sizeof(float))};
    encode_all(&j[0]);
    for (int i = 1; i < 5; i++)
        if (pthread_create(&t[i], NULL, encode_all, &j[i]) != 0)
            die("no thread");
    for (int i = 1; i < 5; i++)
        pthread_join(t[i], NULL);
    for (int i = 1; i < 5; i++)
        same += memcmp(j[i].out, j[0].out, (size_t)n * 128 * sizeof(float)) == 0;
    ok(same == 4, "4 threads, %s: byte for byte as one", gemm_describe(b, p));
    for (int i = 0; i < 5; i++)
        free(j[i].out);
    resnet50_close(m);
}

int main(void)
{
    int n;
    struct image *img = own_pictures(&n);
    snprintf(tmp, sizeof tmp, "/tmp/test-resnet50.XXXXXX");
    if (!mkdtemp(tmp))
        die("no temporary folder");
    test_pixels();
    for (int b = GEMM_AUTO; b <= GEMM_OPENBLAS; b += 2) {
        test_tiny("tiny-hf", (enum gemm_backend)b, img, n);
        test_tiny("tiny-tv", (enum gemm_backend)b, img, n);
        for (int p = GEMM_F32; p <= GEMM_BF16; p++)
            test_threads((enum gemm_precision)p, (enum gemm_backend)b, img, n);
    }
#ifdef __SANITIZE_ADDRESS__
    int fast = 0;
#else
    int fast = 1;
#endif
    if (fast)
        test_full();
    else
        skip("full size: too slow under the sanitizers");
    for (int i = 0; i < n; i++)
        image_release(&img[i]);
    free(img);
    char *rm = xasprintf("rm -rf '%s'", tmp);
    int rc = system(rm);
    free(rm);
    return done() || rc;
}
