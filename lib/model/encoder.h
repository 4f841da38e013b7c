/* SPDX-License-Identifier: MIT */
/* The encoders that mm-embed can run, one line each in encoder.c: texts to vectors, photos to
 * vectors.
 *
 *     struct encoder_wish wish = {ENCODER_TEXT, "auto", "models", NULL, GEMM_F32, GEMM_AUTO};
 *     struct encoder *en = encoder_open(&wish, &e);
 *     void *scratch = encoder_scratch_new(en);              // one a thread
 *     encoder_texts(out, texts, lengths, n, en, scratch);   // out [n][encoder_dim(en)]
 *
 * A new network is one file and one line there. "auto" takes the first whose files are there
 * and says in the note what was not; files that are there but damaged are an error.
 */
#ifndef MM_MODEL_ENCODER_H
#define MM_MODEL_ENCODER_H
#include "base/err.h"
#include "image/decode.h"
#include "nn/gemm.h"

enum encoder_kind { ENCODER_TEXT, ENCODER_IMAGE };

struct encoder_wish {
    enum encoder_kind kind;
    const char *name;   /* of TEXT_ENCODER or IMAGE_ENCODER, or "auto" */
    const char *models; /* folder with a folder per model */
    const char *dir;    /* the user's own folder instead, or NULL */
    enum gemm_precision precision;
    enum gemm_backend backend;
};

struct encoder;

/* NULL with e: no such encoder, its files are not there (named, not auto) or are damaged. */
struct encoder *encoder_open(const struct encoder_wish *wish, struct err *e) MM_MUST_CHECK;
void encoder_close(struct encoder *en);

const char *encoder_name(const struct encoder *en); /* "minilm", static */
int encoder_version(const struct encoder *en);      /* of the algorithm */
int encoder_dim(const struct encoder *en);          /* floats a vector */
/* JSON: what beside name and version decides a vector (digest of the weights, precision). */
const char *encoder_params(const struct encoder *en);
/* For people: what it is, on what it computes, what it stands in for. */
const char *encoder_note(const struct encoder *en);

void *encoder_scratch_new(const struct encoder *en); /* may be NULL */
void encoder_scratch_free(const struct encoder *en, void *scratch);

/* n texts -> out[i] [dim]; thread-safe with one scratch a thread. A vector depends on its text
 * alone. Some bytes of text are best given together: ENCODER_GROUP_BYTES. */
#define ENCODER_GROUP_BYTES 10000
void encoder_texts(float *const *out, const char *const *texts, const size_t *lengths, int n,
                   const struct encoder *en, void *scratch);
int encoder_has_ids(const struct encoder *en);
/* Token ids of a text for encoders that have them: *ids [returned] is the caller's to free. */
int encoder_ids(int **ids, const char *text, size_t n, const struct encoder *en);
/* A photo -> out [dim]; thread-safe likewise. */
void encoder_image(float *out, const struct image *img, const struct encoder *en, void *scratch);

/* Whether the folder holds a network for texts or for photos, by its config.json and tensors. */
int encoder_kind_of(enum encoder_kind *kind, const char *dir, struct err *e) MM_MUST_CHECK;

#endif
