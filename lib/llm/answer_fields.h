/* SPDX-License-Identifier: MIT */
/* Finds the summary, the price and the categories in what a model wrote: a JSON object,
 * wherever it stands, else lines "Summary: ...".
 *
 *     struct answer_fields f = {0};
 *     answer_fields_find(&f, PROMPT_SUMMARY | PROMPT_PRICE, text, n);
 *     if (f.found & PROMPT_PRICE) puts(buf_str(&f.value[1]));
 *     answer_fields_release(&f);
 *
 * Keys count in any case and by their usual other names ("price_tag", "Category"). Commas
 * before a closing bracket are forgiven. Of several objects the first with the most of the
 * wanted keys counts.
 */
#ifndef MM_LLM_ANSWER_FIELDS_H
#define MM_LLM_ANSWER_FIELDS_H
#include "base/buf.h"
#include <stddef.h>

enum { ANSWER_FIELDS = 4 }; /* summary, price, categories, caption: bit i of llm/prompt.h */

struct answer_fields {
    int found;                       /* bits */
    int json;                        /* they come from an object */
    int odd;                         /* bits of values that are neither text nor a list of it */
    struct buf value[ANSWER_FIELDS]; /* a list of categories: one line "- name" each */
};

/* f must be zeroed; text without NUL bytes, ended by one. */
void answer_fields_find(struct answer_fields *f, int wants, const char *text, size_t n);
void answer_fields_release(struct answer_fields *f);

#endif
