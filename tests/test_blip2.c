/* SPDX-License-Identifier: MIT */
/* BLIP-2 against transformers' (tests/golden/blip2/make.py): each step, logits, tokens of greedy
 * and beam search, pixels; and that a caption depends on its picture alone. */
#include "model/blip2.h"
#include "base/sha256.h"
#include "blip2_tiny.h"
#include "model/blip2_weights.h"
#include "model/generate.h"
#include "nn/bpe.h"
#include "tap.h"
#include <unistd.h>

/* ---- the steps ---- */

struct model {
    struct blip2_weights w;
    struct engine *g;
    struct vit_room vit;
    struct qformer_room qformer;
    struct optlm_room opt;
    struct optlm_cache cache;
    float *tokens, *vectors, *pixels;
};

static struct blip2_tell silent;

static void open_model(struct model *m, const char *dir, enum engine_precision p,
                       enum panel_kind kind, int threads)
{
    struct err e;
    struct blip2_shape s;
    if (blip2_shape_read(&s, dir, &e) < 0 ||
        blip2_weights_open(&m->w, &s, dir, p, threads, &silent, &e) < 0)
        die("%s", e.text);
    const struct blip2_shape *w = &m->w.shape;
    m->g = engine_new(threads, kind, 96, 88);
    vit_room_init(&m->vit, m->g, &w->vit, TINY_PICTURES);
    qformer_room_init(&m->qformer, m->g, &w->qformer, TINY_PICTURES);
    optlm_room_init(&m->opt, m->g, &w->opt, TINY_PICTURES * 40, TINY_PICTURES * 5);
    m->tokens = xcalloc(TINY_PICTURES * 5 * 176, sizeof(float));
    m->vectors = xcalloc(TINY_PICTURES * 4 * 160, sizeof(float));
    m->pixels = tiny_pixels();
}

static void close_model(struct model *m)
{
    vit_room_release(&m->vit);
    qformer_room_release(&m->qformer);
    optlm_room_release(&m->opt);
    optlm_cache_release(&m->cache);
    engine_free(m->g);
    blip2_weights_close(&m->w);
    free(m->tokens);
    free(m->vectors);
    free(m->pixels);
}

static const float *golden;
static size_t at;

/* The next n numbers of steps.bin; the largest difference over the largest of them. */
static double far(const float *x, size_t n)
{
    double worst = 0, most = 0;
    for (size_t i = 0; i < n; i++) {
        worst = fmax(worst, fabs((double)x[i] - golden[at + i]));
        most = fmax(most, fabs((double)golden[at + i]));
    }
    at += n;
    return worst / most;
}

static void step(const float *x, size_t n, double tolerance, const char *what)
{
    double d = far(x, n);
    ok(d <= tolerance, "%s: %.1e", what, d);
}

static const struct linear *projection(const struct model *m)
{
    return &m->w.projection;
}

/* For kinds whose inputs are floats. n pictures; the golden knows the first. */
static void test_steps(struct model *m, int n, double tol)
{
    const struct blip2_weights *w = &m->w;
    int bos = 2;
    at = 0;
    vit_start(m->g, &w->vit, &m->vit, m->pixels, n);
    step(m->vit.block.x, 5 * 176, tol, "patches and positions");
    for (int i = 0; i < 2; i++) {
        vit_layer(m->g, &w->vit, &m->vit, i, n);
        step(m->vit.block.x, 5 * 176, tol, i ? "second block of the tower" : "first block");
    }
    vit_end(m->g, &w->vit, &m->vit, m->tokens, n);
    step(m->tokens, 5 * 176, tol, "last norm of the tower");
    qformer_start(m->g, &w->qformer, &m->qformer, n);
    step(m->qformer.x, 4 * 128, tol, "queries");
    for (int i = 0; i < 2; i++) {
        qformer_layer(m->g, &w->qformer, &m->qformer, i, m->tokens, n);
        step(m->qformer.x, 4 * 128, tol, i ? "layer that does not look" : "layer that looks");
    }
    engine_linear(m->g, projection(m), &(struct engine_io){m->qformer.h, 128, 4 * n, m->vectors,
                                                           160, ENGINE_SET});
    step(m->vectors, 4 * 160, tol, "projection");
    optlm_cache_release(&m->cache);
    optlm_cache_init(&m->cache, &w->opt.shape, TINY_PICTURES, 5, 35, 20);
    optlm_prompt_start(m->g, &w->opt, &m->opt, m->vectors, 4, &bos, 1, n);
    step(m->opt.block.x, 5 * 160, tol, "words and positions of OPT");
    for (int i = 0; i < 2; i++) {
        optlm_prompt_layer(m->g, &w->opt, &m->opt, &m->cache, i, n);
        step(m->opt.block.x, 5 * 160, tol, i ? "second block of OPT" : "first block of OPT");
    }
    optlm_prompt_end(m->g, &w->opt, &m->opt, 5, n);
    step(m->opt.logits, (size_t)n * (size_t)w->shape.opt.vocab, tol, "first-token logits");
}

static const char prompt_text[] = "Question: what is on the plate? Answer:";

/* The prompt's ids behind BOS, by our tokenizer. */
static int prompt_ids(int *ids, const char *dir)
{
    struct err e;
    struct bpe *b = bpe_open(dir, 1024, &e);
    if (!b)
        die("%s", e.text);
    ids[0] = 2;
    int n = 1 + (int)bpe_ids(ids + 1, 63, prompt_text, strlen(prompt_text), b);
    bpe_close(b);
    return n;
}

static void test_prompt(struct model *m, const char *dir, double tol)
{
    int ids[64], n = prompt_ids(ids, dir);
    size_t V = (size_t)m->w.shape.opt.vocab;
    at += (TINY_PICTURES - 1) * V; /* test_steps read those of one picture */
    optlm_cache_release(&m->cache);
    optlm_cache_init(&m->cache, &m->w.opt.shape, 1, 4 + n, 1, 1);
    optlm_prompt(m->g, &m->w.opt, &m->opt, &m->cache, m->vectors, 4, ids, n, 1);
    step(m->opt.logits, V, tol, "logits after a prompt");
}

/* ---- words ---- */

struct wanted {
    char what[16], ids[TINY_PICTURES][512];
    int beams, max_new, min_new;
    double penalty;
    int known; /* ids that may be chosen; 0: all */
};

static int read_wanted(struct wanted *w)
{
    int n = 0;
    FILE *f = fopen(BLIP2_GOLDEN "captions.tsv", "r");
    while (f && n < 16 && fscanf(f, "%15s %d %d %d %lf", w[n].what, &w[n].beams, &w[n].max_new,
                                 &w[n].min_new, &w[n].penalty) == 5) {
        for (int i = 0; i < TINY_PICTURES; i++)
            if (fscanf(f, "\t%511[^\t\n]", w[n].ids[i]) != 1)
                die("captions.tsv: row %d", n + 1);
        n++;
    }
    if (f)
        fclose(f);
    return n;
}

static int steps; /* of the last speak() */

/* The loop of blip2.c, on vectors that are there already; slots are copied for every row. */
static struct generate *speak(struct model *m, const struct wanted *w, const int *ids, int n_ids,
                              int first, int n)
{
    const struct optlm *opt = &m->w.opt;
    struct generate_options o = {opt->shape.vocab, m->w.shape.stop, w->max_new, w->min_new,
                                 w->beams, w->penalty,
                                 w->known ? w->known : opt->shape.vocab};
    struct generate *s = generate_new(n, &o);
    int rows = n * w->beams, token[64], item[64], slot[64], half = 0;
    optlm_cache_release(&m->cache);
    optlm_cache_init(&m->cache, &opt->shape, n, 4 + n_ids, 2 * rows, w->max_new);
    optlm_prompt(m->g, opt, &m->opt, &m->cache, m->vectors + (size_t)first * 4 * 160, 4, ids, n_ids,
                 n);
    for (int t = 0; generate_take(s, m->opt.logits); t++, half = !half) {
        steps = t + 1;
        for (int r = 0; r < generate_rows(s); r++) {
            const struct generate_row *row = generate_row(s, r);
            token[r] = row->token;
            item[r] = row->item;
            slot[r] = (half ? 0 : rows) + r;
            optlm_copy_slot(&m->cache, &opt->shape, slot[r], (half ? rows : 0) + row->from, t);
        }
        optlm_step(m->g, opt, &m->opt, &m->cache,
                   &(struct optlm_rows){token, item, slot, generate_rows(s), t});
    }
    return s;
}

static int same_ids(const struct generate *s, int i, const char *want)
{
    struct buf b = {0};
    int n, ended;
    const int *ids = generate_ids(s, i, &n, &ended);
    for (int k = 0; k < n; k++)
        buf_addf(&b, "%s%d", k ? " " : "", ids[k]);
    buf_adds(&b, ended ? "" : " x");
    int same = strcmp(buf_str(&b), want) == 0;
    if (!same)
        printf("# got  %s\n# want %s\n", buf_str(&b), want);
    buf_release(&b);
    return same;
}

static void test_words(struct model *m, const char *dir)
{
    static struct wanted w[16];
    int rows = read_wanted(w), ids[64], n_ids = prompt_ids(ids, dir);
    ok(rows == 11, "%d rows of captions", rows);
    vit_run(m->g, &m->w.vit, &m->vit, m->tokens, m->pixels, TINY_PICTURES);
    qformer_run(m->g, &m->w.qformer, &m->qformer, m->tokens, TINY_PICTURES);
    engine_linear(m->g, projection(m), &(struct engine_io){
        m->qformer.h, 128, 4 * TINY_PICTURES, m->vectors, 160, ENGINE_SET});
    for (int r = 0; r < rows; r++) {
        int n = strcmp(w[r].what, "prompt") == 0 ? n_ids : 1, good = 0;
        for (int each = 1; each <= TINY_PICTURES; each += TINY_PICTURES - 1)
            for (int i = 0; i < TINY_PICTURES; i += each) {
                struct generate *s = speak(m, &w[r], ids, n, i, each);
                for (int k = 0; k < each; k++)
                    good += same_ids(s, k, w[r].ids[i + k]);
                generate_free(s);
            }
        if (w[r].penalty < 0) {
            generate_free(speak(m, &w[r], ids, n, 0, 1));
            ok(steps < 19, "beams that cannot become better end after %d steps", steps);
        }
        ok(good == 2 * TINY_PICTURES, "%s, %d beams, %d to %d tokens, penalty %g: ids of 7 alone "
           "and together", w[r].what, w[r].beams, w[r].min_new, w[r].max_new, w[r].penalty);
    }
}

static void test_model(void)
{
    struct buf b = {0};
    struct err e;
    struct model m = {0};
    char *dir = folder("f32");
    tiny_folder(dir, "F32");
    if (buf_read_file(&b, BLIP2_GOLDEN "steps.bin", 1 << 20, &e) < 0)
        die("%s", e.text);
    golden = (const float *)(const void *)b.data;
    open_model(&m, dir, ENGINE_F32, PANEL_F32, 2);
    test_steps(&m, 1, 3e-6);
    test_prompt(&m, dir, 3e-6);
    test_steps(&m, TINY_PICTURES, 3e-6);
    test_words(&m, dir);
    close_model(&m);
    buf_release(&b);
    free(dir);
}

/* ---- other arithmetic ---- */

/* Rounded weights, and bf16 inputs where the CPU has them, near the float64 logits. */
static void test_kind(enum panel_kind kind, int library)
{
    static const double near_enough[] = {0, 0.04, 0.04, 0.06};
    struct model m = {0};
    struct err e;
    struct buf b = {0};
    int bos = 2;
    char *dir = folder("f32");
    if (buf_read_file(&b, BLIP2_GOLDEN "steps.bin", 1 << 20, &e) < 0)
        die("%s", e.text);
    golden = (const float *)(const void *)b.data;
    open_model(&m, dir, kind == PANEL_BYTE ? ENGINE_INT8 : ENGINE_BF16, kind, 2);
    if (library && engine_use_library(m.g, &e) < 0)
        die("%s", e.text);
    void *tokens = xcalloc(TINY_PICTURES * 5 * 176, sizeof(float));
    vit_run(m.g, &m.w.vit, &m.vit, tokens, m.pixels, TINY_PICTURES);
    qformer_run(m.g, &m.w.qformer, &m.qformer, tokens, TINY_PICTURES);
    engine_linear(m.g, projection(&m), &(struct engine_io){
        m.qformer.h, 128, 4 * TINY_PICTURES, m.vectors, 160, ENGINE_SET});
    optlm_cache_init(&m.cache, &m.w.opt.shape, TINY_PICTURES, 5, 7, 1);
    optlm_prompt(m.g, &m.w.opt, &m.opt, &m.cache, m.vectors, 4, &bos, 1, TINY_PICTURES);
    at = b.len / sizeof(float) - (TINY_PICTURES + 1) * (size_t)m.w.shape.opt.vocab;
    step(m.opt.logits, TINY_PICTURES * (size_t)m.w.shape.opt.vocab,
         near_enough[kind], library ? "logits, by the library" : engine_describe(kind));
    free(tokens);
    close_model(&m);
    buf_release(&b);
    free(dir);
}

static void test_kinds(void)
{
    struct err e;
    test_kind(PANEL_HALF, 0);
    test_kind(PANEL_BYTE, 0);
    if (!panel_dot_here()) {
        skip("no instruction for pairs of bfloat16");
        return;
    }
    test_kind(PANEL_DOT, 0);
    struct engine *g = engine_new(1, PANEL_DOT, 8, 8);
    if (engine_use_library(g, &e) == 0)
        test_kind(PANEL_DOT, 1);
    else
        skip(e.text);
    engine_free(g);
}

/* ---- pictures ---- */

static void test_pixels(void)
{
    struct blip2_prep p;
    struct err e;
    char path[256], want[80];
    int rows = 0, good = 0;
    FILE *f = fopen(BLIP2_GOLDEN "pixels.tsv", "r");
    float *planes = xmalloc(3 * 224 * 224 * sizeof *planes);
    if (blip2_prep_read(&p, "/nowhere", 224, &e) < 0)
        die("%s", e.text);
    while (f && fscanf(f, "%255s %79s", path, want) == 2) {
        struct buf b = {0};
        struct image img;
        unsigned char digest[SHA256_BYTES];
        char hex[SHA256_HEX];
        if (buf_read_file(&b, path, 1 << 24, &e) < 0 || image_decode(&img, b.data, b.len, &e) < 0)
            die("%s: %s", path, e.text);
        blip2_prep_pixels(planes, &img, &p);
        sha256_of(digest, planes, 3 * 224 * 224 * sizeof *planes);
        sha256_hex(hex, digest);
        good += strcmp(hex, want) == 0;
        if (strcmp(hex, want) != 0)
            printf("# %s differs\n", path);
        rows++;
        image_release(&img);
        buf_release(&b);
    }
    if (f)
        fclose(f);
    ok(rows > 15 && good == rows, "pixels of %d pictures are the processor's", rows);
    free(planes);
}

/* ---- the whole ---- */

static int halted;

static int halt(void)
{
    return halted > 0 && --halted == 0;
}

static void test_whole(const char *dir)
{
    struct blip2_options k[4] = {{BLIP2_DEFAULTS}, {BLIP2_DEFAULTS}, {BLIP2_DEFAULTS},
                                 {BLIP2_DEFAULTS}};
    k[0].precision = k[1].precision = ENGINE_F32;
    k[3].precision = ENGINE_INT8;
    k[1].beams = 5;
    k[1].prompt = "What is it?";
    for (size_t i = 0; i < ARRAY_LEN(k); i++) {
        char *want = captions(dir, k[i], 1, 1);
        int same = 1, mixed = strstr(want, "|1|0\n") && strstr(want, "|20|0|");
        for (int batch = 2; batch <= 11; batch += 3) {
            char *got = captions(dir, k[i], batch, batch % 3 + 1);
            same &= strcmp(got, want) == 0;
            free(got);
        }
        ok(same, "%s, %d beams: the same captions for batches of 1, 2, 5, 8, 11 and 1 to 3 threads",
           engine_precision_name(k[i].precision), k[i].beams);
        ok(i > 0 || mixed, "some end by themselves, some do not");
        free(want);
    }
}

/* Slots that blip2_run shares and copies against speak(), which copies each. */
static void test_slots(const char *dir)
{
    struct blip2_options o = {BLIP2_DEFAULTS, .threads = 2};
    struct wanted w = {.beams = 5, .max_new = 20, .penalty = 1, .known = 1009}; /* rows of pieces */
    struct model m = {0};
    struct blip2_prep p;
    struct err e;
    int ids[64], n_ids = prompt_ids(ids, dir), same = 0;
    o.precision = ENGINE_F32;
    o.beams = w.beams;
    o.prompt = prompt_text;
    struct blip2 *whole = open_tiny(dir, &o);
    open_model(&m, dir, ENGINE_F32, PANEL_F32, 1);
    if (blip2_prep_read(&p, dir, TINY_SIDE, &e) < 0)
        die("%s", e.text);
    for (int i = 0; i < TINY_PICTURES; i++) {
        struct image img = {50 + i, 40, xmalloc((size_t)(50 + i) * 40 * 3)};
        for (int k = 0; k < (50 + i) * 40 * 3; k++)
            img.rgb[k] = (unsigned char)(rng_mix((uint64_t)(k / 7 + 1000 * i)) & 255);
        blip2_picture(whole, i, &img);
        blip2_prep_pixels(m.pixels + (size_t)i * 3 * TINY_SIDE * TINY_SIDE, &img, &p);
        image_release(&img);
    }
    if (blip2_run(whole, TINY_PICTURES) < 0)
        die("stopped");
    vit_run(m.g, &m.w.vit, &m.vit, m.tokens, m.pixels, TINY_PICTURES);
    qformer_run(m.g, &m.w.qformer, &m.qformer, m.tokens, TINY_PICTURES);
    engine_linear(m.g, projection(&m), &(struct engine_io){
        m.qformer.h, 128, 4 * TINY_PICTURES, m.vectors, 160, ENGINE_SET});
    struct generate *s = speak(&m, &w, ids, n_ids, 0, TINY_PICTURES);
    for (int i = 0; i < TINY_PICTURES; i++) {
        int n;
        const int *want = generate_ids(s, i, &n, NULL);
        const struct blip2_caption *c = blip2_caption(whole, i);
        same += n == c->n_ids && memcmp(want, c->ids, (size_t)n * sizeof n) == 0;
    }
    ok(same == TINY_PICTURES, "%d of %d pictures: five beams that part and meet", same,
       TINY_PICTURES);
    generate_free(s);
    close_model(&m);
    blip2_close(whole);
}

static void test_stop(const char *dir)
{
    struct blip2_options o = {BLIP2_DEFAULTS, .threads = 2, .stop = halt};
    struct blip2 *m = open_tiny(dir, &o);
    for (int i = 0; i < 8; i++)
        draw(m, i, i);
    int all = 1, n = 0;
    for (int at_call = 1; at_call <= 12; at_call++, n++) {
        halted = at_call;
        all &= blip2_run(m, 8) < 0;
    }
    ok(all, "stop at %d places ends a batch", n);
    halted = 0;
    ok(blip2_run(m, 8) == 0, "and the next one runs");
    struct blip2_times t = blip2_times(m);
    ok(t.steps > 0 && t.steps < 20 && t.tower_s > 0, "%d steps were taken", t.steps);
    blip2_close(m);
}

static void test_prompt_limit(const char *dir)
{
    char text[400];
    struct err e;
    struct blip2_options o = {BLIP2_DEFAULTS, .threads = 1};
    memset(text, '7', sizeof text);
    text[sizeof text - 1] = 0;
    o.prompt = text;
    struct blip2 *m = blip2_open(dir, &o, &e);
    ok(!m && strstr(e.text, "the prompt has"), "a prompt beyond the positions: %s", e.text);
    blip2_close(m);
}

/* Sizes alone; nothing is that large here. */
static void test_needs(void)
{
    static const char config[] =
        "{\"model_type\":\"blip-2\",\"text_config\":{\"hidden_size\":2560,\"num_hidden_layers\":32,"
        "\"ffn_dim\":10240,\"num_attention_heads\":32,\"word_embed_proj_dim\":2560}}";
    struct blip2_options o = {BLIP2_DEFAULTS, .threads = 2};
    struct err e;
    uint64_t bytes;
    char *dir = folder("large");
    write_file(dir, "config.json", config, sizeof config - 1);
    ok(blip2_needs(&bytes, dir, &o, &e) == 0, "the published sizes are the defaults");
    near((double)bytes / (1 << 30), 7.6, 0.3, "bf16, batch 8: GiB");
    ok(bytes < (uint64_t)9 << 30, "below 9");
    o.precision = ENGINE_F32;
    int rc = blip2_needs(&bytes, dir, &o, &e);
    ok(rc == 0 && bytes > (uint64_t)14 << 30, "f32: %.1f GiB", (double)bytes / (1 << 30));
    o.precision = ENGINE_INT8;
    rc = blip2_needs(&bytes, dir, &o, &e);
    ok(rc == 0, "int8 %s", rc ? e.text : "");
    near((double)bytes / (1 << 30), 4.2, 0.3, "int8, batch 8: GiB");
    free(dir);
}

/* With two arguments, "make DIR": writes the folder there, for tests of tools. */
int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "make") == 0) {
        tiny_shards(argv[2], "F32");
        return 0;
    }
    if (!mkdtemp(temp))
        die("no temporary folder");
    setenv("XDG_CACHE_HOME", temp, 1);
    test_model();
    test_kinds();
    test_pixels();
    char *dir = folder("f32");
    test_whole(dir);
    test_slots(dir);
    test_stop(dir);
    test_prompt_limit(dir);
    free(dir);
    test_needs();
    char *rm = xasprintf("rm -rf %s", temp);
    ok(system(rm) == 0, "tidied up");
    free(rm);
    return done();
}
