/* SPDX-License-Identifier: MIT */
/* Upstream MLPs: all inputs of a block side by side -> 32 numbers a row, learnt on the label.
 *
 *     struct reduce_fit f = {.d = d, .samples = &s, .mode = REDUCE_FOLDS, .dir = "mm.db.d"};
 *     reduce_run(&f, 1, threads, stage_interrupted);
 *     if (f.failed) ... f.err.text
 *     const float *v = f.features + row * BLOCK_DIM;       // row of d
 *     reduce_release(&f);
 *
 * REDUCE_SINGLE: one network, stopped early on the validation loss, serves every row: the
 * paper's way. It has seen the labels of the train rows, so their 32 numbers promise more than
 * those of other rows keep. REDUCE_FOLDS: a train row of fold k is reduced by a network that
 * has not seen fold k; rows of validation and test by the one for all. Networks do not share
 * axes, so the outputs of each are turned by the rotation R that brings them closest to those
 * of the one for all over the train rows, without labels: R = U V^T where H_k^T H = U S V^T
 * (orthogonal Procrustes, Schoenemann 1966).
 * choice_loss compares the two: the log loss on the validation rows of a logistic regression on
 * the 32 numbers, fitted on the train rows, which is unforgiving to features that promise too
 * much. Measured: on 9,957 restaurant reviews with MiniLM, 3 split seeds, text: 0.635 single,
 * 0.624 folds, and in a DLRM stopped on validation loss test AUC 0.661 and 0.677 (5 split
 * seeds; trained jointly inside the DLRM 0.672). On the sample, 6 split seeds: AUC 0.793 and
 * 0.795 stopped on the loss, but 0.770 and 0.703 stopped by the paper's rule: 300 epochs learn
 * the seams between folds by heart.
 */
#ifndef MM_TRAIN_REDUCE_H
#define MM_TRAIN_REDUCE_H
#include "base/buf.h"
#include "base/mapped.h"
#include "train/block.h"
#include "train/dataset.h"
#include "train/samples.h"
#include "train/trainer.h"

#define REDUCE_VERSION 2
#define REDUCE_SEED 1

enum reduce_mode { REDUCE_SINGLE, REDUCE_FOLDS, REDUCE_MODES };
extern const char *const reduce_mode_name[REDUCE_MODES];
/* What a model's `reduction` means for an experiment. auto: the paper's stopping rule goes with
 * the paper's one network, anything else with folds; under the paper's protocol always single. */
enum reduce_mode reduce_mode_for(enum dataset_protocol protocol, const char *reduction,
                                 const char *kind, const char *stopping);

struct reduce_fit {
    /* given */
    const struct dataset *d;
    const struct samples *samples; /* blocks only, with labels */
    enum reduce_mode mode;
    const char *dir;               /* where large arrays go */
    /* made */
    const float *features;         /* [d->n, BLOCK_DIM] */
    /* mlp_save of the one for all; then, for folds, for each fold 0, 1, ... that has train
     * rows: mlp_save and R [BLOCK_DIM, BLOCK_DIM], float32, features = R^T h. */
    struct buf weights;
    struct trainer_result result;  /* of the one for all */
    double choice_loss;            /* NaN: only one class to learn from */
    int failed;
    struct err err;
    struct mapped file;
};

/* Fits all of them, networks side by side on threads; the result does not depend on how many.
 * A non-zero stop() ends it: then failed. */
void reduce_run(struct reduce_fit *fit, int n, int threads, int (*stop)(void));
void reduce_release(struct reduce_fit *fit);

#endif
