/* SPDX-License-Identifier: MIT */
/* Sentence vectors: a BERT encoder with mean pooling and L2, by default all-MiniLM-L6-v2
 * (6 layers, 384 wide, 12 heads; Wang et al., "MiniLM"; Reimers and Gurevych,
 * "Sentence-BERT"). Equal to sentence-transformers within 1e-5 a component in f32.
 *
 *     struct minilm *m = minilm_open("models/all-MiniLM-L6-v2", GEMM_F32, GEMM_AUTO, &e);
 *     struct minilm_scratch *s = minilm_scratch_new(m);      // one a thread
 *     minilm_encode(out, texts, lengths, n, m, s);           // out [n][dim]
 *
 * Texts of one call are laid one behind the other, so nothing is computed on padding, except
 * for what fills the last block of GEMM_ROWS rows. A vector depends on its text alone: bytes
 * are equal for any n, any order and any number of threads.
 */
#ifndef MM_MODEL_MINILM_H
#define MM_MODEL_MINILM_H
#include "base/err.h"
#include "nn/gemm.h"

#define MINILM_VERSION 1 /* of the arithmetic: part of a vector's identity */
#define MINILM_ROWS 3072 /* tokens computed at a time by one thread */

struct minilm;
struct minilm_scratch;

/* dir holds config.json, vocab.txt and model.safetensors; sentence_bert_config.json and
 * 1_Pooling/config.json are obeyed where they are there. NULL with e when a file is missing,
 * damaged, holds NaN, or describes another architecture. */
struct minilm *minilm_open(const char *dir, enum gemm_precision precision,
                           enum gemm_backend backend, struct err *e) MM_MUST_CHECK;
void minilm_close(struct minilm *m);

int minilm_dim(const struct minilm *m);
int minilm_max_tokens(const struct minilm *m); /* with [CLS] and [SEP]; later ones are cut off */
/* SHA-256 [32] over what decides a vector: weights, vocabulary, configuration. */
const unsigned char *minilm_digest(const struct minilm *m);

/* Token ids of a text to ids [max_tokens]; returns their number. */
int minilm_ids(int *ids, const struct minilm *m, const char *text, size_t n);

struct minilm_scratch *minilm_scratch_new(const struct minilm *m); /* MiniLM: 24 MB in f32 */
void minilm_scratch_free(struct minilm_scratch *s);

/* n texts -> out[i] [dim], unit length. Thread-safe with one scratch a thread. */
void minilm_encode(float *const *out, const char *const *texts, const size_t *lengths, int n,
                   const struct minilm *m, struct minilm_scratch *s);

#endif
