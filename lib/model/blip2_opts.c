/* SPDX-License-Identifier: MIT */
#include "model/blip2_opts.h"
#include "base/sha256.h"
#include "base/util.h"
#include "db/db.h"
#include "db/models.h"
#include "db/setting.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

const struct blip2_given blip2_given_none = {.beams = -1, .tokens = -1, .min_tokens = -1,
                                             .batch = -1, .penalty = -1e9};

static int remember_int(struct db *db, const char *name, int64_t value, struct err *e)
{
    char number[32];
    snprintf(number, sizeof number, "%lld", (long long)value);
    return value < 0 ? 0 : setting_change(db, name, number, e);
}

/* A folder is remembered by its full path: the next make may run elsewhere. */
static int remember_folder(struct db *db, const char *value, struct err *e)
{
    if (!value || strcmp(value, "auto") == 0)
        return value ? setting_change(db, "BLIP2_MODEL", value, e) : 0;
    char *path = realpath(value, NULL);
    if (!path)
        return err_set(e, "%s: %s", value, strerror(errno));
    int rc = setting_change(db, "BLIP2_MODEL", path, e);
    free(path);
    return rc;
}

int blip2_remember(struct db *db, const struct blip2_given *g, struct err *e)
{
    char number[40];
    snprintf(number, sizeof number, "%.17g", g->penalty);
    if (remember_folder(db, g->model, e) < 0 ||
        remember_int(db, "CAPTION_BEAMS", g->beams, e) < 0 ||
        remember_int(db, "CAPTION_TOKENS", g->tokens, e) < 0 ||
        remember_int(db, "CAPTION_MIN_TOKENS", g->min_tokens, e) < 0 ||
        (g->penalty > -100 && setting_change(db, "CAPTION_PENALTY", number, e) < 0) ||
        (g->prompt && setting_change(db, "CAPTION_PROMPT", g->prompt, e) < 0) ||
        (g->precision && setting_change(db, "CAPTION_PRECISION", g->precision, e) < 0))
        return -1;
    return 0;
}

char *blip2_folder(struct db *db, const struct blip2_given *g)
{
    char *own = g->model && strcmp(g->model, "auto") ? xstrdup(g->model)
                : db ? models_own(db, "BLIP2_MODEL") : NULL;
    if (own)
        return own;
    char *models = models_folder(db), *dir = xasprintf("%s/blip2-opt-2.7b", models);
    free(models);
    return dir;
}

static int number_of(struct db *db, const char *name, int64_t given, int otherwise)
{
    return given >= 0 ? (int)given : db ? setting_int(db, name) : otherwise;
}

static char *text_of(struct db *db, const char *name, const char *given, const char *otherwise)
{
    return given ? xstrdup(given) : db ? setting_value(db, name) : xstrdup(otherwise);
}

int blip2_options_of(struct blip2_options *o, char **prompt, struct db *db,
                     const struct blip2_given *g, struct err *e)
{
    *o = (struct blip2_options){BLIP2_DEFAULTS};
    *prompt = text_of(db, "CAPTION_PROMPT", g->prompt, "");
    char *precision = text_of(db, "CAPTION_PRECISION", g->precision, "bf16");
    char *penalty = db ? setting_value(db, "CAPTION_PENALTY") : xstrdup("1");
    int rc = engine_precision_of(&o->precision, precision) < 0
                 ? err_set(e, "precision '%s' is not f32, bf16 or int8", precision)
                 : parse_double(&o->length_penalty, penalty, -10, 10, e);
    o->prompt = *prompt;
    o->beams = number_of(db, "CAPTION_BEAMS", g->beams, o->beams);
    o->max_new = number_of(db, "CAPTION_TOKENS", g->tokens, o->max_new);
    o->min_new = number_of(db, "CAPTION_MIN_TOKENS", g->min_tokens, o->min_new);
    if (g->penalty > -100)
        o->length_penalty = g->penalty;
    if (g->batch > 0)
        o->batch = (int)g->batch;
    free(precision);
    free(penalty);
    return rc;
}

void blip2_params(struct buf *out, const struct blip2_options *o, const unsigned char digest[32])
{
    char hex[SHA256_HEX];
    sha256_hex(hex, digest);
    buf_addf(out, "{\"model\":\"%s\",\"precision\":\"%s\",\"beams\":%d,\"tokens\":%d,"
             "\"min_tokens\":%d,\"penalty\":%.17g,\"prompt\":", hex,
             engine_precision_name(o->precision), o->beams, o->max_new, o->min_new,
             o->beams > 1 ? o->length_penalty : 1);
    buf_json(out, o->prompt, strlen(o->prompt));
    buf_addc(out, '}');
}
