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
