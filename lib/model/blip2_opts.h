/* SPDX-License-Identifier: MIT */
/* The options of a tool that runs BLIP-2, the settings they become, and what is opened by them.
 *
 *     struct blip2_given g = blip2_given_none;
 *     const struct opt_def defs[] = {BLIP2_OPTS(g), {0}};
 *     ... blip2_remember(db, &g, &e) ...
 *     char *dir = blip2_folder(db, &g);
 *     blip2_options_of(&o, &prompt, db, &g, &e);
 *     struct blip2 *m = blip2_open(dir, &o, &e);
 *
 * With db NULL there are no settings: what is not given has its default.
 */
#ifndef MM_MODEL_BLIP2_OPTS_H
#define MM_MODEL_BLIP2_OPTS_H
#include "base/opts.h"
#include "model/blip2.h"

struct db;

struct blip2_given {
    const char *model;     /* folder */
    const char *precision, *prompt;
    int64_t beams, tokens, min_tokens, batch;
    double penalty;
};
extern const struct blip2_given blip2_given_none;

#define BLIP2_OPTS(g) \
    {"beams", OPT_INT, &(g).beams, 1, 64, "N", "blip2: of its search, 1 = greedy (default 1)"}, \
    {"tokens", OPT_INT, &(g).tokens, 1, 500, "N", "blip2: of a caption at most (default 20)"}, \
    {"min-tokens", OPT_INT, &(g).min_tokens, 0, 500, "N", "blip2: before it may end (0)"}, \
    {"penalty", OPT_DOUBLE, &(g).penalty, -10, 10, "X", "blip2: of a beam's length (1)"}, \
    {"prompt", OPT_STRING, &(g).prompt, 0, 0, "TEXT", "blip2: asked of every photo"}, \
    {"precision", OPT_STRING, &(g).precision, 0, 0, "NAME", "blip2: f32, bf16 (default) or int8"}, \
    {"batch", OPT_INT, &(g).batch, 1, 256, "N", "blip2: photos at a time (default 8)"}

/* What was given becomes settings; batch is not one, for no caption depends on it. */
int blip2_remember(struct db *db, const struct blip2_given *g, struct err *e) MM_MUST_CHECK;

/* The folder of the model; the caller frees. */
char *blip2_folder(struct db *db, const struct blip2_given *g);

/* Only what the options and settings say: no files are looked at. *prompt is what o->prompt
 * points to, the caller frees it. -1: a precision of another name. */
int blip2_options_of(struct blip2_options *o, char **prompt, struct db *db,
                     const struct blip2_given *g, struct err *e) MM_MUST_CHECK;

/* JSON of what decides a caption, for table method. */
void blip2_params(struct buf *out, const struct blip2_options *o,
                  const unsigned char digest[32]);

#endif
