/* SPDX-License-Identifier: MIT */
/* One word of normalised text, collected code point by code point, its marks in canonical
 * order; and the code points of UTF-8.
 *
 *     struct uword v;
 *     uword_clear(&v);
 *     uword_add(&v, 'e');
 *     uword_add_mark(&v, 0x1d165, 216);
 *     use(v.s, v.bytes);                        // UTF-8
 *
 * Beyond UWORD_CHARS_MAX code points nothing is kept (WordPiece makes such a word [UNK],
 * whatever its letters), so a word takes the same memory however long it is.
 */
#ifndef MM_NN_UNICODE_WORD_H
#define MM_NN_UNICODE_WORD_H
#include <stddef.h>
#include <stdint.h>

#define UWORD_CHARS_MAX 100 /* max_input_chars_per_word of the reference */

struct uword {
    unsigned char s[4 * UWORD_CHARS_MAX]; /* not terminated */
    int bytes;
    int chars; /* UWORD_CHARS_MAX + 1: more than fit, s is their beginning */
    int marks; /* at the end of s: those that may still be sorted */
    unsigned char order[UWORD_CHARS_MAX]; /* [marks] their combining classes, ascending */
};

void uword_clear(struct uword *v);
/* A character of combining class 0: marks are not sorted across it. */
void uword_add(struct uword *v, uint32_t cp);
/* A mark of class `order`, 1 to 254: goes before the marks of a higher class at the end. */
void uword_add_mark(struct uword *v, uint32_t cp, int order);
/* What was dropped was of class 0: later marks are not sorted across this place. */
void uword_barrier(struct uword *v);
/* The jamo of a syllable U+AC00 to U+D7A3. */
void uword_add_hangul(struct uword *v, uint32_t cp);

/* The code point that stands at s, n > 0, and its bytes; 0 where it is not UTF-8. */
int uword_decode(uint32_t *cp, const unsigned char *s, size_t n);

#endif
