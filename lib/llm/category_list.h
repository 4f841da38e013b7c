/* SPDX-License-Identifier: MIT */
/* The categories in what a model wrote as prose: names between bullets, numbers, line ends,
 * commas, semicolons, slashes, " and ", "&", "or"; quotes ('The category is "Food"', the form
 * 'type' of the paper); or a sentence.
 *
 *     struct llm_result r = {0};
 *     category_list(&r, "1. Pizzas\n2. Italian food", 25);    // pizza, italian
 *     category_list(&r, "This is a casual Thai place.", 28);  // thai
 *
 * Of a sentence, what stands before restaurant, place, eatery and their like counts, without
 * adjectives such as casual or popular; bar, cafe, pub, bakery, diner, bistro and shop are
 * kept ("wine bar"). "fish and chips", "bar and grill" and their like are one name. An
 * explanation after the list is not read.
 */
#ifndef MM_LLM_CATEGORY_LIST_H
#define MM_LLM_CATEGORY_LIST_H
#include "base/err.h"
#include "llm/result.h"

/* Adds to r. -1: there are words, but no name and no "none" among them. */
int category_list(struct llm_result *r, const char *s, size_t n) MM_MUST_CHECK;

#endif
