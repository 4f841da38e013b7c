/* SPDX-License-Identifier: MIT */
/* Dense features and categories of the rows of a dataset: numbers of what each row may look
 * at, ready for a model.
 *
 *     struct dense_columns c;
 *     if (dense_parse(&c, "user_mean user_count price", &e) < 0) ...
 *     float *x = xcalloc(d->n * c.n, sizeof *x);
 *     dense_fill(x, c.n, &c, d, db, price_method);      // [d->n, c.n], standardised
 *
 * Names:
 *   user_mean, business_mean      mean rating of the visible train reviews. Crossfit: damped,
 *                                 (sum + 5 mu) / (n + 5) with mu the mean of train (Funk
 *                                 2006). Paper: plain, a train row's own rating left out, mu
 *                                 where nothing is left
 *   user_count, business_count    ln(1 + visible train reviews; paper: but the own one)
 *   user_texts, business_texts    ln(1 + visible texts; paper: but the own one)
 *   photo_count                   ln(1 + visible photos of the business)
 *   price, price_known            over-priced +1, fair 0, cheap -1, none 0; tag is not none
 *   user_cold, business_cold      1: no visible text and no visible train review
 * Standardised: mean 0 and sd 1 over the train rows; a constant column is 0.
 */
#ifndef MM_TRAIN_DENSE_H
#define MM_TRAIN_DENSE_H
#include "train/dataset.h"

#define DENSE_COLUMNS 64
#define DENSE_BAG 11

struct dense_columns {
    int n;
    int which[DENSE_COLUMNS];
};

/* names are blank-separated. -1: an unknown one. */
int dense_parse(struct dense_columns *c, const char *names, struct err *e) MM_MUST_CHECK;

/* x [d->n, ld], the first c->n columns. price: method that gave the tags, 0 for none. */
void dense_fill(float *x, int ld, const struct dense_columns *c, const struct dataset *d,
                struct db *db, int64_t price);

/* How many categories there are: names that the method `category` gave to at least 2 of the
 * business views of train rows; alphabetical. (At least 2 businesses was worse: proposed-text on
 * the sample, 10 splits x 3 seeds, test AUC 0.740 instead of 0.753.) A rarer name of several
 * words counts as the longest of these that it ends with; other rare ones are left out. */
int dense_vocabulary(const struct dataset *d, struct db *db, int64_t category);
/* Category ids of each row's business view -> bags [d->n, DENSE_BAG], padded with n, the
 * size of the vocabulary, which must have been made just before. */
void dense_bags(int *bags, int n, const struct dataset *d, struct db *db, int64_t category);

#endif
