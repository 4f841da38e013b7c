/* SPDX-License-Identifier: MIT */
#include "llm/result.h"
#include "base/util.h"
#include <stdlib.h>

void llm_result_add(struct llm_result *r, const char *category)
{
    if (r->n_categories < LLM_CATEGORIES)
        r->category[r->n_categories++] = xstrdup(category);
}

void llm_result_release(struct llm_result *r)
{
    buf_release(&r->summary);
    buf_release(&r->evidence);
    for (int i = 0; i < r->n_categories; i++)
        free(r->category[i]);
    *r = (struct llm_result){0};
}
