/* SPDX-License-Identifier: MIT */
/* What a model costs, from a table that people edit.
 *
 *     struct price p;
 *     int found = prices_find(&p, NULL, "gpt-4o-mini-2024-07-18", "2026-11-23", &e);
 *     double usd = price_usd(&p, 1200, 0, 150);
 *
 * A line is "model since in cached out", tab-separated, in dollars a million tokens; lines
 * starting with # are comments. A line counts for the model of that name and for its dated
 * snapshots (the name followed by "-", digits and dashes, or by "-latest"); the longest name
 * wins, then the newest `since` not after today. "gpt-5" says nothing of "gpt-5-pro" or
 * "gpt-5.1": a guessed price would be worse than none. Half price of batches is the
 * caller's.
 */
#ifndef MM_LLM_PRICES_H
#define MM_LLM_PRICES_H
#include "base/err.h"
#include <stdint.h>

struct price {
    double in, cached, out; /* dollars a token */
    char since[11];         /* "2024-07-18" */
};

/* file NULL: the built-in prices.tsv. 1: found. 0: no line for the model. -1: the file is
 * malformed or cannot be read (file, line, what). The whole file is checked. */
int prices_find(struct price *p, const char *file, const char *model, const char *today,
                struct err *e) MM_MUST_CHECK;
/* cached is part of in; negative counts are 0. */
double price_usd(const struct price *p, int64_t in, int64_t cached, int64_t out);

#endif
