/* SPDX-License-Identifier: MIT */
/* The labelled reviews of a database as arrays: what is predicted, in which split and fold,
 * and which visible set of its user and of its business each one may look at.
 *
 *     struct dataset *d = dataset_new(db, &e);
 *     for (int i = 0; i < d->n; i++) d->label[i], d->view[DATASET_USER][i] ...
 *     dataset_free(d);
 *
 * A row of split train in fold k looks at the views of fold k, all others at those of fold -1
 * (schema.sql, visible). Rows are in natural key order, never in that of row ids, so that the
 * same data give the same training whatever way they came in.
 */
#ifndef MM_TRAIN_DATASET_H
#define MM_TRAIN_DATASET_H
#include "base/err.h"
#include <stdint.h>

struct db;

enum dataset_side { DATASET_USER, DATASET_BUSINESS };
enum dataset_split { DATASET_TRAIN, DATASET_VAL, DATASET_TEST, DATASET_SPLITS };
extern const char *const dataset_split_name[DATASET_SPLITS];

/* One visible set that some row looks at. */
struct dataset_view {
    int64_t id;      /* visible.id */
    int64_t entity;  /* user.id or business.id */
    int fold;        /* -1: full */
    int n_text, n_labelled, n_photo;
    double rating_sum;
    unsigned char text_digest[32], photo_digest[32];
};

struct dataset {
    int n;
    int64_t *review;       /* [n] review.id */
    unsigned char *label;  /* [n] 1: positive */
    unsigned char *split;  /* [n] enum dataset_split */
    int *fold;             /* [n] -1 unless train */
    float *rating;         /* [n] stars */
    int *view[2];          /* [n] index into views[side], -1: nothing visible */
    struct dataset_view *views[2]; /* [n_views[side]] in order of first use */
    int n_views[2];
    int *ids[DATASET_SPLITS];      /* [n_ids[split]] rows of a split, in order */
    int n_ids[DATASET_SPLITS];
    double mean_rating;    /* of the train rows */
};

/* NULL: no labelled train or validation rows. */
struct dataset *dataset_new(struct db *db, struct err *e) MM_MUST_CHECK;
void dataset_free(struct dataset *d);

/* Dense features by name -> out [d->n, number of names], standardised with the mean and sd of
 * the train rows. names are blank-separated:
 *   user_mean, business_mean      damped mean rating of the visible train reviews:
 *                                 (sum + 5 mu) / (n + 5), mu = mean of train
 *   user_count, business_count    ln(1 + visible train reviews)
 *   user_texts, business_texts    ln(1 + visible texts)
 *   photo_count                   ln(1 + visible photos of the business)
 *   price, price_known            over-priced +1, fair 0, cheap -1, none 0; tag is not none
 *   user_cold, business_cold      1: no visible text and no visible train review
 * Returns the number of names, -1 for an unknown one. *out is the caller's to free(). */
int dataset_dense(float **out, const struct dataset *d, struct db *db, const char *names,
                  struct err *e) MM_MUST_CHECK;

#define DATASET_BAG 11
/* Category ids of the business's view -> bags [d->n, DATASET_BAG], padded with *n_categories.
 * The vocabulary is that of the train rows' views, names seen in fewer than 2 views are left
 * out; alphabetical. *bags is the caller's to free(). */
void dataset_categories(int **bags, int *n_categories, const struct dataset *d, struct db *db);

#endif
