/* SPDX-License-Identifier: MIT */
/* A model's prose to one clean line, or the reason why it is no summary.
 *
 *     if (answer_summary(&out, "summary", text, n, 2000, message, &why) < 0) ...
 *
 * Cut: "Here is a summary:", headings, bullets, markdown, quotes around the whole, white
 * space. Refused: empty, fewer than 3 words, longer than max bytes, mostly not letters, a
 * refusal ("I'm sorry, ..."), the same 5 words four times, 12 words in a row that are also
 * in the instructions (the message without what stands between its fences).
 */
#ifndef MM_LLM_ANSWER_SUMMARY_H
#define MM_LLM_ANSWER_SUMMARY_H
#include "base/buf.h"
#include "base/err.h"
#include <stddef.h>

/* what: "summary" or "caption", for why. asked may be NULL. s must be UTF-8. Replaces out and
 * why. */
int answer_summary(struct buf *out, const char *what, const char *s, size_t n, size_t max,
                   const char *asked, struct buf *why) MM_MUST_CHECK;

/* 1: begins as refusals and requests for input do. */
int answer_refuses(const char *s, size_t n);

#endif
