/* SPDX-License-Identifier: MIT */
/* Text to BERT ids: the uncased WordPiece tokeniser of all-MiniLM-L6-v2 and its kin.
 *
 *     struct wordpiece *w = wordpiece_open("models/all-MiniLM-L6-v2/vocab.txt", 30522, &e);
 *     int ids[256], n = wordpiece_ids(ids, 256, text, strlen(text), w);
 *     // "It's a café" -> 101 2009 1005 1055 1037 7668 102
 *     wordpiece_close(w);
 *
 * The ids are those of Hugging Face's fast tokeniser (transformers 5.23.0 BertTokenizer,
 * tokenizers 0.23.3: BertNormalizer with clean_text, handle_chinese_chars, lowercase;
 * BertPreTokenizer; WordPiece with at most 100 characters a word; truncation on the right),
 * equal for every text tried (tests/test_wordpiece.c, tests/golden/wordpiece/README). So:
 *   - [PAD] [UNK] [CLS] [SEP] [MASK] standing in the text, in just these letters, become
 *     those ids, wherever they stand and whatever touches them;
 *   - a word with a part that is in no piece is one [UNK] as a whole, and so is a word of
 *     more than 100 characters after normalisation;
 *   - Unicode is frozen in nn/unicode_bert.h.
 *
 * Memory per call is a word of at most 400 bytes on the stack, whatever the text's length,
 * and reading stops with the word that fills ids. The pieces lie in a double-array trie
 * over bytes (Aoe 1989): one step of the longest match is one load.
 *
 * Speed of one core (AMD EPYC, gcc 12 -O2, 10,000 restaurant reviews of 280 bytes on the
 * average): 110 to 118 MB/s; the reference, one text at a time in the same minute, 1.6 MB/s.
 * Opening the 30,522 pieces takes 22 ms.
 */
#ifndef MM_NN_WORDPIECE_H
#define MM_NN_WORDPIECE_H
#include "base/err.h"
#include <stddef.h>

struct wordpiece;

/* vocab.txt: one piece a line (LF or CRLF), its id the number of the line from 0. NULL: it
 * cannot be read, holds more than 2^20 lines, an empty or doubled line, a line that is no
 * UTF-8 or longer than 1024 bytes, no [PAD], [UNK], [CLS] or [SEP] ([MASK] may be absent), or,
 * with want > 0, not exactly want pieces. */
struct wordpiece *wordpiece_open(const char *path, int want, struct err *e) MM_MUST_CHECK;
void wordpiece_close(struct wordpiece *w); /* NULL is accepted */

/* text [n bytes] -> ids [max], max >= 2: [CLS], at most max - 2 pieces, [SEP]. Returns how
 * many, at least 2. Any bytes are text: NUL and what is not UTF-8 count as absent, as they do
 * behind Python's decode("utf-8", "replace"). From any thread; w is only read. */
int wordpiece_ids(int *ids, int max, const char *text, size_t n, const struct wordpiece *w);

int wordpiece_size(const struct wordpiece *w); /* pieces in the vocabulary */

#endif
