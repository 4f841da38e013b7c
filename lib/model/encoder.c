/* SPDX-License-Identifier: MIT */
#include "model/encoder.h"
#include "base/buf.h"
#include "base/sha256.h"
#include "base/util.h"
#include "image/descriptor.h"
#include "model/config.h"
#include "model/hashtext.h"
#include "model/minilm.h"
#include "model/resnet50.h"
#include "nn/safetensors.h"
#include <stdlib.h>
#include <string.h>

struct network;

struct encoder {
    const struct network *net;
    void *self; /* of the network; NULL for what needs no files */
    int dim;
    struct buf params, note;
};

/* Functions that a kind of network does not need are NULL. */
struct network {
    enum encoder_kind kind;
    const char *name;   /* of TEXT_ENCODER or IMAGE_ENCODER */
    const char *folder; /* below the folder of models; NULL: no files needed */
    int version, dim;   /* dim 0: the files say */
    const char *what;   /* for people */
    void *(*open)(struct encoder *en, const char *dir, const struct encoder_wish *wish,
                  struct err *e);
    void (*close)(void *self);
    void *(*scratch_new)(const void *self);
    void (*scratch_free)(void *scratch);
    void (*texts)(float *const *out, const char *const *texts, const size_t *lengths, int n,
                  const void *self, void *scratch);
    int (*ids)(int **ids, const char *text, size_t n, const void *self);
    void (*image)(float *out, const struct image *img, const void *self, void *scratch);
};

/* Identity and note of a network with weights. */
static void describe(struct encoder *en, const struct encoder_wish *w,
                     const unsigned char *digest, const char *more)
{
    char hex[SHA256_HEX];
    sha256_hex(hex, digest);
    buf_addf(&en->params, "{\"model\":\"%s\",\"precision\":\"%s\"}", hex,
             w->precision == GEMM_BF16 ? "bf16" : "f32");
    buf_addf(&en->note, "%s, model %.12s, %s", more, hex,
             gemm_describe(w->backend, w->precision));
}

/* ---- MiniLM ---- */

static void *minilm_start(struct encoder *en, const char *dir, const struct encoder_wish *w,
                          struct err *e)
{
    struct minilm *m = minilm_open(dir, w->precision, w->backend, e);
    if (m) {
        en->dim = minilm_dim(m);
        describe(en, w, minilm_digest(m), en->net->what);
    }
    return m;
}

static void minilm_stop(void *self)
{
    minilm_close(self);
}

static void *minilm_room(const void *self)
{
    return minilm_scratch_new(self);
}

static void minilm_room_free(void *scratch)
{
    minilm_scratch_free(scratch);
}

static void minilm_texts(float *const *out, const char *const *texts, const size_t *lengths,
                         int n, const void *self, void *scratch)
{
    minilm_encode(out, texts, lengths, n, self, scratch);
}

static int minilm_tokens(int **ids, const char *text, size_t n, const void *self)
{
    *ids = xcalloc((size_t)minilm_max_tokens(self), sizeof **ids);
    return minilm_ids(*ids, self, text, n);
}

/* ---- ResNet-50 ---- */

static void *resnet_start(struct encoder *en, const char *dir, const struct encoder_wish *w,
                          struct err *e)
{
    struct resnet50 *m = resnet50_open(dir, w->precision, w->backend, e);
    if (m) {
        char *what = xasprintf("%s, %s", en->net->what, resnet50_preprocessing(m));
        en->dim = resnet50_dim(m);
        describe(en, w, resnet50_digest(m), what);
        free(what);
    }
    return m;
}

static void resnet_stop(void *self)
{
    resnet50_close(self);
}

static void *resnet_room(const void *self)
{
    return resnet50_scratch_new(self);
}

static void resnet_room_free(void *scratch)
{
    resnet50_scratch_free(scratch);
}

static void resnet_image(float *out, const struct image *img, const void *self, void *scratch)
{
    resnet50_encode(out, img, self, scratch);
}

/* ---- built in ---- */

static void hash_texts(float *const *out, const char *const *texts, const size_t *lengths, int n,
                       const void *self, void *scratch)
{
    (void)self, (void)scratch;
    for (int i = 0; i < n; i++)
        hashtext_of(out[i], texts[i], lengths[i]);
}

static void describe_image(float *out, const struct image *img, const void *self, void *scratch)
{
    (void)self, (void)scratch;
    descriptor_of(out, img);
}

/* Best first. */
static const struct network table[] = {
    {ENCODER_TEXT, "minilm", "all-MiniLM-L6-v2", MINILM_VERSION, 0, "sentence vectors (MiniLM)",
     minilm_start, minilm_stop, minilm_room, minilm_room_free, minilm_texts, minilm_tokens, NULL},
    {ENCODER_TEXT, "hash", NULL, HASHTEXT_VERSION, HASHTEXT_DIM, "hashed words and n-grams", NULL,
     NULL, NULL, NULL, hash_texts, NULL, NULL},
    {ENCODER_IMAGE, "resnet50", "resnet-50", RESNET50_VERSION, 0, "photo features (ResNet-50)",
     resnet_start, resnet_stop, resnet_room, resnet_room_free, NULL, NULL, resnet_image},
    {ENCODER_IMAGE, "descriptor", NULL, DESCRIPTOR_VERSION, DESCRIPTOR_DIM,
     "colour and gradient descriptor", NULL, NULL, NULL, NULL, NULL, NULL, describe_image},
};

/* ---- choice ---- */

static struct encoder *start(const struct network *net, const char *dir,
                             const struct encoder_wish *wish, struct err *e)
{
    struct encoder *en = xcalloc(1, sizeof *en);
    en->net = net;
    en->dim = net->dim;
    if (!net->open) {
        buf_adds(&en->params, "{}");
        buf_adds(&en->note, net->what);
    } else if (!(en->self = net->open(en, dir, wish, e))) {
        encoder_close(en);
        return NULL;
    }
    return en;
}

static const char *variable(enum encoder_kind kind)
{
    return kind == ENCODER_TEXT ? "TEXT_ENCODER" : "IMAGE_ENCODER";
}

/* The row of that name and kind; a sentence naming those there are. */
static const struct network *find(const struct encoder_wish *wish, struct err *e)
{
    struct buf names = {0};
    const struct network *found = NULL;
    for (size_t i = 0; !found && i < ARRAY_LEN(table); i++) {
        if (table[i].kind != wish->kind)
            continue;
        if (strcmp(wish->name, table[i].name) == 0)
            found = &table[i];
        buf_addf(&names, ", %s", table[i].name);
    }
    if (!found)
        err_set(e, "%s=%s: no such encoder; there are auto%s", variable(wish->kind), wish->name,
                buf_str(&names));
    buf_release(&names);
    return found;
}

/* The first that needs no files or whose files are there. */
static struct encoder *start_best(const struct encoder_wish *wish, struct err *e)
{
    struct buf lacks = {0};
    struct encoder *en = NULL;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        const struct network *net = &table[i];
        if (net->kind != wish->kind || (wish->dir && !net->open))
            continue;
        char *dir = net->folder ? xasprintf("%s/%s", wish->models, net->folder) : NULL;
        const char *from = wish->dir ? wish->dir : dir;
        if (net->open && !wish->dir && !config_exists(from, "model.safetensors")) {
            buf_addf(&lacks, "; stands in for %s, whose weights are not in %s (make models)",
                     net->name, from);
            free(dir);
            continue;
        }
        en = start(net, from, wish, e);
        free(dir);
        break;
    }
    if (en && lacks.len)
        buf_adds(&en->note, buf_str(&lacks));
    buf_release(&lacks);
    return en;
}

struct encoder *encoder_open(const struct encoder_wish *wish, struct err *e)
{
    if (strcmp(wish->name, "auto") == 0)
        return start_best(wish, e);
    const struct network *net = find(wish, e);
    if (!net)
        return NULL;
    if (!net->open)
        return start(net, NULL, wish, e);
    char *dir = xasprintf("%s/%s", wish->models, net->folder);
    const char *from = wish->dir ? wish->dir : dir;
    struct encoder *en = NULL;
    if (config_exists(from, "model.safetensors"))
        en = start(net, from, wish, e);
    else
        err_set(e, "%s=%s: no model.safetensors in %s; 'make models' fetches it, '--model DIR' "
                "names another folder", variable(wish->kind), wish->name, from);
    free(dir);
    return en;
}

void encoder_close(struct encoder *en)
{
    if (!en)
        return;
    if (en->self)
        en->net->close(en->self);
    buf_release(&en->params);
    buf_release(&en->note);
    free(en);
}

int encoder_kind_of(enum encoder_kind *kind, const char *dir, struct err *e)
{
    struct config c = {0};
    int rc = 0;
    if (config_exists(dir, "config.json")) {
        rc = config_open(&c, dir, "config.json", e);
        const char *type = rc == 0 ? config_string(&c, "model_type") : NULL;
        if (rc == 0 && !type)
            type = config_string(&c, "architecture");
        if (type && strcmp(type, "bert") == 0)
            *kind = ENCODER_TEXT;
        else if (type && strncmp(type, "resnet", 6) == 0)
            *kind = ENCODER_IMAGE;
        else if (rc == 0)
            rc = err_set(e, "%s: model_type is \"%.60s\"; bert and resnet can be computed",
                         c.path, type ? type : "(absent)");
        config_close(&c);
        return rc;
    }
    char *path = xasprintf("%s/model.safetensors", dir);
    struct safetensors *st = safetensors_open(path, e);
    if (!st)
        rc = -1;
    else
        *kind = safetensors_find(st, "conv1.weight") ? ENCODER_IMAGE : ENCODER_TEXT;
    safetensors_close(st);
    free(path);
    return rc;
}

/* ---- use ---- */

const char *encoder_name(const struct encoder *en)
{
    return en->net->name;
}

int encoder_version(const struct encoder *en)
{
    return en->net->version;
}

int encoder_dim(const struct encoder *en)
{
    return en->dim;
}

const char *encoder_params(const struct encoder *en)
{
    return buf_str(&en->params);
}

const char *encoder_note(const struct encoder *en)
{
    return buf_str(&en->note);
}

void *encoder_scratch_new(const struct encoder *en)
{
    return en->net->scratch_new ? en->net->scratch_new(en->self) : NULL;
}

void encoder_scratch_free(const struct encoder *en, void *scratch)
{
    if (scratch)
        en->net->scratch_free(scratch);
}

void encoder_texts(float *const *out, const char *const *texts, const size_t *lengths, int n,
                   const struct encoder *en, void *scratch)
{
    en->net->texts(out, texts, lengths, n, en->self, scratch);
}

int encoder_has_ids(const struct encoder *en)
{
    return en->net->ids != NULL;
}

int encoder_ids(int **ids, const char *text, size_t n, const struct encoder *en)
{
    return en->net->ids(ids, text, n, en->self);
}

void encoder_image(float *out, const struct image *img, const struct encoder *en, void *scratch)
{
    en->net->image(out, img, en->self, scratch);
}
