/* SPDX-License-Identifier: MIT */
#include "train/metrics.h"
#include "base/util.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ECE_BINS 15

const char *const metrics_name[METRICS_KINDS] = {
    "accuracy", "fpr", "tpr", "loss", "auc", "pr_auc", "fpr_at_tpr80", "fpr_at_tpr90",
    "fpr_at_tpr95", "ece"};

void metrics_count(struct metrics_counts *c, const unsigned char *label, const float *p, int n,
                   float threshold)
{
    int count[2][2] = {{0, 0}, {0, 0}};
    for (int i = 0; i < n; i++)
        count[label[i]][p[i] > threshold]++;
    *c = (struct metrics_counts){.tp = count[1][1], .fp = count[0][1], .tn = count[0][0],
                                 .fn = count[1][0]};
}

static double ratio(double a, double b)
{
    return b > 0 ? a / b : NAN;
}

double metrics_accuracy(const struct metrics_counts *c)
{
    return ratio(c->tp + c->tn, c->tp + c->tn + c->fp + c->fn);
}

double metrics_fpr(const struct metrics_counts *c)
{
    return ratio(c->fp, c->fp + c->tn);
}

double metrics_tpr(const struct metrics_counts *c)
{
    return ratio(c->tp, c->tp + c->fn);
}

/* ---- ranking ---- */

/* An integer that grows as the float falls; +0 and -0 come out as neighbours. */
static uint32_t key_of(float p)
{
    uint32_t u;
    memcpy(&u, &p, sizeof u);
    return u & 0x80000000u ? u : ~u & 0x7fffffffu;
}

/* Stable radix sort, a byte a pass: linear, and the same order everywhere. */
void metrics_rank(struct metrics_ranking *r, const unsigned char *label, const float *p, int n)
{
    *r = (struct metrics_ranking){label, p, xmalloc((size_t)n * sizeof(int)), n};
    int *from = xmalloc((size_t)n * sizeof(int)), *to = r->order;
    uint32_t *key = xmalloc((size_t)n * sizeof *key);
    for (int i = 0; i < n; i++) {
        from[i] = i;
        key[i] = key_of(p[i]);
    }
    for (int shift = 0; shift < 32; shift += 8) {
        size_t start[257] = {0};
        for (int i = 0; i < n; i++)
            start[(key[i] >> shift & 255) + 1]++;
        for (int b = 0; b < 256; b++)
            start[b + 1] += start[b];
        for (int i = 0; i < n; i++)
            to[start[key[from[i]] >> shift & 255]++] = from[i];
        int *t = from;
        from = to;
        to = t;
    }
    r->order = from; /* four passes end where they began */
    free(to);
    free(key);
}

void metrics_rank_release(struct metrics_ranking *r)
{
    free(r->order);
    *r = (struct metrics_ranking){0};
}

/* The rows of one distinct score: positives dt, negatives df. */
struct step {
    int at; /* next place in the order */
    double dt, df;
};

/* The next distinct score that has rows; 0 at the end. */
static int next_step(struct step *s, const struct metrics_ranking *r, const int *times)
{
    s->dt = s->df = 0;
    while (s->at < r->n && s->dt + s->df <= 0) {
        float p = r->p[r->order[s->at]];
        for (; s->at < r->n && r->p[r->order[s->at]] >= p; s->at++) {
            int i = r->order[s->at], k = times ? times[i] : 1;
            *(r->label[i] ? &s->dt : &s->df) += k;
        }
    }
    return s->dt + s->df > 0;
}

static double auc(const struct metrics_ranking *r, const int *times)
{
    double tp = 0, fp = 0, area = 0;
    for (struct step s = {0}; next_step(&s, r, times); tp += s.dt, fp += s.df)
        area += s.df * (tp + s.dt / 2);
    return ratio(area, tp * fp);
}

static double pr_auc(const struct metrics_ranking *r, const int *times)
{
    double tp = 0, fp = 0, area = 0;
    for (struct step s = {0}; next_step(&s, r, times);) {
        tp += s.dt;
        fp += s.df;
        area += s.dt * tp / (tp + fp);
    }
    return ratio(area, tp);
}

static double fpr_at_tpr(const struct metrics_ranking *r, const int *times, double tpr)
{
    double pos = 0, neg = 0, tp = 0, fp = 0;
    for (struct step s = {0}; next_step(&s, r, times); pos += s.dt, neg += s.df)
        ;
    if (pos <= 0 || neg <= 0)
        return NAN;
    struct step now = {0}, then;
    int more = next_step(&now, r, times), first = 1;
    while (more) {
        then = now;
        more = next_step(&then, r, times);
        tp += now.dt;
        fp += now.df;
        int corner = first || !more || now.dt != then.dt || now.df != then.df;
        if (corner && tp / pos >= tpr)
            return fp / neg;
        first = 0;
        now = then;
    }
    return 1;
}

/* ---- numbers at a threshold and of probabilities ---- */

static void count_times(struct metrics_counts *c, const struct metrics_ranking *r,
                        const int *times)
{
    double count[2][2] = {{0, 0}, {0, 0}};
    for (int i = 0; i < r->n; i++)
        count[r->label[i]][r->p[i] > 0.5f] += times ? times[i] : 1;
    *c = (struct metrics_counts){.tp = count[1][1], .fp = count[0][1], .tn = count[0][0],
                                 .fn = count[1][0]};
}

static double loss(const struct metrics_ranking *r, const int *times)
{
    double sum = 0, n = 0;
    for (int i = 0; i < r->n; i++) {
        int k = times ? times[i] : 1;
        double p = r->p[i], l = -log(r->label[i] ? p : 1 - p);
        sum += k * (l < 100 ? l : 100);
        n += k;
    }
    return ratio(sum, n);
}

static double ece(const struct metrics_ranking *r, const int *times)
{
    double p[ECE_BINS] = {0}, pos[ECE_BINS] = {0}, n = 0, sum = 0;
    for (int i = 0; i < r->n; i++) {
        int k = times ? times[i] : 1, bin = (int)ceil((double)r->p[i] * ECE_BINS) - 1;
        bin = bin < 0 ? 0 : bin >= ECE_BINS ? ECE_BINS - 1 : bin;
        p[bin] += k * (double)r->p[i];
        pos[bin] += k * r->label[i];
        n += k;
    }
    for (int b = 0; b < ECE_BINS; b++)
        sum += fabs(p[b] - pos[b]);
    return ratio(sum, n);
}

double metrics_value(int kind, const struct metrics_ranking *r, const int *times)
{
    struct metrics_counts c = {0};
    if (kind <= METRICS_TPR)
        count_times(&c, r, times);
    switch (kind) {
    case METRICS_ACCURACY:
        return metrics_accuracy(&c);
    case METRICS_FPR:
        return metrics_fpr(&c);
    case METRICS_TPR:
        return metrics_tpr(&c);
    case METRICS_LOSS:
        return loss(r, times);
    case METRICS_AUC:
        return auc(r, times);
    case METRICS_PR_AUC:
        return pr_auc(r, times);
    case METRICS_FPR_AT_TPR80:
        return fpr_at_tpr(r, times, 0.8);
    case METRICS_FPR_AT_TPR90:
        return fpr_at_tpr(r, times, 0.9);
    case METRICS_FPR_AT_TPR95:
        return fpr_at_tpr(r, times, 0.95);
    case METRICS_ECE:
        return ece(r, times);
    }
    return NAN;
}

double metrics_auc(const unsigned char *label, const float *p, int n)
{
    struct metrics_ranking r;
    metrics_rank(&r, label, p, n);
    double a = auc(&r, NULL);
    metrics_rank_release(&r);
    return a;
}

/* ---- thresholds ---- */

/* Below the score at place at-1 of the order and not below the next. */
static float between(const struct metrics_ranking *r, int at)
{
    if (r->n == 0)
        return 0.5f;
    if (at == 0)
        return r->p[r->order[0]];
    float above = r->p[r->order[at - 1]];
    if (at == r->n)
        return nextafterf(above, -INFINITY);
    float below = r->p[r->order[at]], mid = below + (above - below) / 2;
    return mid < above ? mid : below;
}

float metrics_threshold_accuracy(const struct metrics_ranking *r)
{
    struct step s = {0};
    float best = between(r, 0);
    double right = 0, most = 0; /* rows right, against calling every row negative */
    while (next_step(&s, r, NULL)) {
        right += s.dt - s.df;
        float t = between(r, s.at);
        if (right > most || (right >= most && fabsf(t - 0.5f) < fabsf(best - 0.5f))) {
            most = right;
            best = t;
        }
    }
    return best;
}

float metrics_threshold_tpr(const struct metrics_ranking *r, double tpr)
{
    double pos = 0, tp = 0;
    for (int i = 0; i < r->n; i++)
        pos += r->label[i];
    for (struct step s = {0}; next_step(&s, r, NULL);) {
        tp += s.dt;
        if (pos > 0 && tp / pos >= tpr)
            return between(r, s.at);
    }
    return NAN;
}

void metrics_mean_sd(double *mean, double *sd, const double *x, int n)
{
    double sum = 0, square = 0;
    for (int i = 0; i < n; i++)
        sum += x[i];
    *mean = ratio(sum, n);
    for (int i = 0; i < n; i++)
        square += (x[i] - *mean) * (x[i] - *mean);
    *sd = n > 1 ? sqrt(square / (n - 1)) : NAN;
}
