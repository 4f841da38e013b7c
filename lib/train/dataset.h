/* SPDX-License-Identifier: MIT */
/* The labelled reviews of a database as arrays: what is predicted, in which split and fold,
 * and which visible set of its user and of its business each one may look at.
 *
 *     struct dataset *d = dataset_new(db, DATASET_CROSSFIT, &e);
 *     for (int i = 0; i < d->n; i++) d->label[i], d->view[DATASET_USER][i] ...
 *     dataset_free(d);
 *
 * Crossfit: a row of split train in fold k looks at the views of fold k, all others at those
 * of fold -1 (schema.sql, visible). Paper: every row looks at fold -1, which for a train row
 * holds the row itself; averages leave it out again, summaries, tags and photos do not
 * (the paper says so of averages only). Rows are in natural key order, never in that of row
 * ids, so that the same data give the same training whatever way they came in.
 *
 * The setting IMBALANCE = s > 0 leaves out negatives, chosen by a hash of their keys and
 * SPLIT_SEED, until s of each split are negative. All three splits: a threshold chosen on
 * validation must meet the rates of test. What rows may look at does not change. With PILOT = n
 * only the rows of n businesses are there (db/pilot.h): those for which a model was asked.
 */
#ifndef MM_TRAIN_DATASET_H
#define MM_TRAIN_DATASET_H
#include "base/err.h"
#include <stdint.h>

struct db;

enum dataset_side { DATASET_USER, DATASET_BUSINESS };
enum dataset_protocol { DATASET_CROSSFIT, DATASET_PAPER, DATASET_PROTOCOLS };
extern const char *const dataset_protocol_name[DATASET_PROTOCOLS];
enum dataset_split { DATASET_TRAIN, DATASET_VAL, DATASET_TEST, DATASET_SPLITS };
extern const char *const dataset_split_name[DATASET_SPLITS];

/* One visible set that some row looks at. */
struct dataset_view {
    int64_t id;      /* visible.id */
    int64_t entity;  /* user.id or business.id */
    int fold;        /* -1: full */
    int n_text, n_labelled, n_photo;
    double rating_sum;   /* stars, over n_labelled */
    unsigned char text_digest[32], photo_digest[32];
};

struct dataset {
    int n;
    enum dataset_protocol protocol;
    int by_time;           /* 1: folds are blocks of time, a fold sees only earlier ones */
    int folds;             /* of the training split */
    int left_out;          /* rows that IMBALANCE left out */
    int64_t *review;       /* [n] review.id */
    unsigned char *label;  /* [n] 1: positive */
    unsigned char *split;  /* [n] enum dataset_split */
    int *fold;             /* [n] -1 unless train */
    float *rating;         /* [n] stars */
    unsigned char *has_text; /* [n] 1: the review has a text */
    int *view[2];          /* [n] index into views[side], -1: nothing visible */
    struct dataset_view *views[2]; /* [n_views[side]] in order of first use */
    int n_views[2];
    int *ids[DATASET_SPLITS];      /* [n_ids[split]] rows of a split, in order */
    int n_ids[DATASET_SPLITS];
    double mean_rating;    /* of the train rows */
};

/* NULL: no labelled train or validation rows. */
struct dataset *dataset_new(struct db *db, enum dataset_protocol protocol,
                            struct err *e) MM_MUST_CHECK;
void dataset_free(struct dataset *d);

/* Shuffles ratings and labels together among the train rows, and makes the sums of all views
 * those of the shuffled ratings: what a model then finds in held-out folds is leakage. */
void dataset_permute(struct dataset *d, uint64_t seed);

#endif
