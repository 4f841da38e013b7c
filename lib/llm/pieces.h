/* SPDX-License-Identifier: MIT */
/* The texts of a set as they go into requests: whole, or, where one is longer than a request
 * may be, cut at sentence ends. A piece has a name that says which bytes of which text it is.
 */
#ifndef MM_LLM_PIECES_H
#define MM_LLM_PIECES_H
#include "base/sha256.h"
#include "llm/ask.h"

struct ask_piece {
    const char *text; /* borrowed from the set */
    size_t bytes, from;
    unsigned char digest[SHA256_BYTES]; /* of the whole text */
    int fold;
    char *name; /* "HEX", or "HEX:FROM+BYTES" of a piece */
};

struct ask_piece *pieces_cut(const struct ask_set *set, size_t most, int *n);
void pieces_free(struct ask_piece *p, int n);
/* Cuts piece i in two, the second half appended as piece n. 0: it is too short for that. */
int pieces_halve(struct ask_piece **p, int *n, int i, size_t least);

#endif
