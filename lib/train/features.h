/* SPDX-License-Identifier: MIT */
/* Everything a model row asks for, ready for training: dense features, category bags, blocks
 * of reduced vectors, and the digest of it all.
 *
 *     struct features f;
 *     if (features_read(&f, d, db, "proposed", &e) < 0) ...
 *     dlrm_bind(m, &f.samples, &e);
 *     features_release(&f);
 */
#ifndef MM_TRAIN_FEATURES_H
#define MM_TRAIN_FEATURES_H
#include "train/dataset.h"
#include "train/samples.h"

#define FEATURES_BLOCKS 8

struct features {
    char model[64], kind[16];
    int interaction_cat;      /* 1: variant "cat" */
    struct samples samples;   /* borrows the arrays below */
    float *dense;             /* [n, n_dense] */
    int *bags;                /* [n, DATASET_BAG], or NULL */
    struct samples_block block[FEATURES_BLOCKS];
    float *rows[FEATURES_BLOCKS]; /* [n, 32] */
    int n_blocks;
    int any_block;            /* 1: some row of some block is known */
    unsigned char digest[32]; /* of all values, labels, splits and the model row */
};

/* Blocks add a dense feature "NAME_known" each. -1: no such model, an unknown feature or
 * block, a reducer that has not been run on all rows, or a model of images on data without. */
int features_read(struct features *f, const struct dataset *d, struct db *db, const char *model,
                  struct err *e) MM_MUST_CHECK;
void features_release(struct features *f);

/* Dense, multi-hot categories and blocks side by side, for logistic regression -> x [n, p];
 * the caller frees. Returns p. */
int features_matrix(float **x, const struct features *f);

#endif
