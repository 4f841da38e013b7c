/* SPDX-License-Identifier: MIT */
/* Reads what a language model answered, and refuses what is not an answer.
 *
 *     struct answer_given a = {text, bytes, "stop", NULL, message};
 *     if (answer_read(&result, p->wants, &a, &reason) < 0)
 *         prompt_again(&message, p, buf_str(&reason));
 *
 * More than one thing wanted: a JSON object with the keys summary, price, categories, also
 * among prose or in a code block; or lines "Summary: ...", "Price: ...", "Categories: ...".
 * One thing wanted: plain text, or the same forms.
 *
 * Price: over-priced, fair, cheap or none, from many wordings; two of them at once are
 * refused. Categories: see llm/category.h; an empty list is an answer. Summary: 3 words to
 * 2,000 bytes (caption: 400), on one line, with no repetition of a phrase, no part of the
 * instructions, no refusal.
 * Deterministic; safe on any bytes; time and memory are bounded by ANSWER_BYTES.
 */
#ifndef MM_LLM_ANSWER_H
#define MM_LLM_ANSWER_H
#include "base/buf.h"
#include "base/err.h"
#include "llm/result.h"
#include <stddef.h>

#define ANSWER_VERSION 1 /* of these rules: part of a result's identity */

enum { ANSWER_BYTES = 65536, ANSWER_SUMMARY = 2000, ANSWER_CAPTION = 400 };

struct answer_given {
    const char *text; /* need not end with NUL; NULL with 0 bytes is "no text" */
    size_t bytes;
    const char *finish_reason, *refusal; /* of the service; may be NULL */
    const char *asked; /* the user message, for the echo check; may be NULL */
};

/* wants: bits of llm/prompt.h. out must be zeroed or released. 0: out holds what is wanted,
 * normalised (a caption in summary). -1: out is empty, and reason (replaced) says in one
 * short sentence without a full stop, fit for the model and for people, what is wrong. */
int answer_read(struct llm_result *out, int wants, const struct answer_given *a,
                struct buf *reason) MM_MUST_CHECK;

/* Appends the text by which a valid answer on a part goes into a merge: the lines
 * "Summary: ...", "Price: fair", "Categories: a, b" that are wanted. */
void answer_part(struct buf *out, int wants, const struct llm_result *r);

#endif
