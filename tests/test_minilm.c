/* SPDX-License-Identifier: MIT */
/* lib/model/minilm against transformers and sentence-transformers: tests/golden/minilm. */
#include "base/buf.h"
#include "base/util.h"
#include "model/minilm.h"
#include "tap.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GOLDEN "tests/golden/minilm/"
#define MAX 64

static char *line[MAX];
static size_t length[MAX];
static int lines;
static char tmp[] = "/tmp/test_minilm.XXXXXX";

static struct buf slurp(const char *path)
{
    struct buf b = {0};
    struct err e;
    if (buf_read_file(&b, path, (size_t)256 << 20, &e) < 0)
        die("%s: %s", path, e.text);
    return b;
}

static void read_lines(void)
{
    struct buf b = slurp(GOLDEN "sentences.txt");
    for (char *p = b.data, *end; lines < MAX && (end = strchr(p, '\n')); p = end + 1) {
        *end = 0;
        length[lines] = (size_t)(end - p);
        line[lines++] = xstrdup(p);
    }
    buf_release(&b);
}

static float *encode(const struct minilm *m)
{
    int D = minilm_dim(m);
    float *v = xcalloc((size_t)lines * (size_t)D, sizeof *v), *to[MAX];
    struct minilm_scratch *s = minilm_scratch_new(m);
    for (int i = 0; i < lines; i++)
        to[i] = v + (size_t)i * (size_t)D;
    minilm_encode(to, (const char *const *)line, length, lines, m, s);
    minilm_scratch_free(s);
    return v;
}

static struct minilm *must_open(const char *dir, enum gemm_precision p, enum gemm_backend b)
{
    struct err e;
    struct minilm *m = minilm_open(dir, p, b, &e);
    if (!m)
        die("%s", e.text);
    return m;
}

/* Largest difference of a component, smallest cosine. */
static void compare(double *worst, double *cosine, const float *a, const float *b, int n, int D)
{
    *worst = 0, *cosine = 1;
    for (int i = 0; i < n; i++, a += D, b += D) {
        double ab = 0, aa = 0, bb = 0;
        for (int c = 0; c < D; c++) {
            double d = fabs((double)a[c] - (double)b[c]);
            *worst = d > *worst ? d : *worst;
            ab += (double)a[c] * b[c], aa += (double)a[c] * a[c], bb += (double)b[c] * b[c];
        }
        *cosine = fmin(*cosine, ab / sqrt(aa * bb));
    }
}

/* ---- folders with one thing changed ---- */

static void write_file(const char *dir, const char *name, const void *data, size_t n)
{
    char *path = xasprintf("%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, 1, n, f) != n || fclose(f) != 0)
        die("%s: cannot write", path);
    free(path);
}

static char *copy_model(const char *from, const char *name, const char *config)
{
    static const char *const files[] = {"config.json", "vocab.txt", "model.safetensors"};
    char *dir = xasprintf("%s/%s", tmp, name);
    mkdir(dir, 0777);
    for (int i = 0; i < 3; i++) {
        char *path = xasprintf("%s/%s", from, files[i]);
        struct buf b = slurp(path);
        write_file(dir, files[i], b.data, b.len);
        buf_release(&b);
        free(path);
    }
    if (config)
        write_file(dir, "config.json", config, strlen(config));
    return dir;
}

/* config.json of the tiny model with one word replaced. */
static char *config_with(const char *old, const char *new)
{
    struct buf b = slurp(GOLDEN "tiny-f32/config.json"), out = {0};
    char *at = strstr(buf_str(&b), old);
    if (!at)
        die("no %s", old);
    buf_add(&out, b.data, (size_t)(at - b.data));
    buf_adds(&out, new);
    buf_adds(&out, at + strlen(old));
    buf_release(&b);
    return out.data;
}

/* ---- tests ---- */

static void test_tiny(const char *name, enum gemm_backend backend, const char *what)
{
    char *dir = xasprintf(GOLDEN "%s", name), *path = xasprintf("%s/vectors.f32", dir);
    struct buf want = slurp(path);
    for (int depth = 0; depth <= 2; depth++) {
        char layers[40];
        snprintf(layers, sizeof layers, "\"num_hidden_layers\": %d", depth);
        char *config = config_with("\"num_hidden_layers\": 2", layers);
        char *cut = copy_model(dir, "depth", config);
        struct minilm *m = must_open(cut, GEMM_F32, backend);
        float *v = encode(m);
        double worst, cosine;
        compare(&worst, &cosine, v, (const float *)(const void *)want.data + depth * lines * 32,
                lines, 32);
        ok(worst < 2e-6, "%s, %s: after %d blocks as transformers (%.1e)", name, what, depth,
           worst);
        minilm_close(m);
        free(v);
        free(cut);
        free(config);
    }
    struct minilm *m = must_open(dir, GEMM_BF16, backend);
    float *v = encode(m);
    double worst, cosine;
    compare(&worst, &cosine, v, (const float *)(const void *)want.data + 2 * lines * 32, lines, 32);
    ok(cosine > 0.999 && worst > 1e-6, "%s, %s: computed in bf16, cosine %.6f", name, what, cosine);
    minilm_close(m);
    free(v);
    buf_release(&want);
    free(path);
    free(dir);
}

struct job {
    const struct minilm *m;
    float *v;
    int from, step; /* texts from, from+step, ... in single calls */
};

static void *one_by_one(void *arg)
{
    struct job *j = arg;
    int D = minilm_dim(j->m);
    struct minilm_scratch *s = minilm_scratch_new(j->m);
    for (int i = j->from; i >= 0 && i < lines; i += j->step) {
        float *to = j->v + (size_t)i * (size_t)D;
        minilm_encode(&to, (const char *const *)&line[i], &length[i], 1, j->m, s);
    }
    minilm_scratch_free(s);
    return NULL;
}

static void test_order(const char *dir, enum gemm_precision p, enum gemm_backend backend,
                       const char *what)
{
    struct minilm *m = must_open(dir, p, backend);
    size_t bytes = (size_t)lines * (size_t)minilm_dim(m) * sizeof(float);
    float *together = encode(m), *alone = xcalloc(1, bytes), *back = xcalloc(1, bytes);
    struct job j[4], reverse = {m, back, lines - 1, -1};
    pthread_t t[4];
    for (int i = 0; i < 4; i++) {
        j[i] = (struct job){m, alone, i, 4};
        pthread_create(&t[i], NULL, one_by_one, &j[i]);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    one_by_one(&reverse);
    ok(memcmp(together, alone, bytes) == 0, "%s: one by one on four threads, the same bytes", what);
    ok(memcmp(together, back, bytes) == 0, "%s: in reverse, the same bytes", what);
    free(together);
    free(alone);
    free(back);
    minilm_close(m);
}

static void refused(const char *dir, const char *words, const char *what)
{
    struct err e = {""};
    struct minilm *m = minilm_open(dir, GEMM_F32, GEMM_AUTO, &e);
    ok(!m && strstr(e.text, words), "%s: %s", what, e.text);
    minilm_close(m);
}

static void refused_config(const char *old, const char *new, const char *words)
{
    char *config = config_with(old, new), *dir = copy_model(GOLDEN "tiny-f32", "config", config);
    refused(dir, words, new);
    free(config);
    free(dir);
}

static void test_damaged(void)
{
    char *dir = copy_model(GOLDEN "tiny-f32", "cut", NULL);
    struct buf b = slurp(GOLDEN "tiny-f32/model.safetensors");
    write_file(dir, "model.safetensors", b.data, b.len - 1000);
    refused(dir, "model.safetensors", "a file cut short");
    float nan = NAN;
    memcpy(b.data + b.len - 8, &nan, sizeof nan);
    write_file(dir, "model.safetensors", b.data, b.len);
    refused(dir, "NaN", "NaN among the weights");
    write_file(dir, "model.safetensors", "", 0);
    refused(dir, "model.safetensors", "an empty file");
    buf_release(&b);
    free(dir);
    dir = copy_model(GOLDEN "tiny-f32", "vocab", NULL);
    write_file(dir, "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n", 24);
    refused(dir, "vocab.txt", "another vocabulary");
    write_file(dir, "config.json", "{\"model_type\": \"be", 18);
    refused(dir, "not a JSON object", "half a config.json");
    free(dir);
    refused("/nonexistent", "config.json", "no folder");
}

/* Beside the tiny model one more file, which asks for what this encoder does not do. */
static void refused_with(const char *name, const char *text, const char *words)
{
    char *dir = copy_model(GOLDEN "tiny-f32", "beside", NULL), *path;
    char *pooling = xasprintf("%s/1_Pooling", dir);
    mkdir(pooling, 0777);
    write_file(dir, name, text, strlen(text));
    refused(dir, words, text);
    path = xasprintf("%s/%s", dir, name);
    unlink(path);
    free(path);
    free(pooling);
    free(dir);
}

static void test_bad(void)
{
    refused_with("tokenizer_config.json", "{\"do_lower_case\": false}", "another tokenizer");
    refused_with("tokenizer_config.json", "{\"strip_accents\": false}", "another tokenizer");
    refused_with("1_Pooling/config.json", "{\"pooling_mode_mean_tokens\": false}", "pooling");
    refused_with("1_Pooling/config.json", "{\"pooling_mode_cls_token\": true}", "pooling");
    refused_with("1_Pooling/config.json", "{\"pooling_mode\": \"cls\"}", "pooling");
    refused_with("sentence_bert_config.json", "{\"max_seq_length\": 65}", "max_seq_length");
    refused_config("\"bert\"", "\"bert\", \"position_embedding_type\": \"relative_key\"",
                   "relative_key");
    test_damaged();
    refused_config("\"bert\"", "\"resnet\"", "resnet");
    refused_config("\"gelu\"", "\"relu\"", "relu");
    refused_config("\"hidden_size\": 32", "\"hidden_size\": 64", "[");
    refused_config("\"num_attention_heads\": 2", "\"num_attention_heads\": 4", "multiple of 16");
    refused_config("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3", "layer.2");
    refused_config("\"vocab_size\": 234", "\"vocab_size\": 235", "235");
    refused_config("\"vocab_size\": 234", "\"vocab_size\": 1e99", "vocab_size");
    refused_config("\"intermediate_size\": 80", "\"intermediate_size\": 96", "96");
}

static void test_real(const char *dir)
{
    static const struct { enum gemm_backend backend; const char *name; } by[] = {
        {GEMM_AUTO, "default"}, {GEMM_OPENBLAS, "OpenBLAS"}};
    struct buf want = slurp(GOLDEN "real.f32");
    for (int i = 0; i < 2; i++)
        for (int p = 0; p < 2; p++) {
            struct minilm *m = must_open(dir, p ? GEMM_BF16 : GEMM_F32, by[i].backend);
            float *v = encode(m);
            double worst, cosine;
            compare(&worst, &cosine, v, (const float *)(const void *)want.data, lines, 384);
            ok(p ? cosine >= 0.999 : cosine >= 0.999999 && worst <= 1e-5,
               "real weights, %s, %s: as sentence-transformers (%.1e, cosine %.7f)", by[i].name,
               p ? "bf16" : "f32", worst, cosine);
            minilm_close(m);
            free(v);
        }
    buf_release(&want);
    test_order(dir, GEMM_F32, GEMM_AUTO, "real weights, f32");
    test_order(dir, GEMM_BF16, GEMM_AUTO, "real weights, bf16");
}

int main(void)
{
    const char *models = getenv("MM_MODELS");
    char *real = xasprintf("%s/all-MiniLM-L6-v2", models ? models : "models");
    char *weights = xasprintf("%s/model.safetensors", real);
    if (!mkdtemp(tmp))
        die("%s", tmp);
    read_lines();
    ok(lines == 50, "50 sentences");
    test_tiny("tiny-f32", GEMM_AUTO, "default");
    test_tiny("tiny-f32", GEMM_OPENBLAS, "OpenBLAS");
    test_tiny("tiny-bf16", GEMM_AUTO, "default");
    test_tiny("tiny-f16", GEMM_AUTO, "default");
    test_order(GOLDEN "tiny-f32", GEMM_F32, GEMM_AUTO, "default, f32");
    test_order(GOLDEN "tiny-f32", GEMM_F32, GEMM_OPENBLAS, "OpenBLAS, f32");
    test_order(GOLDEN "tiny-f32", GEMM_BF16, GEMM_AUTO, "default, bf16");
    test_order(GOLDEN "tiny-f32", GEMM_BF16, GEMM_OPENBLAS, "OpenBLAS, bf16");
    test_bad();
    if (access(weights, R_OK) == 0)
        test_real(real);
    else
        skip("the real weights are not in models/ (make models)");
    char *rm = xasprintf("rm -rf %s", tmp);
    ok(system(rm) == 0, "cleaned up");
    for (int i = 0; i < lines; i++)
        free(line[i]);
    free(rm);
    free(real);
    free(weights);
    return done();
}
