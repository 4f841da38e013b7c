/* SPDX-License-Identifier: MIT */
/* Rows of samples into a block of activations, in three moves, so that memory answers while
 * the products run: a shuffled epoch reads rows from all over.
 *
 *     gather_ask(s, next, n_next);                 // while another block is computed,
 *     gather_ask_vectors(s, next, n_next);         // some products later,
 *     gather_dense(x, 16, s, next, n_next);        // and when its turn comes
 *     gather_vectors(row + 32, 144, s, b, next, n_next);
 *
 * Asking is a hint: it changes no result. Shapes as in samples.h; B rows, ids [B].
 */
#ifndef MM_TRAIN_GATHER_H
#define MM_TRAIN_GATHER_H
#include "nn/real.h"
#include "train/samples.h"

/* For labels, dense features, bags and row numbers; then, with the row numbers here, for
 * vectors. */
void gather_ask(const struct samples *s, const int *ids, int n);
void gather_ask_vectors(const struct samples *s, const int *ids, int n);

/* -> x [B,ld], columns from n_dense on untouched */
void gather_dense(real *x, int ld, const struct samples *s, const int *ids, int n);
void gather_bags(int *bags, const struct samples *s, const int *ids, int n); /* -> [B,bag] */
/* Block b -> x [B,ld], columns from its dim on untouched; zeros for a row without one. */
void gather_vectors(real *x, int ld, const struct samples *s, int b, const int *ids, int n);

#endif
