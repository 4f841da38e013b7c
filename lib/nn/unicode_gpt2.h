/* SPDX-License-Identifier: MIT */
/* The class of a code point in GPT-2's regular expression: \p{L}, \p{N}, \s or none of them,
 * as a frozen table.
 *
 *     if (unicode_gpt2_class(0xe9) == UG_LETTER) ...          // U+00E9
 *
 * Why a table: the reference (Hugging Face tokenizers 0.23.3) has the letters and numbers of
 * the Unicode version its regular expressions were compiled with, and ids must not depend
 * on the library that a machine has. tests/golden/bpe/make_table.py asks the reference about
 * each of the 1,112,064 code points and writes the table (7 KB); tests/test_bpe.c compares all of
 * them with it again.
 */
#ifndef MM_NN_UNICODE_GPT2_H
#define MM_NN_UNICODE_GPT2_H
#include <stdint.h>

enum ug_class { UG_OTHER, UG_LETTER, UG_NUMBER, UG_SPACE };

/* cp from U+0080 to U+10FFFF (ASCII is the caller's, by a table of its own). */
enum ug_class unicode_gpt2_class(uint32_t cp);

#endif
