/* SPDX-License-Identifier: MIT */
/* A price in a model's words to one of the four classes.
 *
 *     const char *price = answer_price("The price is reasonable.", 24, &why);   // "fair"
 *
 * over-priced: overpriced, expensive, pricey, costly, high ...; fair: fair price, reasonable,
 * moderate, average, mid-range ...; cheap: low price, inexpensive, affordable (as in
 * prompts/price.tsv), budget ...; none: not mentioned, unknown, n/a, unclear, cannot determine,
 * insufficient information ... A wording after "not" or "isn't" does not count, nor does what
 * follows "whether" or "if". high, low, average, medium, budget count beside a word of price
 * or when they are nearly all there is. The first line decides when it names one class.
 */
#ifndef MM_LLM_ANSWER_PRICE_H
#define MM_LLM_ANSWER_PRICE_H
#include "base/buf.h"
#include <stddef.h>

/* A literal; NULL when no class or more than one is named: why (replaced) says which. */
const char *answer_price(const char *s, size_t n, struct buf *why);

#endif
