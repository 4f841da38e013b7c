/* SPDX-License-Identifier: MIT */
/* The models that cost nothing, beside which every other has to show its worth.
 *
 *     float p = baseline_majority(label, ids, n);                    // for every row
 *     baseline_means(score, user, business, user_sum, user_n, biz_sum, biz_n, mu, 5, n);
 *
 * Sums and counts must come from rows that the scored row may see (the other folds).
 */
#ifndef MM_TRAIN_BASELINE_H
#define MM_TRAIN_BASELINE_H

/* Share of positives among ids [n], as the probability of every row: 0.5 for none. At
 * threshold 0.5 it predicts the majority (a tie counts as negative). */
float baseline_majority(const unsigned char *label, const int *ids, int n);

/* (sum + damping mu) / (count + damping): a mean that starts from mu, as if damping rows with
 * it had been seen before (Funk 2006's "better mean"; 5 as in the peer measurement). */
double baseline_damped(double sum, double count, double mu, double damping);

/* score [n] = damped mean of the row's user + damped mean of its business. user and business
 * [n] index the sums and counts; -1 is an unknown one, with mean mu. With ratings it lies in
 * 2..10; a threshold belongs to it, from metrics_threshold_accuracy on validation. With
 * labels instead of ratings, score - mu is an estimate of the probability: see
 * baseline_probability. */
void baseline_means(float *score, const int *user, const int *business, const double *user_sum,
                    const double *user_count, const double *business_sum,
                    const double *business_count, double mu, double damping, int n);

/* score [n] of baseline_means on labels -> score - mu within [0.001, 0.999], so that its log
 * loss is finite. */
void baseline_probability(float *score, double mu, int n);

#endif
