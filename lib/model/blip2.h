/* SPDX-License-Identifier: MIT */
/* Pictures to captions: BLIP-2 with OPT (Li et al., "BLIP-2: Bootstrapping Language-Image
 * Pre-training with Frozen Image Encoders and Large Language Models"), as transformers'
 * Blip2ForConditionalGeneration computes it, over its safetensors.
 *
 *     struct blip2_options o = {BLIP2_DEFAULTS, .threads = 2};
 *     struct blip2 *m = blip2_open("models/blip2-opt-2.7b", &o, &e);
 *     for (int i = 0; i < n; i++)
 *         blip2_picture(m, i, &image[i]);             // n <= o.batch
 *     if (blip2_run(m, n) == 0)
 *         puts(blip2_caption(m, 0)->text.data);
 *     blip2_close(m);
 *
 * A caption depends on its picture alone: the same for any batch and any number of threads. All
 * threads work on one batch; the functions are for one caller at a time.
 */
#ifndef MM_MODEL_BLIP2_H
#define MM_MODEL_BLIP2_H
#include "base/buf.h"
#include "image/decode.h"
#include "model/blip2_shape.h"

#define BLIP2_VERSION 1 /* of the arithmetic and of the text: part of a caption's identity */

struct blip2_options {
    enum engine_precision precision; /* of the weights; see nn/panel.h */
    int threads, batch;            /* pictures at a time */
    int beams;                     /* 1: greedy */
    int max_new, min_new;          /* tokens of a caption, the end counted */
    double length_penalty;
    const char *prompt;            /* "Question: ... Answer:", or "" */
    int (*stop)(void);             /* non-zero: give up the present batch; or NULL */
    /* Hears of long steps of opening; non-zero ends them. */
    int (*tell)(void *ctx, const char *what, uint64_t done, uint64_t total);
    void *tell_ctx;
};
/* Those of transformers. LAVIS, whose authors made the model, has 5 beams and 30 tokens. */
#define BLIP2_DEFAULTS \
    .precision = ENGINE_BF16, .batch = 8, .beams = 1, .max_new = 20, .min_new = 0, \
    .length_penalty = 1, .prompt = ""

struct blip2;

/* NULL with e: files are missing, damaged or of another model, or there is not enough memory,
 * all before any picture is read. */
struct blip2 *blip2_open(const char *dir, const struct blip2_options *o,
                         struct err *e) MM_MUST_CHECK;
void blip2_close(struct blip2 *m); /* NULL is accepted */

/* SHA-256 [32] over weights, tokenizer and configuration: what beside the options decides a
 * caption. */
const unsigned char *blip2_digest(const struct blip2 *m);
/* Bytes that the model takes: the mapped weights and all else. From dir's configuration alone. */
int blip2_needs(uint64_t *bytes, const char *dir, const struct blip2_options *o,
                struct err *e) MM_MUST_CHECK;
const char *blip2_arithmetic(const struct blip2_options *o); /* "avx512f, bf16 weights" */
/* Whether dir is there to be opened: 1, 0, or -1 with e for a part of it, or a config.json that
 * cannot be used. */
int blip2_there(const char *dir, enum engine_precision precision, struct err *e) MM_MUST_CHECK;
/* The digest without opening anything large. 1: unknown until the weights are hashed. */
int blip2_identity(unsigned char digest[32], const char *dir, enum engine_precision precision,
                   struct err *e) MM_MUST_CHECK;

/* Makes the picture number i of the next run. From any thread, each i by one. */
void blip2_picture(struct blip2 *m, int i, const struct image *img);

struct blip2_caption {
    struct buf text;   /* as it reads, without blanks at either end; may be empty */
    const int *ids;    /* [n_ids], without the end */
    int n_ids;
    int ended;         /* 0: cut off at max_new */
    int circles;       /* 1: says the same again and again */
};

/* Where the last run's time went. */
struct blip2_times {
    double tower_s, prompt_s, words_s; /* pictures to vectors; prompts; the tokens after */
    int steps;                         /* of words */
};
struct blip2_times blip2_times(const struct blip2 *m);

/* Captions of pictures 0..n-1, 1 <= n <= batch. -1: stop said so; nothing is there. */
int blip2_run(struct blip2 *m, int n) MM_MUST_CHECK;
/* Of the last run; valid until the next. */
const struct blip2_caption *blip2_caption(const struct blip2 *m, int i);

#endif
