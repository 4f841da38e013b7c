/* SPDX-License-Identifier: MIT */
/* What a backend says of one set of reviews, whoever it is. All memory is the result's own.
 *
 *     struct llm_result r = {0};
 *     backend->run(&r, self, texts, n, LLM_BUSINESS, &e);
 *     llm_result_release(&r);
 */
#ifndef MM_LLM_RESULT_H
#define MM_LLM_RESULT_H
#include "base/buf.h"
#include <stddef.h>

enum { LLM_CATEGORIES = 11 }; /* at most; the width of the model's bag */

enum llm_kind { LLM_USER, LLM_BUSINESS };

struct llm_text {
    const char *text;
    size_t bytes;
};

struct llm_result {
    struct buf summary;
    const char *price;   /* over-priced, fair, cheap or none (literals); users: NULL */
    struct buf evidence; /* of the price: "3 over-priced, 1 fair: pricey, expensive" */
    char *category[LLM_CATEGORIES];
    int n_categories;
};

void llm_result_add(struct llm_result *r, const char *category); /* beyond 11: dropped */
void llm_result_release(struct llm_result *r);

#endif
