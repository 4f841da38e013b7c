/* SPDX-License-Identifier: MIT */
/* What BERT's uncased normaliser makes of one code point, as a frozen table.
 *
 *     struct ub_char c = unicode_bert_find(0xc9);            // U+00C9
 *     if (c.kind == UB_MAP)
 *         put(c.out[0]);                                     // 'e'
 *
 * Why a table and not utf8proc: the reference (Hugging Face tokenizers 0.23.3) carries
 * three Unicode versions at once: categories (control, Mn, P*) of Unicode 8, decompositions
 * and combining classes of Unicode 9, lower case and white space of Rust's standard
 * library (Unicode 17). No version of utf8proc gives that mixture, and an installed library
 * would make vectors depend on the machine. tests/golden/wordpiece/make_table.py asks the
 * reference about each of the 1,112,064 code points and writes the table (some 25 KB);
 * tests/test_wordpiece.c compares all of them with it again.
 *
 * In one step: clean_text, the spaces around CJK ideographs, NFD, dropping of Mn, lower case.
 */
#ifndef MM_NN_UNICODE_BERT_H
#define MM_NN_UNICODE_BERT_H
#include <stdint.h>

enum ub_kind {
    UB_KEEP,    /* itself */
    UB_DELETE,  /* nothing: control, format, private use, U+FFFD; marks that are dropped */
    UB_SPACE,   /* ends a word */
    UB_BARRIER, /* a dropped mark of class 0: nothing, but no mark is sorted across it */
    UB_ALONE,   /* a word of its own: punctuation, CJK ideographs */
    UB_MARK,    /* itself, sorted among its neighbours by order (canonical ordering) */
    UB_HANGUL,  /* a syllable: its two or three jamo */
    UB_MAP,     /* out[0]; look that up again unless it is the code point itself */
    UB_SEQ2,    /* out[0..1], each looked up again */
    UB_SEQ3,    /* out[0..2], each looked up again */
};

struct ub_char {
    enum ub_kind kind;
    int order;           /* of UB_MARK: its canonical combining class, 1 to 254 */
    const uint32_t *out; /* of UB_MAP, UB_SEQ2, UB_SEQ3; static */
};

/* cp from U+0080 to U+10FFFF, no surrogate (ASCII is the caller's, by a table of its own). */
struct ub_char unicode_bert_find(uint32_t cp);

#endif
