/* SPDX-License-Identifier: MIT */
/* Finds the end of one JSON value, in steps, as more of it arrives.
 *
 *     struct jsonspan p = {0};
 *     while ((rc = jsonspan_scan(&p, text, n)) == 0)
 *         n = more(&text);                 // the same bytes again and some behind them
 *     // rc 1: the value is text[0 .. p.off); -1: text[p.off] cannot stand there
 *
 * It follows strings and brackets and knows which bytes may stand outside strings, so
 * that a stray quote is noticed within a few bytes; it does not check the grammar
 * (jsonval does).
 */
#ifndef MM_SOURCE_JSONSPAN_H
#define MM_SOURCE_JSONSPAN_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSONSPAN_DEPTH_MAX 64 /* brackets inside one value */

struct jsonspan {
    size_t off;       /* bytes scanned */
    uint64_t objects; /* bit d: the bracket at depth d is a brace */
    int depth;
    bool in_string;
    char last; /* the last of { [ } ] , : " outside strings */
};

/* 1 complete, 0 more bytes needed, -1 malformed. A scalar at depth 0 is complete before
 * the comma or bracket that follows it. */
int jsonspan_scan(struct jsonspan *p, const char *s, size_t n);

/* Bytes of s before the first '"' or '\', n when there is none. */
size_t jsonspan_string_run(const char *s, size_t n);

#endif
