/* SPDX-License-Identifier: MIT */
#include "train/baseline.h"

float baseline_majority(const unsigned char *label, const int *ids, int n)
{
    double positive = 0;
    for (int i = 0; i < n; i++)
        positive += label[ids[i]];
    return n ? (float)(positive / n) : 0.5f;
}

double baseline_damped(double sum, double count, double mu, double damping)
{
    double n = count + damping;
    return n > 0 ? (sum + damping * mu) / n : mu;
}

void baseline_means(float *score, const int *user, const int *business, const double *user_sum,
                    const double *user_count, const double *business_sum,
                    const double *business_count, double mu, double damping, int n)
{
    for (int i = 0; i < n; i++) {
        int u = user[i], b = business[i];
        double mean_u = u < 0 ? mu : baseline_damped(user_sum[u], user_count[u], mu, damping);
        double mean_b = b < 0 ? mu : baseline_damped(business_sum[b], business_count[b], mu,
                                                     damping);
        score[i] = (float)(mean_u + mean_b);
    }
}

void baseline_probability(float *score, double mu, int n)
{
    for (int i = 0; i < n; i++) {
        double p = score[i] - mu;
        score[i] = (float)(p < 0.001 ? 0.001 : p > 0.999 ? 0.999 : p);
    }
}
