/* SPDX-License-Identifier: MIT */
/* The built-in backend: summary, price tag and categories of a set of reviews without a model
 * and without a network. It is the free baseline, not an LLM, and every table says so.
 *
 *     struct extractive *x = extractive_new(&e);
 *     extractive_run(&out, x, texts, n, EXTRACT_BUSINESS);
 *     extractive_release(&out);
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
#include "base/buf.h"
#include "base/err.h"

#define EXTRACT_VERSION 1
#define EXTRACT_CATEGORIES 11

enum extract_what { EXTRACT_USER, EXTRACT_BUSINESS };

struct extractive;

struct extract_text {
    const char *text;
    size_t bytes;
};

struct extract_result {
    struct buf summary;
    const char *price;   /* over-priced, fair, cheap or none; business only, else NULL */
    struct buf evidence; /* of the price: "3 over-priced, 1 fair: pricey, expensive" */
    const char *category[EXTRACT_CATEGORIES]; /* until extractive_free */
    int n_categories;
};

struct extractive *extractive_new(struct err *e) MM_MUST_CHECK; /* reads the word lists */
void extractive_free(struct extractive *x);
/* out must be zeroed or released. texts [n]. Thread-safe: x is only read. -1: the texts hold
 * no sentence with a word in it. */
int extractive_run(struct extract_result *out, const struct extractive *x,
                   const struct extract_text *texts, int n, enum extract_what what,
                   struct err *e) MM_MUST_CHECK;
void extractive_release(struct extract_result *out);

#endif
