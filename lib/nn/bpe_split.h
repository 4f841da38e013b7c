/* SPDX-License-Identifier: MIT */
/* Text to the pieces that byte pairs are merged within: GPT-2's regular expression by hand,
 *
 *     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 *
 *     for (size_t i = 0, len; i < n; i += len) {
 *         len = bpe_split(s + i, n - i);                  // "it's  12" -> it 's _ _12
 *         use(s + i, len);
 *     }
 *
 * Every character belongs to a piece. The alternatives are tried from left to right, so a
 * contraction is one only where a piece begins with its apostrophe.
 */
#ifndef MM_NN_BPE_SPLIT_H
#define MM_NN_BPE_SPLIT_H
#include "nn/unicode_gpt2.h"
#include <stddef.h>

/* Bytes of the piece at s, n > 0; s is UTF-8. Looks no further than the piece and one
 * character behind it. */
size_t bpe_split(const unsigned char *s, size_t n);

/* The class of the character at s, n > 0, and its bytes. */
enum ug_class bpe_class(size_t *bytes, const unsigned char *s, size_t n);

#endif
