/* SPDX-License-Identifier: MIT */
#include "model/blip2_shape.h"
#include "base/util.h"
#include "image/planes.h"
#include "model/config.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LAYERS_MAX 256
#define WIDTH_MAX 16384

/* A whole number of the configuration and what stands for it. */
struct number {
    const char *key;
    int *to, otherwise, lo, hi;
};

static int read_numbers(const struct config *c, const struct number *n, size_t count,
                        struct err *e)
{
    for (size_t i = 0; i < count; i++)
        if (config_int_or(n[i].to, c, n[i].key, n[i].otherwise, n[i].lo, n[i].hi, e) < 0)
            return -1;
    return 0;
}

/* An activation that is absent is the usual one. */
static int check_act(const struct config *c, const char *key, const char *want, struct err *e)
{
    return config_has(c, key) ? config_expect(c, key, want, e) : 0;
}

/* Heads must divide the width, into vectors of a length that attention computes. */
static int check_heads(const struct config *c, int width, int heads, struct err *e)
{
    if (width % heads || width / heads % 8)
        return err_set(e, "%s: %d heads for a width of %d: each must have a multiple of 8", c->path,
                       heads, width);
    return 0;
}

static int read_eps(double *eps, const struct config *c, double otherwise, struct err *e)
{
    *eps = otherwise;
    return config_has(c, "layer_norm_eps")
               ? config_double(eps, c, "layer_norm_eps", 0, 0.1, e) : 0;
}

/* An absent part is an empty one: all defaults. */
static struct config part_of(const struct config *c, const char *key)
{
    struct config part;
    if (config_sub(&part, c, key) < 0)
        part = (struct config){c->path, NULL};
    return part;
}

static int read_vit(struct vit_shape *s, const struct config *c, struct err *e)
{
    struct block_shape *b = &s->block;
    const struct number n[] = {{"hidden_size", &b->D, 1408, 8, WIDTH_MAX},
                               {"intermediate_size", &b->F, 6144, 8, 4 * WIDTH_MAX},
                               {"num_attention_heads", &b->heads, 16, 1, 1024},
                               {"num_hidden_layers", &s->layers, 39, 1, LAYERS_MAX},
                               {"image_size", &s->side, 224, 1, 1024},
                               {"patch_size", &s->patch, 14, 2, 256}};
    if (read_numbers(c, n, ARRAY_LEN(n), e) < 0 || read_eps(&b->eps, c, 1e-6, e) < 0 ||
        check_act(c, "hidden_act", "gelu", e) < 0 || check_heads(c, b->D, b->heads, e) < 0)
        return -1;
    if (s->side % s->patch || s->patch % 2)
        return err_set(e, "%s: pictures of %d pixels in patches of %d: they must divide, and be "
                       "even", c->path, s->side, s->patch);
    if (b->F % 2)
        return err_set(e, "%s: \"intermediate_size\" %d is odd", c->path, b->F);
    b->act = ENGINE_GELU;
    b->causal = 0;
    return 0;
}

static int read_qformer(struct qformer_shape *s, const struct config *c, struct err *e)
{
    const struct number n[] = {{"hidden_size", &s->D, 768, 8, WIDTH_MAX},
                               {"intermediate_size", &s->F, 3072, 8, 4 * WIDTH_MAX},
                               {"num_attention_heads", &s->heads, 12, 1, 1024},
                               {"num_hidden_layers", &s->layers, 12, 1, LAYERS_MAX},
                               {"cross_attention_frequency", &s->every, 2, 1, LAYERS_MAX}};
    if (config_flag(c, "use_qformer_text_input", 0))
        return err_set(e, "%s: \"use_qformer_text_input\" is true: that is a model for retrieval",
                       c->path);
    if (read_numbers(c, n, ARRAY_LEN(n), e) < 0 || read_eps(&s->eps, c, 1e-12, e) < 0 ||
        check_act(c, "hidden_act", "gelu", e) < 0 || check_heads(c, s->D, s->heads, e) < 0)
        return -1;
    return s->F % 2 ? err_set(e, "%s: \"intermediate_size\" %d is odd", c->path, s->F) : 0;
}

/* OPT as its 2.7b and 6.7b are; 350m puts norms elsewhere and projects. */
static int check_opt(const struct config *c, int D, struct err *e)
{
    int proj;
    if (config_has(c, "model_type") && config_expect(c, "model_type", "opt", e) < 0)
        return -1;
    if (config_int_or(&proj, c, "word_embed_proj_dim", D, 1, WIDTH_MAX, e) < 0)
        return -1;
    if (proj != D || !config_flag(c, "do_layer_norm_before", 1) ||
        config_flag(c, "_remove_final_layer_norm", 0) || !config_flag(c, "enable_bias", 1) ||
        !config_flag(c, "layer_norm_elementwise_affine", 1))
        return err_set(e, "%s: this OPT projects its words (%d for %d), or has its norms or biases "
                       "other than opt-2.7b; that is not computed here", c->path, proj, D);
    return 0;
}

static int read_opt(struct blip2_shape *s, const struct config *c, struct err *e)
{
    struct block_shape *b = &s->opt.block;
    const struct number n[] = {{"hidden_size", &b->D, 768, 8, WIDTH_MAX},
                               {"ffn_dim", &b->F, 3072, 8, 4 * WIDTH_MAX},
                               {"num_attention_heads", &b->heads, 12, 1, 1024},
                               {"num_hidden_layers", &s->opt.layers, 12, 1, LAYERS_MAX},
                               {"max_position_embeddings", &s->opt.positions, 2048, 1, 1 << 20},
                               {"bos_token_id", &s->bos, 2, 0, 1 << 20},
                               {"pad_token_id", &s->pad, 1, 0, 1 << 20}};
    if (read_numbers(c, n, ARRAY_LEN(n), e) < 0 || check_opt(c, b->D, e) < 0 ||
        check_act(c, "activation_function", "relu", e) < 0 ||
        check_heads(c, b->D, b->heads, e) < 0)
        return -1;
    if (b->F % 2)
        return err_set(e, "%s: \"ffn_dim\" %d is odd", c->path, b->F);
    s->opt.positions += OPTLM_OFFSET;
    b->eps = 1e-5; /* not in the configuration: torch's default */
    b->act = ENGINE_RELU;
    b->causal = 1;
    return 0;
}

/* Where a caption ends: generation_config.json, else the text's configuration, else a new line
 * of the published vocabulary. */
static int read_stop(struct blip2_shape *s, const struct config *text, const char *dir,
                     struct err *e)
{
    struct config g = {0};
    s->stop = 50118;
    if (config_has(text, "eos_token_id") &&
        config_int(&s->stop, text, "eos_token_id", 0, 1 << 20, e) < 0)
        return -1;
    if (!config_exists(dir, "generation_config.json"))
        return 0;
    int rc = config_open(&g, dir, "generation_config.json", e);
    if (rc == 0)
        rc = config_int_or(&s->stop, &g, "eos_token_id", s->stop, 0, 1 << 20, e);
    config_close(&g);
    return rc;
}

int blip2_shape_read(struct blip2_shape *s, const char *dir, struct err *e)
{
    struct config c = {0};
    *s = (struct blip2_shape){.opt.vocab = 0};
    int rc = config_open(&c, dir, "config.json", e);
    if (rc == 0) {
        struct config vision = part_of(&c, "vision_config"), text = part_of(&c, "text_config");
        struct config qformer = part_of(&c, "qformer_config");
        rc = config_expect(&c, "model_type", "blip-2", e) < 0 ||
             config_int_or(&s->qformer.queries, &c, "num_query_tokens", 32, 1, 1024, e) < 0 ||
             read_vit(&s->vit, &vision, e) < 0 || read_qformer(&s->qformer, &qformer, e) < 0 ||
             read_opt(s, &text, e) < 0 || read_stop(s, &text, dir, e) < 0 ? -1 : 0;
    }
    config_close(&c);
    s->qformer.E = s->vit.block.D;
    s->qformer.tokens = rc == 0 ? vit_tokens(&s->vit) : 0;
    return rc;
}

/* ---- pictures ---- */

/* {"height": 224, "width": 224} or, in old files, 224 */
static int check_size(const struct config *c, int side, struct err *e)
{
    struct config size;
    int h = side, w = side;
    if (config_sub(&size, c, "size") == 0) {
        if (config_int(&h, &size, "height", 1, 100000, e) < 0 ||
            config_int(&w, &size, "width", 1, 100000, e) < 0)
            return -1;
    } else if (config_has(c, "size")) {
        if (config_int(&h, c, "size", 1, 100000, e) < 0)
            return -1;
        w = h;
    }
    if (h != side || w != side)
        return err_set(e, "%s: pictures of %dx%d; the model's are %dx%d", c->path, w, h, side,
                       side);
    return 0;
}

static int read_prep(struct blip2_prep *p, const struct config *c, int side, struct err *e)
{
    static const char *const step[] = {"do_resize", "do_rescale", "do_normalize"};
    double factor = 1.0 / 255;
    int resample = 3;
    for (size_t i = 0; i < ARRAY_LEN(step); i++)
        if (!config_flag(c, step[i], 1))
            return err_set(e, "%s: \"%s\" is false; that step is done here", c->path, step[i]);
    if (config_flag(c, "do_center_crop", 0))
        return err_set(e, "%s: \"do_center_crop\" is true; BLIP-2 crops nothing", c->path);
    if (check_size(c, side, e) < 0 || config_int_or(&resample, c, "resample", 3, 0, 5, e) < 0)
        return -1;
    if (config_has(c, "rescale_factor") && config_double(&factor, c, "rescale_factor", 0, 1, e) < 0)
        return -1;
    if (fabs(factor * 255 - 1) > 1e-9 || (resample != 2 && resample != 3))
        return err_set(e, "%s: \"rescale_factor\" %g, \"resample\" %d; 1/255 and 2 (bilinear) or 3 "
                       "(bicubic) are computed here", c->path, factor, resample);
    p->filter = resample == 3 ? IMAGE_BICUBIC : IMAGE_BILINEAR;
    if (config_has(c, "image_mean") && config_doubles(p->mean, 3, c, "image_mean", -10, 10, e) < 0)
        return -1;
    return config_has(c, "image_std") ? config_doubles(p->std, 3, c, "image_std", 1e-3, 100, e) : 0;
}

int blip2_prep_read(struct blip2_prep *p, const char *dir, int side, struct err *e)
{
    struct config c = {0};
    int rc = 0;
    *p = (struct blip2_prep){.side = side, .filter = IMAGE_BICUBIC,
                             .mean = {0.48145466, 0.4578275, 0.40821073},
                             .std = {0.26862954, 0.26130258, 0.27577711}};
    if (config_exists(dir, "preprocessor_config.json")) {
        rc = config_open(&c, dir, "preprocessor_config.json", e);
        if (rc == 0)
            rc = read_prep(p, &c, side, e);
        config_close(&c);
    }
    image_byte_values(p->value, p->mean, p->std);
    return rc;
}

void blip2_prep_pixels(float *planes, const struct image *img, const struct blip2_prep *p)
{
    size_t plane = (size_t)p->side * (size_t)p->side;
    unsigned char *rgb = xmalloc(3 * plane);
    image_resize(rgb, p->side, p->side, img, p->filter);
    image_planes(planes, rgb, plane, p->value);
    free(rgb);
}
