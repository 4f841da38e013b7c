/* SPDX-License-Identifier: MIT */
/* The bytes of one prompt file to a checked struct prompt; prompt.c finds the files. */
#ifndef MM_LLM_PROMPT_FILE_H
#define MM_LLM_PROMPT_FILE_H
#include "llm/prompt.h"

/* p must be zeroed; what it holds after a failure is for prompts_free as well. label is the
 * path in messages: "label:line: what is wrong; what to do". */
int prompt_parse(struct prompt *p, const char *name, const char *label, const struct buf *bytes,
                 struct err *e) MM_MUST_CHECK;

#endif
