/* SPDX-License-Identifier: MIT */
/* The files of a byte-level BPE as lists: pieces, merges, added tokens. Nothing of them is
 * believed: sizes, JSON, UTF-8, numbers and settings are checked here; how pieces and merges fit
 * together is nn/bpe_build.c's to check.
 *
 *     struct bpe_files f;
 *     if (bpe_files_read(&f, "models/blip2-opt-2.7b", 50304, &e) < 0) ...
 *     for (size_t i = 0; i < f.merges; i++) ... f.merge[i].a ...
 *     bpe_files_release(&f);                        // also after a failure
 *
 * Two forms: vocab.json with merges.txt, and, where neither is there, tokenizer.json. To the
 * added tokens of the second, and to the first, which names none, come those of OPT behind a
 * Blip2Processor that are not among them: <pad>, </s> and <image>. A tokenizer.json must be what
 * we compute (BPE without dropout, prefix, suffix; no normaliser; ByteLevel without a blank in
 * front; added tokens that take no neighbours along), else it is refused by the name of the
 * setting.
 */
#ifndef MM_NN_BPE_FILES_H
#define MM_NN_BPE_FILES_H
#include "base/buf.h"
#include "base/sha256.h"
#include <stdbool.h>
#include <stdint.h>

#define BPE_IDS_MAX (1 << 20)   /* ids are below it, and merges are no more */
#define BPE_ADDED_MAX 4096

struct bpe_piece {
    const char *s; /* as in the file: a character for each byte */
    uint32_t n;
    int id;
};

struct bpe_merge {
    const char *a, *b; /* in order of rank; not terminated */
    uint32_t na, nb;
    uint32_t at; /* line of the file, or number in the list, from 1 */
};

struct bpe_added {
    const char *s; /* as it stands in a text */
    uint32_t n;
    int id;        /* -1: not said */
    bool special;  /* left out of decoded text */
    bool late;     /* looked for in what the others leave ("normalized") */
    bool in_vocab; /* must be a piece of the vocabulary, too */
};

/* All strings lie in text, and live as long as it. */
struct bpe_files {
    struct buf text[2];
    char *path[2]; /* of the vocabulary, of the merges; the same twice for a tokenizer.json */
    const char *merge_at; /* "line" or "merge": what bpe_merge.at counts */
    struct bpe_piece *piece;
    struct bpe_merge *merge;
    struct bpe_added *added;
    size_t pieces, merges, addeds;
    unsigned char digest[SHA256_BYTES]; /* of the files' bytes */
};

/* Ids are below rows, which is at least 1. -1: a file is missing, too large (vocab.json 8 MiB,
 * merges.txt 16 MiB, tokenizer.json 64 MiB) or not as it should be. */
int bpe_files_read(struct bpe_files *f, const char *dir, int rows, struct err *e) MM_MUST_CHECK;
void bpe_files_release(struct bpe_files *f);

/* For whoever fills the lists (nn/bpe_json.h). */

/* A list of n things with room for one more; it doubles at powers of two. */
void *bpe_files_room(void *list, size_t n, size_t size);
/* -1: a part is empty, or there are too many. */
int bpe_files_add_merge(struct bpe_files *f, struct bpe_merge m, struct err *e) MM_MUST_CHECK;
/* "a b" with exactly one blank, else the parts are empty. */
struct bpe_merge bpe_files_cut_merge(const char *s, size_t n, uint32_t at);

#endif
