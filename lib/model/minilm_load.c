/* SPDX-License-Identifier: MIT */
#include "model/minilm_load.h"
#include "base/util.h"
#include "model/config.h"
#include "nn/safetensors.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_TOKENS 512

static int check_config(struct minilm *m, const char *dir, struct err *e)
{
    struct config c;
    int rc = -1;
    if (config_open(&c, dir, "config.json", e) < 0 ||
        config_expect(&c, "model_type", "bert", e) < 0 ||
        config_expect(&c, "hidden_act", "gelu", e) < 0 ||
        config_int(&m->D, &c, "hidden_size", 16, 4096, e) < 0 ||
        config_int(&m->H, &c, "num_attention_heads", 1, 256, e) < 0 ||
        config_int(&m->L, &c, "num_hidden_layers", 0, MINILM_LAYERS, e) < 0 ||
        config_int(&m->F, &c, "intermediate_size", 16, 16384, e) < 0 ||
        config_int(&m->V, &c, "vocab_size", 5, 1 << 20, e) < 0 ||
        config_int(&m->positions, &c, "max_position_embeddings", 8, 1 << 16, e) < 0 ||
        config_double(&m->eps, &c, "layer_norm_eps", 0, 0.1, e) < 0)
        goto out;
    const char *kind = config_string(&c, "position_embedding_type");
    if (kind && strcmp(kind, "absolute") != 0)
        err_set(e, "%s: \"position_embedding_type\" is \"%.60s\"; this encoder computes "
                "\"absolute\"", c.path, kind);
    else if (m->D % m->H != 0 || m->D / m->H % 16 != 0)
        err_set(e, "%s: %d heads of %d: a head's width must be a multiple of 16", c.path, m->H,
                m->D);
    else
        rc = 0;
out:
    config_close(&c);
    return rc;
}

/* The mean of the tokens and nothing else, in the old and the new way of saying so. */
static int check_pooling(const char *dir, struct err *e)
{
    struct config c = {0};
    if (!config_exists(dir, "1_Pooling/config.json"))
        return 0;
    int rc = config_open(&c, dir, "1_Pooling/config.json", e);
    if (rc == 0) {
        const char *mode = config_string(&c, "pooling_mode");
        if ((mode && strcmp(mode, "mean") != 0) ||
            !config_flag(&c, "pooling_mode_mean_tokens", 1) ||
            config_flag(&c, "pooling_mode_cls_token", 0) ||
            config_flag(&c, "pooling_mode_max_tokens", 0))
            rc = err_set(e, "%s: this encoder averages the tokens; these weights want another "
                         "pooling", c.path);
    }
    config_close(&c);
    return rc;
}

/* Lower case without accents is what wordpiece.c makes of a text. */
static int check_tokenizer(const char *dir, struct err *e)
{
    struct config c = {0};
    if (!config_exists(dir, "tokenizer_config.json"))
        return 0;
    int rc = config_open(&c, dir, "tokenizer_config.json", e);
    if (rc == 0 && (!config_flag(&c, "do_lower_case", 1) || !config_flag(&c, "strip_accents", 1) ||
                    !config_flag(&c, "tokenize_chinese_chars", 1)))
        rc = err_set(e, "%s: these weights want another tokenizer; this encoder's takes away case "
                     "and accents", c.path);
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
    return rc < 0 || check_pooling(dir, e) < 0 || check_tokenizer(dir, e) < 0 ? -1 : 0;
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
    struct minilm_layer *l = &m->layer[i];
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
