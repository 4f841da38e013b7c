/* SPDX-License-Identifier: MIT */
/* Text to lower-case words and sentences: what the built-in summaries, tags and vectors count.
 *
 *     struct words w = {0};
 *     words_split(&w, text, n);
 *     for (int i = 0; i < w.n; i++) puts(words_at(&w, i));
 *     words_release(&w);
 *
 * A word is a run of letters, marks and digits of Unicode (utf8proc's categories L, M, N); an
 * apostrophe between letters is dropped ("don't" -> "dont"). Case is folded. Invalid UTF-8
 * separates words.
 */
#ifndef MM_BASE_WORDS_H
#define MM_BASE_WORDS_H
#include "base/buf.h"
#include <stdint.h>

struct word {
    uint32_t at, len;  /* bytes into folded.data */
    uint32_t from, to; /* bytes of the original text */
    uint64_t hash;     /* of the folded bytes */
    int stop;          /* one of about 130 English function words */
};

struct words {
    struct word *w; /* [n] */
    int n, cap;
    struct buf folded; /* words, each followed by NUL */
};

void words_split(struct words *out, const char *text, size_t n); /* replaces what was there */
const char *words_at(const struct words *w, int i); /* until the next split */
void words_release(struct words *w);

/* Length in bytes of the sentence that begins at text (n bytes left), with its end mark and
 * the white space after it. A sentence ends at . ! ? followed by white space and at a line
 * end; 0 only when n is 0. */
size_t words_sentence(const char *text, size_t n);

#endif
