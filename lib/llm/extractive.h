/* SPDX-License-Identifier: MIT */
/* The built-in backend: summary, price tag and categories of a set of reviews without a model
 * and without a network. It is the free baseline, not an LLM, and every table says so.
 *
 *     struct extractive *x = extractive_new(&e);
 *     extractive_run(&out, x, texts, n, LLM_BUSINESS);
 *     llm_result_release(&out);
 *
 * Summary: LexRank over the sentences of the set (at most 240, taken evenly), best first,
 * a sentence too like a chosen one (cosine over 0.5) left out, at most 5 sentences and 600
 * bytes; where the set has praise and complaint, at least one sentence of each. Price and
 * category: votes of reviews for the phrases of prompts/price.tsv and prompts/category.tsv
 * (opinion-word counting with negation, Hu and Liu 2004). Stateless: no fit over the data.
 * The texts are taken in the order given: callers sort them by content, never by row id.
 */
#ifndef MM_LLM_EXTRACTIVE_H
#define MM_LLM_EXTRACTIVE_H
#include "base/err.h"
#include "llm/result.h"

#define EXTRACT_VERSION 1

struct extractive;

struct extractive *extractive_new(struct err *e) MM_MUST_CHECK; /* reads the word lists */
void extractive_free(struct extractive *x);
/* out must be zeroed or released. texts [n]. Thread-safe: x is only read. -1: the texts hold
 * no sentence with a word in it. */
int extractive_run(struct llm_result *out, const struct extractive *x,
                   const struct llm_text *texts, int n, enum llm_kind what,
                   struct err *e) MM_MUST_CHECK;

#endif
