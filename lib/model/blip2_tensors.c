/* SPDX-License-Identifier: MIT */
#include "model/blip2_tensors.h"
#include "base/util.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct blip2_tensor *add(struct blip2_list *l, const void *to, int rows, int cols)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 1024;
        l->tensor = xrealloc(l->tensor, (size_t)l->cap, sizeof *l->tensor);
    }
    struct blip2_tensor *t = &l->tensor[l->n++];
    *t = (struct blip2_tensor){.rows = rows, .cols = cols, .parts = 1, .to = (const void **)to};
    return t;
}

/* [rows] floats called PREFIX.PART + end, each part a source of as many. */
static void vector(struct blip2_list *l, const float **to, int rows, const char *prefix,
                   const char *const *part, int parts, const char *end)
{
    struct blip2_tensor *t = add(l, to, rows, 1);
    t->parts = parts;
    t->rank = 1;
    t->shape[0] = rows / parts;
    for (int i = 0; i < parts; i++)
        snprintf(t->name[i], sizeof t->name[i], "%s%s%s", prefix, part[i], end);
}

/* A product [N,K] and its bias. */
static void product(struct blip2_list *l, struct linear *to, int N, int K, const char *prefix,
                    const char *const *part, int parts)
{
    struct blip2_tensor *t = add(l, &to->w, N, K);
    *to = (struct linear){.N = N, .K = K};
    t->panels = 1;
    t->parts = parts;
    t->rank = 2;
    t->shape[0] = N / parts;
    t->shape[1] = K;
    for (int i = 0; i < parts; i++)
        snprintf(t->name[i], sizeof t->name[i], "%s%s.weight", prefix, part[i]);
    vector(l, &to->bias, N, prefix, part, parts, ".bias");
}

static void one(struct blip2_list *l, struct linear *to, int N, int K, const char *prefix,
                const char *name)
{
    product(l, to, N, K, prefix, &name, 1);
}

static void norm(struct blip2_list *l, const float **w, const float **b, int D,
                 const char *prefix, const char *name)
{
    vector(l, w, D, prefix, &name, 1, ".weight");
    vector(l, b, D, prefix, &name, 1, ".bias");
}

/* [rows,cols] floats that the checkpoint has in another shape. */
static void plain(struct blip2_list *l, const float **to, int rows, int cols, const char *name,
                  int rank, const int64_t shape[4])
{
    struct blip2_tensor *t = add(l, to, rows, cols);
    t->rank = rank;
    memcpy(t->shape, shape, 4 * sizeof *shape);
    snprintf(t->name[0], sizeof t->name[0], "%s", name);
}

static void list_vit(struct blip2_list *l, struct vit *m, const struct vit_shape *s)
{
    static const char embed[] = "vision_model.embeddings.";
    int D = s->block.D, F = s->block.F, T = vit_tokens(s), in = 3 * s->patch * s->patch;
    m->shape = *s;
    m->layer = xcalloc((size_t)s->layers, sizeof *m->layer);
    plain(l, &m->class_token, D, 1, "vision_model.embeddings.class_embedding", 3,
          (int64_t[4]){1, 1, D});
    plain(l, &m->positions, T, D, "vision_model.embeddings.position_embedding", 3,
          (int64_t[4]){1, T, D});
    one(l, &m->patches, D, in, embed, "patch_embedding");
    struct blip2_tensor *t = &l->tensor[l->n - 2]; /* its weights: [D,3,patch,patch] */
    t->rank = 4;
    memcpy(t->shape, (int64_t[4]){D, 3, s->patch, s->patch}, sizeof t->shape);
    for (int i = 0; i < s->layers; i++) {
        struct block *b = &m->layer[i];
        char p[64];
        snprintf(p, sizeof p, "vision_model.encoder.layers.%d.", i);
        norm(l, &b->ln1_w, &b->ln1_b, D, p, "layer_norm1");
        one(l, &b->qkv, 3 * D, D, p, "self_attn.qkv");
        one(l, &b->out, D, D, p, "self_attn.projection");
        norm(l, &b->ln2_w, &b->ln2_b, D, p, "layer_norm2");
        one(l, &b->up, F, D, p, "mlp.fc1");
        one(l, &b->down, D, F, p, "mlp.fc2");
    }
    norm(l, &m->ln_w, &m->ln_b, D, "vision_model.", "post_layernorm");
}

static void list_look(struct blip2_list *l, struct qformer_layer *q, const struct qformer_shape *s,
                      const char *prefix)
{
    static const char *const both[] = {"crossattention.attention.key",
                                       "crossattention.attention.value"};
    one(l, &q->q, s->D, s->D, prefix, "crossattention.attention.query");
    product(l, &q->kv, 2 * s->D, s->E, prefix, both, 2);
    one(l, &q->cross, s->D, s->D, prefix, "crossattention.output.dense");
    norm(l, &q->cross_w, &q->cross_b, s->D, prefix, "crossattention.output.LayerNorm");
}

static void list_qformer(struct blip2_list *l, struct qformer *m, const struct qformer_shape *s)
{
    static const char *const self[] = {"attention.attention.query", "attention.attention.key",
                                       "attention.attention.value"};
    m->shape = *s;
    m->layer = xcalloc((size_t)s->layers, sizeof *m->layer);
    plain(l, &m->queries, s->queries, s->D, "query_tokens", 3, (int64_t[4]){1, s->queries, s->D});
    norm(l, &m->ln_w, &m->ln_b, s->D, "qformer.", "layernorm");
    for (int i = 0; i < s->layers; i++) {
        struct qformer_layer *q = &m->layer[i];
        char p[64];
        snprintf(p, sizeof p, "qformer.encoder.layer.%d.", i);
        product(l, &q->qkv, 3 * s->D, s->D, p, self, 3);
        one(l, &q->out, s->D, s->D, p, "attention.output.dense");
        norm(l, &q->ln_w, &q->ln_b, s->D, p, "attention.output.LayerNorm");
        if (i % s->every == 0)
            list_look(l, q, s, p);
        one(l, &q->up, s->F, s->D, p, "intermediate_query.dense");
        one(l, &q->down, s->D, s->F, p, "output_query.dense");
        norm(l, &q->end_w, &q->end_b, s->D, p, "output_query.LayerNorm");
    }
}

/* [V,D] without a bias. */
static void words(struct blip2_list *l, struct linear *to, int V, int D, const char *name)
{
    struct blip2_tensor *t = add(l, &to->w, V, D);
    *to = (struct linear){.N = V, .K = D};
    t->panels = 1;
    t->rank = 2;
    t->shape[0] = V;
    t->shape[1] = D;
    snprintf(t->name[0], sizeof t->name[0], "%s", name);
}

static void list_opt(struct blip2_list *l, struct optlm *m, const struct optlm_shape *s,
                     int untied)
{
    static const char decoder[] = "language_model.model.decoder.";
    static const char *const self[] = {"self_attn.q_proj", "self_attn.k_proj",
                                       "self_attn.v_proj"};
    int D = s->block.D, F = s->block.F;
    m->shape = *s;
    m->layer = xcalloc((size_t)s->layers, sizeof *m->layer);
    words(l, &m->words, s->vocab, D, BLIP2_WORDS);
    if (untied)
        words(l, &m->head, s->vocab, D, BLIP2_HEAD);
    plain(l, &m->positions, s->positions, D, "language_model.model.decoder.embed_positions.weight",
          2, (int64_t[4]){s->positions, D});
    for (int i = 0; i < s->layers; i++) {
        struct block *b = &m->layer[i];
        char p[64];
        snprintf(p, sizeof p, "%slayers.%d.", decoder, i);
        norm(l, &b->ln1_w, &b->ln1_b, D, p, "self_attn_layer_norm");
        product(l, &b->qkv, 3 * D, D, p, self, 3);
        one(l, &b->out, D, D, p, "self_attn.out_proj");
        norm(l, &b->ln2_w, &b->ln2_b, D, p, "final_layer_norm"); /* before the FFN, despite it */
        one(l, &b->up, F, D, p, "fc1");
        one(l, &b->down, D, F, p, "fc2");
    }
    norm(l, &m->ln_w, &m->ln_b, D, decoder, "final_layer_norm");
}

static void place(struct blip2_list *l, enum panel_kind kind)
{
    l->bytes = BLIP2_HEADER_BYTES;
    for (int i = 0; i < l->n; i++) {
        struct blip2_tensor *t = &l->tensor[i];
        t->at = l->bytes;
        t->bytes = t->panels ? engine_linear_bytes(t->rows, t->cols, kind)
                             : (size_t)t->rows * (size_t)t->cols * sizeof(float);
        l->bytes += (t->bytes + 63) / 64 * 64;
    }
    l->bytes += (size_t)l->n * sizeof(int64_t);
}

void blip2_tensors_list(struct blip2_list *l, struct blip2_weights *w, enum panel_kind kind,
                        int untied)
{
    *l = (struct blip2_list){0};
    list_vit(l, &w->vit, &w->shape.vit);
    list_qformer(l, &w->qformer, &w->shape.qformer);
    one(l, &w->projection, w->shape.opt.block.D, w->shape.qformer.D, "", "language_projection");
    list_opt(l, &w->opt, &w->shape.opt, untied);
    place(l, kind);
}

void blip2_tensors_release(struct blip2_list *l)
{
    free(l->tensor);
    *l = (struct blip2_list){0};
}
