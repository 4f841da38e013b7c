/* SPDX-License-Identifier: MIT */
/* Text to ids and back: the byte-level BPE of GPT-2, with the vocabulary of OPT and the added
 * tokens of BLIP-2.
 *
 *     struct bpe *b = bpe_open("models/blip2-opt-2.7b", 50304, &e);
 *     int ids[64];
 *     size_t n = bpe_ids(ids, 64, "I like you.", 11, b);           // 100 101 47 4
 *     bpe_text(&out, ids, n, BPE_CLEAN | BPE_STRIP, b);            // "I like you."
 *     bpe_close(b);
 *
 * Ids and texts are those of Hugging Face (transformers 5.23.0 GPT2Tokenizer behind a
 * Blip2Processor, tokenizers 0.23.3: BPE; ByteLevel, add_prefix_space false), equal for every
 * text tried (tests/test_bpe.c, tests/golden/bpe/README). So:
 *   - <pad>, </s> and <image> standing in a text become those ids, whatever touches them;
 *     <s>, <unk> and <mask> are text like any other;
 *   - no id is put in front: where a model wants </s> there, that is the caller's;
 *   - Unicode is frozen in nn/unicode_gpt2.h.
 *
 * Pairs are merged lowest rank first, the leftmost of equals, by a heap over the positions of
 * a word: n log n, also for a word of a megabyte. A word of at most 64 bytes takes no memory,
 * a longer one some 32 bytes for each of its own.
 *
 * Speed of one core (Intel Xeon, gcc 12 -O2, GPT-2's 50,000 merges): a caption of 45 bytes takes
 * 1.3 us, 10,000 restaurant reviews 22 MB/s; the reference in the same minute 20 us, and 2.9
 * MB/s (3.3 as one batch). Text from the ids of a caption takes 0.7 us, there 2.0 us. Opening
 * takes 12 ms.
 */
#ifndef MM_NN_BPE_H
#define MM_NN_BPE_H
#include "base/buf.h"
#include "base/err.h"
#include <stddef.h>

#define BPE_TEXT_MAX ((size_t)1 << 29) /* bytes of a text */

struct bpe;

/* The folder has vocab.json and merges.txt, or else tokenizer.json (nn/bpe_files.h). rows: of
 * the model's table; every id is below. NULL: a file is missing, too large or malformed; an
 * id is out of range or used twice; a piece or merge stands twice; a merge joins or makes what is
 * no piece; a byte has no piece; an added token is absent or has another id than the reference
 * would give it. Ids without a piece are allowed. */
struct bpe *bpe_open(const char *dir, int rows, struct err *e) MM_MUST_CHECK;
void bpe_close(struct bpe *b); /* NULL is accepted */

/* text [n bytes], n <= BPE_TEXT_MAX -> the first max of its ids; ids may be NULL with max 0.
 * Returns how many there are, which may be more: at most n for UTF-8, 3n for any bytes. NUL is a
 * character; what is not UTF-8 counts as U+FFFD, as behind Python's decode("utf-8",
 * "replace"). From any thread; b is only read. */
size_t bpe_ids(int *ids, size_t max, const char *text, size_t n, const struct bpe *b);

enum {
    /* Transformers' clean_up_tokenization: " ." " ?" " !" " ," " ' " " n't" " 'm" " 's" " 've"
     * " 're" lose their blanks, in this order. Versions up to 4 did so when they read OPT's
     * settings; version 5 leaves it out for any BPE. */
    BPE_CLEAN = 1,
    BPE_STRIP = 2, /* Python's strip(), last: no white space at either end */
};

/* ids [n] -> their text, appended to out. Left out: special tokens, and numbers that are no
 * id. Bytes that are not UTF-8 become U+FFFD, as above. From any thread. */
void bpe_text(struct buf *out, const int *ids, size_t n, int how, const struct bpe *b);

int bpe_size(const struct bpe *b); /* the highest id + 1 */
/* SHA-256 [SHA256_BYTES] of the files; valid until bpe_close. */
const unsigned char *bpe_digest(const struct bpe *b);

#endif
