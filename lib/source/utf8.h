/* SPDX-License-Identifier: MIT */
/* Text from outside made safe to keep: valid UTF-8 without NUL bytes.
 *
 *     if (!utf8_clean(s, n))
 *         repaired += utf8_repair(&fixed, s, n);
 *     utf8_excerpt(reject.excerpt, s, n);
 *
 * What is not UTF-8 becomes U+FFFD, one for each maximal ill-formed part (Unicode 15,
 * section 3.9, "Substitution of Maximal Subparts"; Python's errors="replace" does the
 * same), and so does NUL, at which C strings and SQLite texts would be cut. Where NUL is a
 * character like any other (tokens), utf8_valid and utf8_replace leave it alone.
 */
#ifndef MM_SOURCE_UTF8_H
#define MM_SOURCE_UTF8_H
#include "base/buf.h"
#include <stdbool.h>
#include <stdint.h>

#define UTF8_EXCERPT 201 /* bytes of an excerpt with its NUL */

/* Well-formed (no overlong forms, no surrogates) and without NUL. */
bool utf8_clean(const char *s, size_t n);

/* Appends s repaired to out: at most 3n bytes. Returns the number of U+FFFD put in. */
int64_t utf8_repair(struct buf *out, const char *s, size_t n);

/* The same with NUL as an ordinary character: just what Python's decode("utf-8", "replace")
 * gives. */
bool utf8_valid(const char *s, size_t n);
int64_t utf8_replace(struct buf *out, const char *s, size_t n);

/* The first bytes of s, repaired, at most 200 and never half a character. */
void utf8_excerpt(char out[UTF8_EXCERPT], const char *s, size_t n);

#endif
