/* SPDX-License-Identifier: MIT */
/* The JSON among the files of a byte-level BPE.
 *
 *     if (bpe_json_vocab(&f, rows, &e) < 0) ...       // f.text[0]: vocab.json
 *     if (bpe_json_tokenizer(&f, rows, &e) < 0) ...   // f.text[0]: tokenizer.json
 *
 * f.text[0] is UTF-8 without NUL bytes, and strings are decoded in it. -1: malformed (which byte),
 * an id that is no number below rows (whose), or a setting that we do not compute (its key).
 */
#ifndef MM_NN_BPE_JSON_H
#define MM_NN_BPE_JSON_H
#include "nn/bpe_files.h"

/* {"piece": id, ...} -> f.piece */
int bpe_json_vocab(struct bpe_files *f, int rows, struct err *e) MM_MUST_CHECK;
/* -> f.piece, f.merge ("a b" or ["a", "b"]), f.added */
int bpe_json_tokenizer(struct bpe_files *f, int rows, struct err *e) MM_MUST_CHECK;

#endif
