/* SPDX-License-Identifier: MIT */
/* The epoch loop: seeded minibatches, Adam, class weights, early stopping, best weights
 * restored; resumable to the bit. For any model given as a small table of functions.
 *
 *     struct trainer_options o = {TRAINER_DLRM, .seed = 3, .weighting = TRAINER_BASIC};
 *     struct trainer *t = trainer_new(&model, train, n_train, valid, n_valid, &o, &e);
 *     while ((more = trainer_epoch(t, &rec, &e)) > 0)
 *         keep(&rec);                                     // and now and then trainer_save
 *     trainer_result(t, &result);                         // model holds the best weights
 *
 * Epochs count from 1. The order of epoch k is a shuffle seeded by (seed, k) and its dropout
 * key is a hash of them, so nothing random has to be remembered between epochs.
 *
 * Stopping. TRAINER_BY_FPR (the paper's rule): from epoch first_epoch on, an epoch is the
 * new best when its validation false positive rate is strictly lower; at an equal rate, when
 * its validation loss is strictly lower: that moves the weights but not the patience, which
 * counts epochs since the rate last fell. Without a negative in validation the rate is
 * undefined: then the loss decides alone and moves the patience. TRAINER_BY_LOSS: the
 * validation loss decides. The loss that decides is the weighted one, the one trained on.
 * After patience epochs without improvement, or at max_epochs, training ends and the best
 * epoch's weights are put back.
 */
#ifndef MM_TRAIN_TRAINER_H
#define MM_TRAIN_TRAINER_H
#include "base/buf.h"
#include "base/err.h"
#include "train/layer.h"
#include <stdint.h>

/* A tensor within a model's flat parameters: numbers at..at+rows*cols. */
struct trainer_tensor {
    const char *name;
    size_t at;
    int rows, cols;
    int decays; /* 1: weights of dense layers, and the table; 0: biases */
};

struct trainer_model {
    void *self;
    real *params, *grads; /* [n_params] */
    size_t n_params;
    const unsigned char *label; /* of every sample an id can mean */
    /* Sets grads to those of the mean over ids of weight[label] * loss; adds the sums of the
     * losses to sum. key: this epoch's dropout. */
    void (*gradient)(void *self, struct layer_loss *sum, const int *ids, int n,
                     const real weight[2], uint64_t key);
    void (*logits)(void *self, real *z, const int *ids, int n); /* dropout off */
    const struct trainer_tensor *tensors; /* [n_tensors] of params; only decay asks for them */
    int n_tensors;
};

/* none: 1 and 1. basic: W_label = 1 - n_label/n over the training rows. sqrt: its root. */
enum trainer_weighting { TRAINER_NONE, TRAINER_BASIC, TRAINER_SQRT };
enum trainer_stop { TRAINER_BY_FPR, TRAINER_BY_LOSS };

struct trainer_options {
    uint64_t seed;
    int batch;
    double lr;
    int weighting, stop;
    int first_epoch, patience, max_epochs;
    int train_every; /* training rows are scored in evaluation mode every so many epochs */
    double decay;    /* of tensors that decay, a step: w -= lr decay w, before Adam's; 0: none */
};
#define TRAINER_DLRM \
    .batch = 2048, .lr = 0.01, .stop = TRAINER_BY_FPR, .first_epoch = 300, .patience = 50, \
    .max_epochs = 2000, .train_every = 10
#define TRAINER_MLP \
    .batch = 2048, .lr = 0.001, .stop = TRAINER_BY_LOSS, .first_epoch = 1, .patience = 5, \
    .max_epochs = 200, .train_every = 10

/* One epoch, for the table of that name. Undefined numbers are NaN: rates without rows of
 * that label, train_fpr and train_accuracy in epochs that do not score the training rows
 * (train_every, and the last). Losses are means over rows: train_* the running mean while the
 * weights moved, dropout on; val_* dropout off. *_plain without the class weights. */
struct trainer_epoch {
    int epoch;
    double train_loss, train_loss_plain, train_fpr, train_accuracy;
    double val_loss, val_loss_plain, val_fpr, val_accuracy, val_auc;
    int is_best; /* so far */
};

struct trainer_result {
    int epochs;             /* done */
    int finished;           /* 1: stopped by patience or cap */
    int stopped_early;      /* 1: by patience */
    int degenerate;         /* 1: the best weights predict one class for all of validation */
    struct trainer_epoch best; /* its train rates are NaN unless scored in that epoch */
};

struct trainer;

void trainer_weights(real weight[2], int weighting, const unsigned char *label,
                     const int *ids, int n);

/* Borrows the model until trainer_free; copies ids and options. NULL: no training or no
 * validation rows, or options out of range. The model's present parameters are the start. */
struct trainer *trainer_new(const struct trainer_model *model, const int *train, int n_train,
                            const int *valid, int n_valid, const struct trainer_options *o,
                            struct err *e) MM_MUST_CHECK;
void trainer_free(struct trainer *t); /* NULL is accepted */

/* 1: one epoch done, more to come; 0: one epoch done and training ended, the model holds the
 * best weights; -1: a loss or a weight is no longer finite (the run is lost), or called after
 * the end. */
int trainer_epoch(struct trainer *t, struct trainer_epoch *rec, struct err *e) MM_MUST_CHECK;

/* trainer_epoch to the end; each (or NULL) sees every epoch and stops the loop, with no
 * failure, by returning non-zero: the trainer can then be saved. */
int trainer_run(struct trainer *t, int (*each)(void *ctx, const struct trainer_epoch *rec),
                void *ctx, struct err *e) MM_MUST_CHECK;

void trainer_result(const struct trainer *t, struct trainer_result *out);

/* The whole state between two epochs, appended to to: parameters, two moments and the best
 * parameters, 16 bytes a parameter. The full DLRM (8 dense, 179 categories, two blocks) has
 * 13,025 parameters as dot and 19,169 as cat: 208 and 307 KB. load, into a trainer made of the same
 * model shape, rows and options, gives one that goes on bit for bit as the first would have.
 * -1: the blob is cut, or is of another run. */
void trainer_save(const struct trainer *t, struct buf *to);
int trainer_load(struct trainer *t, const void *blob, size_t n, struct err *e) MM_MUST_CHECK;

#endif
