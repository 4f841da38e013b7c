/* SPDX-License-Identifier: MIT */
/* One training run from features to probabilities: a DLRM, a logistic regression, or one of
 * the baselines that cost nothing. No database; one thread; the same bits for the same job.
 *
 *     struct run_job job = {.f = &features, .d = d, .seed = 1, .lr = 0.01, .batch = 2048, ...};
 *     struct run_result r;
 *     if (run_train(&r, &job, &e) < 0) ...     // diverged: e says where
 *     run_result_release(&r);
 */
#ifndef MM_TRAIN_RUN_H
#define MM_TRAIN_RUN_H
#include "base/buf.h"
#include "train/features.h"
#include "train/metrics.h"
#include "train/trainer.h"

#define RUN_VERSION 2

struct run_job {
    const struct features *f;
    const struct dataset *d;
    enum trainer_weighting weighting;
    float dropout;
    uint64_t seed;
    double lr, decay;
    int batch;
    enum trainer_stop stopping;
    const void *resume;    /* a checkpoint, or NULL */
    size_t resume_bytes;
    double checkpoint_s;   /* seconds of training between checkpoints */
    int (*stop)(void);     /* non-zero: end after this epoch with a checkpoint */
    void (*checkpoint)(void *ctx, int epoch, struct buf *state); /* takes the buffer's bytes */
    void *ctx;
};

struct run_result {
    struct trainer_epoch *epochs; /* [n_epochs] */
    int n_epochs, cap_epochs, best_epoch, degenerate, interrupted;
    float *p;                     /* [d->n] probability of a positive review */
    float threshold;              /* best accuracy on validation */
    double metric[DATASET_SPLITS][METRICS_KINDS];     /* at threshold 0.5; NaN undefined */
    double at_threshold[DATASET_SPLITS][2];           /* accuracy, fpr at the chosen one */
};

int run_train(struct run_result *r, const struct run_job *job, struct err *e) MM_MUST_CHECK;
void run_result_release(struct run_result *r);

#endif
