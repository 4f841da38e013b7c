/* SPDX-License-Identifier: MIT */
/* One name of a category, however a model writes it, to its normal form.
 *
 *     struct buf b = {0};
 *     category_name(&b, " Pizzas ", 8);              // "pizza"
 *     category_name(&b, "Italian Restaurant", 18);   // "italian"
 *
 * Lower case (Unicode, accents kept, NFC), one space between words, no article in front, "&"
 * is "and", what stands in parentheses dropped. A last word that says only "place to eat"
 * (restaurant, cuisine, food, place, eatery, joint) is cut when that leaves something, but
 * "fast food", "street food" and their like stay, and "sea food" is "seafood". The last word
 * is put in the singular by rule, with lists of exceptions (tapas, fries, hummus, gyros).
 */
#ifndef MM_LLM_CATEGORY_H
#define MM_LLM_CATEGORY_H
#include "base/buf.h"
#include "llm/result.h"

enum { CATEGORY_WORDS = 3, CATEGORY_BYTES = 40 };
enum { CATEGORY_BAD = 0, CATEGORY_OK = 1, CATEGORY_NONE = 2 };

/* Replaces out. OK: a name of at most 3 words and 40 bytes of letters, hyphens, apostrophes
 * and spaces. NONE: empty, or says that there is none ("unknown", "n/a", "other"). BAD: the
 * rest; out is empty then and for NONE. */
int category_name(struct buf *out, const char *s, size_t n);

/* Adds the name unless r has it already; the result of category_name. Beyond 11: dropped. */
int category_add(struct llm_result *r, const char *s, size_t n);

#endif
