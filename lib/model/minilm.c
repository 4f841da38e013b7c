/* SPDX-License-Identifier: MIT */
#include "model/minilm.h"
#include "base/arena.h"
#include "base/sha256.h"
#include "base/util.h"
#include "model/config.h"
#include "nn/attn.h"
#include "nn/ops.h"
#include "nn/safetensors.h"
#include "nn/wordpiece.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_LAYERS 64
#define MAX_TOKENS 512

struct layer {
    struct gemm *qkv, *out, *up, *down; /* [3D,D], [D,D], [F,D], [D,F] */
    float *ln1_w, *ln1_b, *ln2_w, *ln2_b; /* [D]; ln1 after attention, ln2 after the FFN */
};

struct minilm {
    int D, H, L, F, V, positions, max_tokens;
    double eps;
    enum gemm_precision precision;
    unsigned char digest[SHA256_BYTES];
    struct wordpiece *pieces;
    struct arena weights;    /* what is not packed */
    float *word, *position, *type; /* [V,D], [positions,D], [2,D] */
    float *ln_w, *ln_b;      /* [D] */
    struct layer layer[MAX_LAYERS];
};

struct minilm_scratch {
    struct arena a;
    float *x, *ctx;        /* [rows,D]; rows = MINILM_ROWS + spare */
    float *qkv;            /* [rows,3D], or in bf16: */
    uint16_t *half_qkv;
    float *ff, *y;         /* [GEMM_ROWS,F], [GEMM_ROWS,3D] */
    uint16_t *half;        /* [GEMM_ROWS,D]: input of a bf16 product */
    uint16_t *half_ff;     /* [GEMM_ROWS,F] */
    float *attn;
    int *ids;              /* [MINILM_ROWS] of the texts that wait */
    int *first, *length;   /* [texts] */
    float **to;            /* [texts] */
    int rows, texts;
};

/* ---- reading ---- */

static int check_config(struct minilm *m, const char *dir, struct err *e)
{
    struct config c;
    int rc = -1;
    if (config_open(&c, dir, "config.json", e) < 0 ||
        config_expect(&c, "model_type", "bert", e) < 0 ||
        config_expect(&c, "hidden_act", "gelu", e) < 0 ||
        config_int(&m->D, &c, "hidden_size", 16, 4096, e) < 0 ||
        config_int(&m->H, &c, "num_attention_heads", 1, 256, e) < 0 ||
        config_int(&m->L, &c, "num_hidden_layers", 0, MAX_LAYERS, e) < 0 ||
        config_int(&m->F, &c, "intermediate_size", 16, 16384, e) < 0 ||
        config_int(&m->V, &c, "vocab_size", 5, 1 << 20, e) < 0 ||
        config_int(&m->positions, &c, "max_position_embeddings", 8, 1 << 16, e) < 0 ||
        config_double(&m->eps, &c, "layer_norm_eps", 0, 0.1, e) < 0)
        goto out;
    if (m->D % m->H != 0 || m->D / m->H % 16 != 0)
        err_set(e, "%s: %d heads of %d: a head's width must be a multiple of 16", c.path, m->H,
                m->D);
    else
        rc = 0;
out:
    config_close(&c);
    return rc;
}

/* What sentence-transformers keeps beside the model. */
static int check_sentence_config(struct minilm *m, const char *dir, struct err *e)
{
    struct config c = {0};
    int rc = 0;
    m->max_tokens = m->positions < 256 ? m->positions : 256;
    if (config_exists(dir, "sentence_bert_config.json")) {
        rc = config_open(&c, dir, "sentence_bert_config.json", e);
        if (rc == 0)
            rc = config_int(&m->max_tokens, &c, "max_seq_length", 3,
                            m->positions < MAX_TOKENS ? m->positions : MAX_TOKENS, e);
        config_close(&c);
    }
    if (rc == 0 && config_exists(dir, "1_Pooling/config.json")) {
        rc = config_open(&c, dir, "1_Pooling/config.json", e);
        if (rc == 0 && !config_flag(&c, "pooling_mode_mean_tokens", 1))
            rc = err_set(e, "%s: this encoder averages the tokens; these weights want another "
                         "pooling", c.path);
        config_close(&c);
    }
    return rc;
}

static float *take(struct minilm *m, const struct safetensors *st, const char *name, int rows,
                   int cols, struct err *e)
{
    float *to = arena_take(&m->weights, (size_t)(rows ? rows : 1) * cols);
    int64_t shape[2] = {rows, cols};
    int rank = rows ? 2 : 1;
    return safetensors_load(to, st, name, rank, rows ? shape : shape + 1, e) < 0 ? NULL : to;
}

/* Some checkpoints put "bert." before every name. */
static const char *prefix_of(const struct safetensors *st)
{
    return safetensors_find(st, "bert.embeddings.word_embeddings.weight") ? "bert." : "";
}

/* "prefix + middle + name" with middle = "encoder.layer.L." */
static int load_linear(float *w, float *b, const struct safetensors *st, int layer,
                       const char *name, int N, int K, struct err *e)
{
    char full[160];
    int64_t shape[2] = {N, K};
    snprintf(full, sizeof full, "%sencoder.layer.%d.%s.weight", prefix_of(st), layer, name);
    if (safetensors_load(w, st, full, 2, shape, e) < 0)
        return -1;
    snprintf(full, sizeof full, "%sencoder.layer.%d.%s.bias", prefix_of(st), layer, name);
    return safetensors_load(b, st, full, 1, shape, e);
}

static struct gemm *pack_linear(struct minilm *m, const struct safetensors *st, int layer,
                                const char *name, int N, int K, enum gemm_backend backend,
                                struct err *e)
{
    struct arena a;
    struct gemm *g = NULL;
    arena_init(&a, arena_room((size_t)N * K) + arena_room((size_t)N));
    float *w = arena_take(&a, (size_t)N * K), *b = arena_take(&a, (size_t)N);
    if (load_linear(w, b, st, layer, name, N, K, e) == 0)
        g = gemm_new(w, b, N, K, m->precision, backend, e);
    arena_release(&a);
    return g;
}

/* Query, key and value stand over one another: one product of [3D,D]. */
static struct gemm *pack_qkv(struct minilm *m, const struct safetensors *st, int layer,
                             enum gemm_backend backend, struct err *e)
{
    static const char *const names[] = {"attention.self.query", "attention.self.key",
                                        "attention.self.value"};
    struct arena a;
    struct gemm *g = NULL;
    size_t D = (size_t)m->D;
    int rc = 0;
    arena_init(&a, arena_room(3 * D * D) + arena_room(3 * D));
    float *w = arena_take(&a, 3 * D * D), *b = arena_take(&a, 3 * D);
    for (size_t i = 0; rc == 0 && i < 3; i++)
        rc = load_linear(w + i * D * D, b + i * D, st, layer, names[i], m->D, m->D, e);
    if (rc == 0)
        g = gemm_new(w, b, 3 * m->D, m->D, m->precision, backend, e);
    arena_release(&a);
    return g;
}

static int load_layer(struct minilm *m, const struct safetensors *st, int i,
                      enum gemm_backend backend, struct err *e)
{
    struct layer *l = &m->layer[i];
    const char *p = prefix_of(st);
    char name[4][128];
    static const char *const norm[] = {
        "attention.output.LayerNorm.weight", "attention.output.LayerNorm.bias",
        "output.LayerNorm.weight", "output.LayerNorm.bias"};
    for (int k = 0; k < 4; k++)
        snprintf(name[k], sizeof name[k], "%sencoder.layer.%d.%s", p, i, norm[k]);
    if (!(l->ln1_w = take(m, st, name[0], 0, m->D, e)) ||
        !(l->ln1_b = take(m, st, name[1], 0, m->D, e)) ||
        !(l->ln2_w = take(m, st, name[2], 0, m->D, e)) ||
        !(l->ln2_b = take(m, st, name[3], 0, m->D, e)) ||
        !(l->qkv = pack_qkv(m, st, i, backend, e)) ||
        !(l->out = pack_linear(m, st, i, "attention.output.dense", m->D, m->D, backend, e)) ||
        !(l->up = pack_linear(m, st, i, "intermediate.dense", m->F, m->D, backend, e)) ||
        !(l->down = pack_linear(m, st, i, "output.dense", m->D, m->F, backend, e)))
        return -1;
    return 0;
}

static int load_embeddings(struct minilm *m, const struct safetensors *st, struct err *e)
{
    const char *p = prefix_of(st);
    char name[5][96];
    static const char *const what[] = {"word_embeddings.weight", "position_embeddings.weight",
                                       "token_type_embeddings.weight", "LayerNorm.weight",
                                       "LayerNorm.bias"};
    for (int k = 0; k < 5; k++)
        snprintf(name[k], sizeof name[k], "%sembeddings.%s", p, what[k]);
    if (!(m->word = take(m, st, name[0], m->V, m->D, e)) ||
        !(m->position = take(m, st, name[1], m->positions, m->D, e)) ||
        !(m->type = take(m, st, name[2], 2, m->D, e)) ||
        !(m->ln_w = take(m, st, name[3], 0, m->D, e)) ||
        !(m->ln_b = take(m, st, name[4], 0, m->D, e)))
        return -1;
    return 0;
}

static int load_weights(struct minilm *m, const char *dir, enum gemm_backend backend,
                        struct sha256 *h, struct err *e)
{
    char *path = xasprintf("%s/model.safetensors", dir);
    struct safetensors *st = safetensors_open(path, e);
    int rc = st ? 0 : -1;
    size_t D = (size_t)m->D;
    free(path);
    if (st) {
        arena_init(&m->weights, arena_room((size_t)m->V * D) +
                   arena_room((size_t)m->positions * D) + arena_room(2 * D) +
                   (size_t)(2 + 4 * m->L) * arena_room(D));
        rc = load_embeddings(m, st, e);
        for (int i = 0; rc == 0 && i < m->L; i++)
            rc = load_layer(m, st, i, backend, e);
        if (rc == 0)
            sha256_add_field(h, safetensors_digest(st), SHA256_BYTES);
    }
    safetensors_close(st);
    return rc;
}

static int load_pieces(struct minilm *m, const char *dir, struct sha256 *h, struct err *e)
{
    unsigned char digest[SHA256_BYTES];
    char *path = xasprintf("%s/vocab.txt", dir);
    int rc = -1, fd = -1;
    m->pieces = wordpiece_open(path, m->V, e);
    if (m->pieces && (fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
        err_set(e, "%s: %s", path, strerror(errno));
    if (fd >= 0) {
        rc = sha256_fd(digest, fd, e);
        sha256_add_field(h, digest, sizeof digest);
        close(fd);
    }
    free(path);
    return rc;
}

struct minilm *minilm_open(const char *dir, enum gemm_precision precision,
                           enum gemm_backend backend, struct err *e)
{
    struct minilm *m = xcalloc(1, sizeof *m);
    struct sha256 *h = sha256_new();
    m->precision = precision;
    int rc = -1;
    if (check_config(m, dir, e) == 0 && check_sentence_config(m, dir, e) == 0 &&
        load_pieces(m, dir, h, e) == 0)
        rc = load_weights(m, dir, backend, h, e);
    int shape[] = {m->D, m->H, m->L, m->F, m->max_tokens};
    sha256_add_field(h, shape, sizeof shape);
    sha256_add_field(h, &m->eps, sizeof m->eps);
    sha256_end(m->digest, h);
    sha256_free(h);
    if (rc < 0) {
        minilm_close(m);
        return NULL;
    }
    return m;
}

void minilm_close(struct minilm *m)
{
    if (!m)
        return;
    for (int i = 0; i < m->L; i++) {
        gemm_free(m->layer[i].qkv);
        gemm_free(m->layer[i].out);
        gemm_free(m->layer[i].up);
        gemm_free(m->layer[i].down);
    }
    wordpiece_close(m->pieces);
    arena_release(&m->weights);
    free(m);
}

int minilm_dim(const struct minilm *m)
{
    return m->D;
}

int minilm_max_tokens(const struct minilm *m)
{
    return m->max_tokens;
}

const unsigned char *minilm_digest(const struct minilm *m)
{
    return m->digest;
}

int minilm_ids(int *ids, const struct minilm *m, const char *text, size_t n)
{
    return wordpiece_ids(ids, m->max_tokens, text, n, m->pieces);
}

/* ---- computing ---- */

struct minilm_scratch *minilm_scratch_new(const struct minilm *m)
{
    struct minilm_scratch *s = xcalloc(1, sizeof *s);
    size_t D = (size_t)m->D, F = (size_t)m->F, R = MINILM_ROWS + ATTN_SPARE_ROWS;
    size_t attn = attn_scratch(m->max_tokens, m->D / m->H), blk = GEMM_ROWS;
    int half = m->precision == GEMM_BF16, pairs = half && attn_has_bf16();
    size_t qkv = pairs ? (R * 3 * D + 1) / 2 : R * 3 * D;
    arena_init(&s->a, 2 * arena_room(R * D) + arena_room(qkv) + arena_room(blk * F) +
               arena_room(blk * 3 * D) + arena_room(attn) +
               (half ? arena_room(blk * D / 2) + arena_room(blk * F / 2) : 0));
    s->x = arena_take(&s->a, R * D);
    s->ctx = arena_take(&s->a, R * D);
    s->ff = arena_take(&s->a, blk * F);
    s->y = arena_take(&s->a, blk * 3 * D);
    s->attn = arena_take(&s->a, attn);
    if (half) {
        s->half = (uint16_t *)(void *)arena_take(&s->a, blk * D / 2);
        s->half_ff = (uint16_t *)(void *)arena_take(&s->a, blk * F / 2);
    }
    if (pairs)
        s->half_qkv = (uint16_t *)(void *)arena_take(&s->a, qkv);
    else
        s->qkv = arena_take(&s->a, qkv);
    s->ids = xcalloc(MINILM_ROWS, sizeof *s->ids);
    s->first = xcalloc(MINILM_ROWS, sizeof *s->first);
    s->length = xcalloc(MINILM_ROWS, sizeof *s->length);
    s->to = xcalloc(MINILM_ROWS, sizeof *s->to);
    return s;
}

void minilm_scratch_free(struct minilm_scratch *s)
{
    if (!s)
        return;
    arena_release(&s->a);
    free(s->ids);
    free(s->first);
    free(s->length);
    free(s->to);
    free(s);
}

/* x as input of a product: itself, or rounded to bfloat16 in half. */
static const void *input(const struct minilm *m, uint16_t *half, const float *x, size_t n)
{
    if (m->precision == GEMM_F32)
        return x;
    gemm_to_bf16(half, x, n);
    return half;
}

/* GELU of x, as input of a product; by pieces that stay in the first cache in between. */
static const void *activated(const struct minilm *m, uint16_t *half, float *x, size_t n)
{
    const size_t piece = 2048;
    for (size_t i = 0; i < n; i += piece) {
        size_t k = n - i < piece ? n - i : piece;
        ops_gelu(x + i, k);
        if (m->precision == GEMM_BF16)
            gemm_to_bf16(half + i, x + i, k);
    }
    return m->precision == GEMM_BF16 ? (const void *)half : x;
}

static void embed(const struct minilm *m, struct minilm_scratch *s)
{
    size_t D = (size_t)m->D;
    for (int t = 0; t < s->texts; t++)
        for (int i = 0; i < s->length[t]; i++) {
            int row = s->first[t] + i;
            const float *w = m->word + (size_t)s->ids[row] * D, *p = m->position + (size_t)i * D;
            float *x = s->x + (size_t)row * D;
            for (size_t c = 0; c < D; c++)
                x[c] = w[c] + m->type[c] + p[c];
        }
    /* Rows up to the end of the block are computed too, and must be numbers. */
    int end = gemm_pad(s->rows);
    memset(s->x + (size_t)s->rows * D, 0, (size_t)(end - s->rows) * D * sizeof *s->x);
    ops_layer_norm(s->x, NULL, m->ln_w, m->ln_b, m->eps, s->rows, m->D);
}

/* Everything but attention goes block by block, so that a block stays in the cache from one
 * product to the next. */
static void project(const struct minilm *m, const struct layer *l, struct minilm_scratch *s)
{
    size_t D = (size_t)m->D, n = GEMM_ROWS * D;
    for (size_t r = 0; r < (size_t)s->rows; r += GEMM_ROWS) {
        float *y = s->half_qkv ? s->y : s->qkv + 3 * r * D;
        gemm_run(y, input(m, s->half, s->x + r * D, n), GEMM_ROWS, l->qkv);
        if (s->half_qkv)
            gemm_to_bf16(s->half_qkv + 3 * r * D, y, 3 * n);
    }
}

static void attend(const struct minilm *m, struct minilm_scratch *s)
{
    for (int t = 0; t < s->texts; t++) {
        size_t from = (size_t)s->first[t] * (size_t)m->D;
        if (s->half_qkv)
            attn_run_bf16(s->ctx + from, s->half_qkv + 3 * from, s->length[t], m->H, m->D / m->H,
                          s->attn);
        else
            attn_run(s->ctx + from, s->qkv + 3 * from, s->length[t], m->H, m->D / m->H, s->attn);
    }
}

static void feed_forward(const struct minilm *m, const struct layer *l, struct minilm_scratch *s)
{
    size_t D = (size_t)m->D, n = GEMM_ROWS * D, wide = GEMM_ROWS * (size_t)m->F;
    for (int r = 0; r < s->rows; r += GEMM_ROWS) {
        float *x = s->x + (size_t)r * D;
        int rows = s->rows - r < GEMM_ROWS ? s->rows - r : GEMM_ROWS;
        gemm_run(s->y, input(m, s->half, s->ctx + (size_t)r * D, n), GEMM_ROWS, l->out);
        ops_layer_norm(x, s->y, l->ln1_w, l->ln1_b, m->eps, rows, m->D);
        gemm_run(s->ff, input(m, s->half, x, n), GEMM_ROWS, l->up);
        gemm_run(s->y, activated(m, s->half_ff, s->ff, wide), GEMM_ROWS, l->down);
        ops_layer_norm(x, s->y, l->ln2_w, l->ln2_b, m->eps, rows, m->D);
    }
}

/* Computes the texts that wait. */
static void flush(const struct minilm *m, struct minilm_scratch *s)
{
    if (s->texts == 0)
        return;
    embed(m, s);
    for (int i = 0; i < m->L; i++) {
        project(m, &m->layer[i], s);
        attend(m, s);
        feed_forward(m, &m->layer[i], s);
    }
    for (int t = 0; t < s->texts; t++) {
        ops_mean_rows(s->to[t], s->x + (size_t)s->first[t] * m->D, s->length[t], m->D);
        ops_unit(s->to[t], m->D);
    }
    s->rows = s->texts = 0;
}

void minilm_encode(float *const *out, const char *const *texts, const size_t *lengths, int n,
                   const struct minilm *m, struct minilm_scratch *s)
{
    for (int i = 0; i < n; i++) {
        if (s->rows + m->max_tokens > MINILM_ROWS)
            flush(m, s);
        s->first[s->texts] = s->rows;
        s->length[s->texts] = minilm_ids(s->ids + s->rows, m, texts[i], lengths[i]);
        s->to[s->texts] = out[i];
        s->rows += s->length[s->texts++];
    }
    flush(m, s);
}
