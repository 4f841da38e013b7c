/* SPDX-License-Identifier: MIT */
/* A BLIP-2 OPT-2.7b of full size whose weights are made up, and how fast captions of it are.
 * usage: blip2_full make DIR      a folder of 7.5 GB: bf16 weights from a counter, the small
 *                                 tokenizer of tests/golden/bpe
 *        blip2_full time DIR PRECISION BATCH TOKENS ROUNDS [THREADS]
 *        blip2_full ids DIR PRECISION BATCH TOKENS    token ids of BATCH drawn pictures, a line each
 * time prints, per round: seconds a picture, tower seconds a picture and GFLOP/s, prompts, one
 * token's seconds and GB/s of weights read; then the peak memory in GiB. */
#include "base/buf.h"
#include "base/rng.h"
#include "base/util.h"
#include "model/blip2.h"
#include "model/blip2_tensors.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- a folder ---- */

static void write_text(const char *dir, const char *name, const char *text)
{
    char *path = xasprintf("%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    if (!f || fputs(text, f) < 0 || fclose(f) != 0)
        die("cannot write %s", path);
    free(path);
}

static void copy_text(const char *dir, const char *name)
{
    struct buf b = {0};
    struct err e;
    char *path = xasprintf("tests/golden/bpe/small/%s", name);
    if (buf_read_file(&b, path, 1 << 24, &e) < 0)
        die("%s", e.text);
    write_text(dir, name, buf_str(&b));
    buf_release(&b);
    free(path);
}

static const char config[] =
    "{\"model_type\":\"blip-2\",\"image_token_index\":50265,\"text_config\":{\"model_type\":"
    "\"opt\",\"hidden_size\":2560,\"num_hidden_layers\":32,\"ffn_dim\":10240,"
    "\"num_attention_heads\":32,\"word_embed_proj_dim\":2560,\"vocab_size\":50304,"
    "\"eos_token_id\":50118}}";

static uint64_t parts_bytes(const struct blip2_tensor *t)
{
    uint64_t n = 2;
    for (int d = 0; d < t->rank; d++)
        n *= (uint64_t)t->shape[d];
    return n;
}

/* As those of a fresh model: norms 1, all else small. */
static void put_part(FILE *f, const char *name, uint64_t bytes, uint64_t number)
{
    static uint16_t v[1 << 16];
    int norm = (strstr(name, "norm") || strstr(name, "Norm")) && strstr(name, ".weight");
    for (uint64_t i = 0, n = bytes / 2; i < n;) {
        size_t k = 0;
        for (; k < ARRAY_LEN(v) && i < n; k++, i++) {
            float u = (float)(rng_mix((number << 32) + i) >> 40) * 0x1p-24f;
            float x = norm ? 1 : (u - 0.5f) * 0.04f;
            uint32_t b;
            memcpy(&b, &x, sizeof b);
            v[k] = (uint16_t)(b >> 16);
        }
        if (fwrite(v, 2, k, f) != k)
            die("cannot write the weights");
    }
}

static void make(const char *dir)
{
    struct blip2_weights w = {0};
    struct blip2_list l;
    struct buf h = {0};
    struct err e;
    uint64_t at = 0, number = 0;
    write_text(dir, "config.json", config);
    copy_text(dir, "vocab.json");
    copy_text(dir, "merges.txt");
    if (blip2_shape_read(&w.shape, dir, &e) < 0)
        die("%s", e.text);
    w.shape.opt.vocab = 50304;
    blip2_tensors_list(&l, &w, PANEL_F32, 0);
    for (int i = 0; i < l.n; i++)
        for (int k = 0; k < l.tensor[i].parts; k++, number++) {
            const struct blip2_tensor *t = &l.tensor[i];
            buf_addf(&h, "%c\"%s\":{\"dtype\":\"BF16\",\"shape\":[", number ? ',' : '{', t->name[k]);
            for (int d = 0; d < t->rank; d++)
                buf_addf(&h, "%s%lld", d ? "," : "", (long long)t->shape[d]);
            buf_addf(&h, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)at,
                     (unsigned long long)(at + parts_bytes(t)));
            at += parts_bytes(t);
        }
    buf_addc(&h, '}');
    uint64_t len = h.len;
    char *path = xasprintf("%s/model.safetensors", dir);
    FILE *f = fopen(path, "wb");
    if (!f)
        die("cannot write %s", path);
    fwrite(&len, 8, 1, f);
    fwrite(h.data, 1, h.len, f);
    number = 0;
    for (int i = 0; i < l.n; i++)
        for (int k = 0; k < l.tensor[i].parts; k++)
            put_part(f, l.tensor[i].name[k], parts_bytes(&l.tensor[i]), number++);
    if (fclose(f) != 0)
        die("cannot write %s", path);
    printf("%s: %.2f GB, %llu tensors\n", path, (double)at / 1e9, (unsigned long long)number);
}

/* ---- time ---- */

static int64_t number_of(const char *s, int64_t lo, int64_t hi)
{
    int64_t n;
    struct err e;
    if (parse_int(&n, s, lo, hi, &e) < 0)
        die_usage("%s", e.text);
    return n;
}

static enum engine_precision precision_of(const char *name)
{
    enum engine_precision p;
    if (engine_precision_of(&p, name) < 0)
        die_usage("f32, bf16 or int8, not '%s'", name);
    return p;
}

static void draw(struct image *img, int seed)
{
    *img = (struct image){224, 224, xmalloc(224 * 224 * 3)};
    for (uint64_t i = 0; i < 224 * 224 * 3; i++)
        img->rgb[i] = (unsigned char)rng_mix(i / 97 * 1000 + (uint64_t)seed);
}

/* Multiplications and additions of the tower and the query transformer, a picture; 2 x GMAC of
 * the products and of attention. */
static double tower_gflop(void)
{
    double D = 1408, F = 6144, T = 257, q = 32, d = 768;
    double vit = 39 * (T * (4 * D * D + 2 * D * F) + 2 * T * T * D) + 256 * 588 * D;
    double look = q * 2 * d * d + T * 2 * d * D + 2 * q * T * d;
    double qformer = 12 * (q * (4 * d * d + 2 * d * 3072) + 2 * q * q * d) + 6 * look;
    return 2e-9 * (vit + qformer + q * d * 2560);
}

static void time_it(char **arg, int rest)
{
    struct err e;
    struct blip2_options o = {BLIP2_DEFAULTS, .threads = rest > 5 ? (int)number_of(arg[5], 1, 256)
                                                                  : cpu_count()};
    int rounds = (int)number_of(arg[4], 1, 100);
    o.precision = precision_of(arg[1]);
    o.batch = (int)number_of(arg[2], 1, 256);
    o.max_new = o.min_new = (int)number_of(arg[3], 1, 1000);
    static const double decoder[] = {10.606, 5.303, 2.817}; /* GB that a token reads */
    double start = monotonic_s();
    struct blip2 *m = blip2_open(arg[0], &o, &e);
    if (!m)
        die("%s", e.text);
    printf("opened in %.2f s\n", monotonic_s() - start);
    for (int i = 0; i < o.batch; i++) {
        struct image img;
        draw(&img, i);
        blip2_picture(m, i, &img);
        image_release(&img);
    }
    for (int r = 0; r < rounds; r++) {
        start = monotonic_s();
        if (blip2_run(m, o.batch) < 0)
            die("stopped");
        struct blip2_times t = blip2_times(m);
        double s = monotonic_s() - start, tower = t.tower_s / o.batch;
        double token = t.words_s / (t.steps ? t.steps : 1);
        printf("batch %d: %.3f s a picture; tower %.3f s, %.0f GFLOP/s; prompts %.3f s a picture; "
               "token %.3f s, %.1f GB/s\n", o.batch, s / o.batch, tower, tower_gflop() / tower,
               t.prompt_s / o.batch, token, decoder[o.precision] / token);
        fflush(stdout);
    }
    blip2_close(m);
    printf("peak %.2f GiB\n", (double)peak_rss_kib() / (1 << 20));
}

static void print_ids(char **arg)
{
    struct err e;
    struct blip2_options o = {BLIP2_DEFAULTS, .threads = cpu_count()};
    o.precision = precision_of(arg[1]);
    o.batch = (int)number_of(arg[2], 1, 256);
    o.max_new = o.min_new = (int)number_of(arg[3], 1, 1000);
    struct blip2 *m = blip2_open(arg[0], &o, &e);
    if (!m)
        die("%s", e.text);
    for (int i = 0; i < o.batch; i++) {
        struct image img;
        draw(&img, i);
        blip2_picture(m, i, &img);
        image_release(&img);
    }
    if (blip2_run(m, o.batch) < 0)
        die("stopped");
    for (int i = 0; i < o.batch; i++) {
        const struct blip2_caption *c = blip2_caption(m, i);
        for (int k = 0; k < c->n_ids; k++)
            printf("%d%c", c->ids[k], k + 1 < c->n_ids ? ' ' : '\n');
    }
    blip2_close(m);
}

int main(int argc, char **argv)
{
    util_program = "blip2_full";
    if (argc == 3 && strcmp(argv[1], "make") == 0)
        make(argv[2]);
    else if (argc >= 7 && strcmp(argv[1], "time") == 0)
        time_it(argv + 2, argc - 2);
    else if (argc == 6 && strcmp(argv[1], "ids") == 0)
        print_ids(argv + 2);
    else
        die_usage("usage: blip2_full make DIR | ids DIR PRECISION BATCH TOKENS | time DIR PRECISION BATCH TOKENS ROUNDS [THREADS]");
    return close_stdout(EXIT_DONE);
}
