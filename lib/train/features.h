/* SPDX-License-Identifier: MIT */
/* Everything a model row asks for, ready for training: dense features, category bags, blocks
 * of reduced vectors, and the digest of it all.
 *
 *     struct features f;
 *     if (features_read(&f, d, db, "proposed", "fpr", &e) < 0) ...
 *     dlrm_bind(m, &f.samples, &e);
 *     features_release(&f);
 *
 * The values lie in a mapped file, one per feature set (dense columns, tags, blocks, reduction)
 * and protocol, in DB.d/features: any number of runs and processes share its pages, and SQLite
 * is read once. The file is a cache: its name is a digest of the set and of the tokens of the
 * tables and the rows it came from, so another content has another name, and it may be deleted
 * at any time.
 */
#ifndef MM_TRAIN_FEATURES_H
#define MM_TRAIN_FEATURES_H
#include "base/mapped.h"
#include "train/block.h"
#include "train/dataset.h"
#include "train/dense.h"
#include "train/samples.h"

#define FEATURES_BLOCKS 8

struct features {
    char model[64], kind[16];
    int interaction_cat;      /* 1: variant "cat" */
    struct samples samples;   /* n_dense, bag and blocks of BLOCK_DIM; all in file; points at
                                 block: a copy of the struct would point at the old one */
    struct samples_block block[FEATURES_BLOCKS];
    int any_block;            /* 1: some row of some block is known */
    unsigned char digest[32]; /* of all values, labels, splits and the model row */
    struct mapped file;
};

/* stopping: of the experiment, which decides on the reduction where the model leaves it open.
 * Blocks add a dense feature each: is it known. -1: no such model, an unknown feature or
 * block, a reducer that has not been run on all rows, or a model of images on data without. */
int features_read(struct features *f, const struct dataset *d, struct db *db, const char *model,
                  const char *stopping, struct err *e) MM_MUST_CHECK;
void features_release(struct features *f);

/* Dense, multi-hot categories and blocks side by side, for logistic regression: width, and one
 * row -> x [width]. */
int features_width(const struct features *f);
void features_row(float *x, const struct features *f, int row);

/* The folder for files beside the database, made if it is not there; the caller frees. */
char *features_dir(struct db *db);
/* Removes the files of sets that none of f [n] uses, and those that a killed process has left
 * half built. */
void features_tidy(struct db *db, const struct features *f, int n);

#endif
