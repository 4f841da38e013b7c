/* SPDX-License-Identifier: MIT */
/* The models that cost nothing, beside which every other has to show its worth.
 *
 *     float p = baseline_majority(label, ids, n);              // for every row
 *     double m = baseline_damped(sum, count, mu, 5);
 *
 * Sums and counts must come from rows that the scored row may see (the other folds).
 */
#ifndef MM_TRAIN_BASELINE_H
#define MM_TRAIN_BASELINE_H

/* Share of positives among ids [n], as the probability of every row: 0.5 for none. At
 * threshold 0.5 it predicts the majority (a tie counts as negative). */
float baseline_majority(const unsigned char *label, const int *ids, int n);

/* (sum + damping mu) / (count + damping): a mean that starts from mu, as if damping rows with
 * it had been seen before (Funk 2006's "better mean"; 5 as in the peer measurement). Damping
 * 0 is a plain mean; mu where there is nothing. */
double baseline_damped(double sum, double count, double mu, double damping);

#endif
