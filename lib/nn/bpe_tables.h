/* SPDX-License-Identifier: MIT */
/* The tables that nn/bpe.c works with, and how nn/bpe_build.c makes them of the files' lists.
 *
 *     struct bpe *b = xcalloc(1, sizeof *b);
 *     if (bpe_build(b, &files, rows, &e) < 0)         // then bpe_close frees what there is
 *         ...
 */
#ifndef MM_NN_BPE_TABLES_H
#define MM_NN_BPE_TABLES_H
#include "nn/bpe.h"
#include "nn/bpe_files.h"
#include <assert.h>

#define BPE_ID_BITS 20
#define BPE_FREE_SLOT UINT64_MAX

static_assert(BPE_IDS_MAX == 1 << BPE_ID_BITS, "two ids and a rank fit into 60 bits");

/* Added tokens are looked for in the text, then in what is left of it. */
enum { BPE_PASSES = 2 };

struct bpe_token {
    char *s;
    size_t n;
    int id, pass;
};

struct bpe {
    /* Hash of pairs: left << 40 | right << 20 | rank, or a free slot; at most half are used. */
    uint64_t *pair;
    int shift;     /* 64 - log2 of the slots */
    int32_t *made; /* [merges] by rank: what the pair becomes */
    int32_t byte_id[256];
    char *bytes;     /* of all ids, one behind the other */
    uint32_t *start; /* [size + 1] where each id's begin; a number without a piece has none */
    bool *special;   /* [size] */
    struct bpe_token *added;
    size_t addeds;
    bool begins[BPE_PASSES][256]; /* whether an added token of the pass begins with the byte */
    int size;
    unsigned char digest[SHA256_BYTES];
};

/* b is zeroed. Ids are below rows. -1: the lists contradict each other. */
int bpe_build(struct bpe *b, const struct bpe_files *f, int rows, struct err *e) MM_MUST_CHECK;

/* The slot of a pair, or the free one where it belongs. */
uint64_t *bpe_pair(const struct bpe *b, int32_t left, int32_t right);

#endif
