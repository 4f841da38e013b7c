/* SPDX-License-Identifier: MIT */
/* What a model is trained on: labels, dense features, category bags, and blocks of vectors
 * that are looked up in entity matrices and never copied per sample.
 *
 *     struct samples_block text = {.rows = summaries, .dim = 32, .n_rows = 812, .row = which};
 *     struct samples s = {.n = n, .label = y, .n_dense = 8, .dense = d,
 *                         .n_blocks = 1, .blocks = &text};
 *     if (samples_check(&s, &e) < 0) ...
 *
 * Everything is borrowed: it must outlive the models that read it. Any part may be absent
 * (n_dense, bag or n_blocks 0).
 */
#ifndef MM_TRAIN_SAMPLES_H
#define MM_TRAIN_SAMPLES_H
#include "base/err.h"

struct samples_block {
    const float *rows; /* [n_rows, dim] */
    int n_rows, dim;
    const int *row;    /* [n] row of each sample, -1 for a zero vector; NULL: sample i, row i */
};

struct samples {
    int n;
    const unsigned char *label; /* [n] 0 or 1; NULL where nothing is trained or scored */
    int n_dense;
    const float *dense;         /* [n, n_dense], standardised by the caller */
    int bag, n_categories;
    const int *bags;            /* [n, bag] of 0..n_categories; n_categories is padding */
    int n_blocks;
    const struct samples_block *blocks;
};

/* Every index in range, every label 0 or 1, every dense and looked-up value finite. Once,
 * before training: the models do not check again. */
int samples_check(const struct samples *s, struct err *e) MM_MUST_CHECK;

/* Row i of block b, or NULL for a zero vector. */
const float *samples_vector(const struct samples *s, int b, int i);
int samples_width(const struct samples *s); /* sum of the blocks' dims */

#endif
