/* SPDX-License-Identifier: MIT */
#include "llm/backend.h"
#include "base/util.h"
#include <string.h>

const char *const backend_tasks[BACKEND_TASKS] = {"summary", "price", "category"};

static void *open_extractive(struct err *e)
{
    return extractive_new(e);
}

static int run_extractive(struct llm_result *out, void *self, const struct llm_text *texts,
                          int n, enum llm_kind what, struct err *e)
{
    return extractive_run(out, self, texts, n, what, e);
}

static void close_extractive(void *self)
{
    extractive_free(self);
}

static const struct backend table[] = {
    {"extractive", EXTRACT_VERSION, "built in: sentences and keyword votes, not an LLM",
     {"prompts/opinion.tsv", "prompts/price.tsv", "prompts/category.tsv"},
     open_extractive, run_extractive, close_extractive, 1, NULL, 0},
    {.name = "openai", .version = 1, .note = "an OpenAI-compatible service, one by one",
     .transport = &transport_openai, .sends = 1},
    {.name = "batch", .version = 1, .note = "an OpenAI-compatible service, many as a file",
     .transport = &transport_batch, .sends = 1},
    {.name = "replay", .version = 1, .note = "answers of table llm_answer only",
     .transport = &transport_replay},
};

const struct backend *backend_choose(const char *name, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    err_set(e, "LLM=%s: no such backend", name);
    return NULL;
}
