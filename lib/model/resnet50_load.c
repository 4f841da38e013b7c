/* SPDX-License-Identifier: MIT */
#include "model/resnet50_load.h"
#include "base/util.h"
#include "model/config.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EPS 1e-5 /* of every batch norm, in torchvision, timm and Hugging Face alike */
#define WIDEST 8192
#define NAME 128

/* ---- names ---- */

/* The part before "weight" of a convolution, or (norm) of its batch norm. */
static void name_of(char out[NAME], const struct resnet50_file *f, const struct resnet50_place *at,
                    int norm)
{
    const char *kind = norm ? "normalization" : "convolution";
    int s = at->stage, b = at->block, i = at->conv;
    if (f->hf && i == RESNET50_STEM)
        snprintf(out, NAME, "%sembedder.embedder.%s.", f->prefix, kind);
    else if (f->hf && i == RESNET50_SHORTCUT)
        snprintf(out, NAME, "%sencoder.stages.%d.layers.%d.shortcut.%s.", f->prefix, s, b, kind);
    else if (f->hf)
        snprintf(out, NAME, "%sencoder.stages.%d.layers.%d.layer.%d.%s.", f->prefix, s, b, i - 1,
                 kind);
    else if (i == RESNET50_STEM)
        snprintf(out, NAME, "%s1.", norm ? "bn" : "conv");
    else if (i == RESNET50_SHORTCUT)
        snprintf(out, NAME, "layer%d.%d.downsample.%d.", s + 1, b, norm);
    else
        snprintf(out, NAME, "layer%d.%d.%s%d.", s + 1, b, norm ? "bn" : "conv", i);
}

static const struct st_tensor *find(const struct resnet50_file *f, const struct resnet50_place *at,
                                    char name[NAME + 16], int norm, const char *part)
{
    name_of(name, f, at, norm);
    strcat(name, part); /* room for the longest, "running_mean" */
    return safetensors_find(f->st, name);
}

int resnet50_kernel(const struct resnet50_place *at)
{
    return at->conv == RESNET50_STEM ? 7 : at->conv == 2 ? 3 : 1;
}

int resnet50_file_has(const struct resnet50_file *f, const struct resnet50_place *at)
{
    char name[NAME + 16];
    return find(f, at, name, 0, "weight") != NULL;
}

/* ---- what kind of network ---- */

static int optional_string(const struct config *c, const char *key, const char *want,
                           struct err *e)
{
    return config_has(c, key) ? config_expect(c, key, want, e) : 0;
}

/* timm keeps networks with other poolings under the same tensor names: only those are taken
 * that are known to be plain. */
static int check_timm(const struct config *c, struct err *e)
{
    static const char *const plain[] = {
        "resnet26", "resnet50", "resnet101", "resnet152", "tv_resnet50", "tv_resnet101",
        "tv_resnet152", "ssl_resnet50", "swsl_resnet50", "gluon_resnet50_v1b",
        "gluon_resnet101_v1b", "gluon_resnet152_v1b", "wide_resnet50_2", "wide_resnet101_2",
    };
    const char *found = config_string(c, "architecture");
    size_t i = 0;
    while (i < ARRAY_LEN(plain) && strcmp(found ? found : "", plain[i]) != 0)
        i++;
    if (i == ARRAY_LEN(plain))
        return err_set(e, "%s: \"architecture\" is \"%.60s\"; this encoder computes resnet50 and "
                       "its like", c->path, found ? found : "(no text)");
    if (config_count(c, "model_args") > 0)
        return err_set(e, "%s: \"model_args\" changes the network; this encoder computes %s as it "
                       "is", c->path, found);
    return 0;
}

static int check_kind(const struct config *c, struct err *e)
{
    static const char *const flag[] = {"downsample_in_first_stage", "downsample_in_bottleneck"};
    if (!config_has(c, "model_type"))
        return config_has(c, "architecture") ? check_timm(c, e) : 0;
    if (config_expect(c, "model_type", "resnet", e) < 0 ||
        optional_string(c, "layer_type", "bottleneck", e) < 0 ||
        optional_string(c, "hidden_act", "relu", e) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(flag); i++)
        if (config_flag(c, flag[i], 0))
            return err_set(e, "%s: \"%s\" is true; this encoder has its strides elsewhere",
                           c->path, flag[i]);
    return 0;
}

static int expect_int(const struct config *c, const char *key, int found, int tensors,
                      struct err *e)
{
    if (found == tensors)
        return 0;
    return err_set(e, "%s: \"%s\" says %d; the weights have %d", c->path, key, found, tensors);
}

/* What config.json of Hugging Face says of sizes, against those of the tensors. */
static int check_sizes(const struct config *c, const struct resnet50_file *f, int stem,
                       struct err *e)
{
    int n, depth[RESNET50_STAGES], width[RESNET50_STAGES];
    if (!config_has(c, "model_type"))
        return 0;
    if (config_has(c, "embedding_size") &&
        (config_int(&n, c, "embedding_size", 1, WIDEST, e) < 0 ||
         expect_int(c, "embedding_size", n, stem, e) < 0))
        return -1;
    if (config_has(c, "depths") &&
        config_ints(depth, f->stages, c, "depths", 1, RESNET50_BLOCKS, e) < 0)
        return -1;
    if (config_has(c, "hidden_sizes") &&
        config_ints(width, f->stages, c, "hidden_sizes", 1, WIDEST, e) < 0)
        return -1;
    for (int s = 0; s < f->stages; s++)
        if ((config_has(c, "depths") && expect_int(c, "depths", depth[s], f->depth[s], e) < 0) ||
            (config_has(c, "hidden_sizes") &&
             expect_int(c, "hidden_sizes", width[s], f->width[s], e) < 0))
            return -1;
    return 0;
}

/* ---- opening ---- */

static int find_style(struct resnet50_file *f, struct err *e)
{
    static const struct {
        const char *prefix;
        int hf;
    } style[] = {{"resnet.", 1}, {"", 1}, {"", 0}};
    const struct resnet50_place stem = {0, 0, RESNET50_STEM};
    for (size_t i = 0; i < ARRAY_LEN(style); i++) {
        f->prefix = style[i].prefix;
        f->hf = style[i].hf;
        if (resnet50_file_has(f, &stem))
            return 0;
    }
    return err_set(e, "%s: no ResNet: neither conv1.weight nor "
                   "embedder.embedder.convolution.weight among its %zu tensors", f->path,
                   safetensors_count(f->st));
}

static int count_blocks(struct resnet50_file *f, struct err *e)
{
    int total = 0;
    for (int s = 0; s < RESNET50_STAGES; s++) {
        struct resnet50_place at = {s, 0, 1};
        for (; total <= RESNET50_BLOCKS && resnet50_file_has(f, &at); at.block++, total++)
            f->depth[s]++;
        if (f->depth[s] == 0)
            break;
        f->stages++;
    }
    if (total > RESNET50_BLOCKS)
        return err_set(e, "%s: more than %d blocks", f->path, RESNET50_BLOCKS);
    if (total == 0)
        return err_set(e, "%s: a stem but no blocks", f->path);
    f->used = xcalloc((size_t)(total * 4 + 1) * 5, sizeof(const struct st_tensor *));
    return 0;
}

int resnet50_file_open(struct resnet50_file *f, const char *dir, struct err *e)
{
    struct config c;
    int rc = 0;
    if (config_exists(dir, "config.json")) {
        rc = config_open(&c, dir, "config.json", e);
        if (rc == 0)
            rc = check_kind(&c, e);
        config_close(&c);
    }
    if (rc < 0)
        return -1;
    f->path = xasprintf("%s/model.safetensors", dir);
    f->st = safetensors_open(f->path, e);
    if (!f->st || find_style(f, e) < 0)
        return -1;
    return count_blocks(f, e);
}

void resnet50_file_close(struct resnet50_file *f)
{
    safetensors_close(f->st);
    free(f->path);
    free(f->used);
    f->st = NULL;
    f->path = NULL;
    f->used = NULL;
}

/* ---- weights ---- */

static int load(float *out, struct resnet50_file *f, const struct resnet50_place *at, int norm,
                const char *part, int rank, const int64_t *shape, struct err *e)
{
    char name[NAME + 16];
    f->used[f->n_used++] = find(f, at, name, norm, part);
    return safetensors_load(out, f->st, name, rank, shape, e);
}

/* Shape [out,in_c,k,k] of the convolution's tensor, with *out read off it. */
static int shape_of(int64_t shape[4], const struct resnet50_file *f,
                    const struct resnet50_place *at, int in_c, struct err *e)
{
    char name[NAME + 16];
    const struct st_tensor *t = find(f, at, name, 0, "weight");
    int k = resnet50_kernel(at);
    if (!t && at->conv == 3)
        return err_set(e, "%s: no tensor %s; this encoder computes blocks of three convolutions, "
                       "not the basic ones of two", f->path, name);
    if (!t)
        return err_set(e, "%s: no tensor %s", f->path, name);
    if (t->rank != 4 || t->shape[2] != k || t->shape[3] != k)
        return err_set(e, "%s: %s is no convolution of %d x %d", f->path, name, k, k);
    if (t->shape[1] != in_c)
        return err_set(e, "%s: %s reads %lld channels, of %d%s", f->path, name,
                       (long long)t->shape[1], in_c,
                       t->shape[1] < in_c ? "; this encoder computes no grouped convolutions" : "");
    int least = at->conv == RESNET50_STEM ? 1024 : WIDEST;
    if (t->shape[0] < 1 || t->shape[0] > least || t->shape[0] == 3)
        return err_set(e, "%s: %s makes %lld channels; expected 1 to %d and not 3", f->path, name,
                       (long long)t->shape[0], least);
    memcpy(shape, t->shape, 4 * sizeof *shape);
    return 0;
}

/* y = gamma (x - mean) / sqrt(var + eps) + beta (Ioffe and Szegedy, "Batch Normalization")
 * becomes part of w [n,row] and bias [n]; v holds gamma, beta, mean, var [4,n]. */
static int fold(float *w, float *bias, const float *v, size_t n, size_t row)
{
    for (size_t o = 0; o < n; o++) {
        double gamma = (double)v[o], beta = (double)v[n + o], mean = (double)v[2 * n + o];
        double var = (double)v[3 * n + o], g = gamma / sqrt(var + EPS);
        bias[o] = (float)(beta - mean * g);
        if (var < 0 || !isfinite(bias[o]))
            return -1;
        for (size_t i = 0; i < row; i++) {
            w[o * row + i] = (float)((double)w[o * row + i] * g);
            if (!isfinite(w[o * row + i]))
                return -1;
        }
    }
    return 0;
}

int resnet50_file_conv(float **w, float **bias, int *out_c, struct resnet50_file *f,
                       const struct resnet50_place *at, int in_c, struct err *e)
{
    static const char *const part[] = {"weight", "bias", "running_mean", "running_var"};
    int64_t shape[4];
    if (shape_of(shape, f, at, in_c, e) < 0)
        return -1;
    size_t n = (size_t)shape[0], row = (size_t)(shape[1] * shape[2] * shape[3]);
    float *v = xmalloc(4 * n * sizeof *v);
    *w = xmalloc(n * row * sizeof **w);
    *bias = xmalloc(n * sizeof **bias);
    *out_c = (int)n;
    int rc = load(*w, f, at, 0, "weight", 4, shape, e);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(part); i++)
        rc = load(v + i * n, f, at, 1, part[i], 1, shape, e);
    if (rc == 0 && fold(*w, *bias, v, n, row) < 0) {
        char name[NAME];
        name_of(name, f, at, 1);
        rc = err_set(e, "%s: %s: the variance is negative, or the scale is beyond a float32",
                     f->path, name);
    }
    free(v);
    return rc;
}

/* ---- afterwards ---- */

/* The classifier, and the counters of training. */
static int is_unneeded(const char *name)
{
    const char *dot = strrchr(name, '.');
    return (dot && strcmp(dot, ".num_batches_tracked") == 0) || strncmp(name, "fc.", 3) == 0 ||
           strncmp(name, "classifier.", 11) == 0;
}

static int is_used(const struct resnet50_file *f, const struct st_tensor *t)
{
    for (int i = 0; i < f->n_used; i++)
        if (f->used[i] == t)
            return 1;
    return 0;
}

int resnet50_file_check(const struct resnet50_file *f, int stem, struct err *e)
{
    const char *slash = strrchr(f->path, '/');
    char *dir = xasprintf("%.*s", (int)(slash - f->path), f->path);
    struct config c;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < safetensors_count(f->st); i++) {
        const struct st_tensor *t = safetensors_at(f->st, i);
        if (!is_unneeded(t->name) && !is_used(f, t))
            rc = err_set(e, "%s: tensor %.100s belongs to another network than this encoder "
                         "computes", f->path, t->name);
    }
    if (rc == 0 && config_exists(dir, "config.json")) {
        rc = config_open(&c, dir, "config.json", e);
        if (rc == 0)
            rc = check_sizes(&c, f, stem, e);
        config_close(&c);
    }
    free(dir);
    return rc;
}
