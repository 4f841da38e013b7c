/* SPDX-License-Identifier: MIT */
/* Rows of table block: which inputs a reducer puts side by side, and by which methods they
 * were made.
 *
 *     struct block b;
 *     if (block_read(&b, db, "text", &e) < 0) ...
 *     for (int k = 0; k < b.n_inputs; k++)
 *         entity_inputs[b.input[k]], b.who.text ...
 */
#ifndef MM_TRAIN_BLOCK_H
#define MM_TRAIN_BLOCK_H
#include "base/err.h"
#include <stdint.h>

struct db;

#define BLOCK_INPUTS 6
#define BLOCK_DIM 32 /* what every block is reduced to */

/* method.id of who made what, 0: nobody has. */
struct block_methods {
    int64_t summary, caption, text, image;
    int text_dim, image_dim;
};

struct block {
    char name[64];
    int input[BLOCK_INPUTS]; /* enum entity_what */
    int n_inputs;
    struct block_methods who;
};

/* -1: no such block, an unknown input, or a named method that has never run. */
int block_read(struct block *b, struct db *db, const char *name, struct err *e) MM_MUST_CHECK;

/* Inserts the paper's blocks where they are missing: text from two summaries, image from
 * captions, average from averaged reviews and photos; and photos, from photos alone. Inside
 * the caller's transaction. */
void block_defaults(struct db *db);

#endif
