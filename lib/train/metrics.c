/* SPDX-License-Identifier: MIT */
#include "train/metrics.h"
#include "base/util.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const metrics_name[METRICS_KINDS] = {
    "accuracy", "fpr", "tpr", "loss", "auc", "pr_auc", "fpr_at_tpr80", "fpr_at_tpr90",
    "fpr_at_tpr95", "ece", "pr_auc_negative"};

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
static void sort(int *order, const float *p, int n)
{
    int *from = order, *to = xmalloc((size_t)n * sizeof(int)), *other = to;
    uint32_t *key = xmalloc((size_t)n * sizeof *key);
    for (int i = 0; i < n; i++) {
        from[i] = i;
        key[i] = key_of(p[i]);
    }
    for (int shift = 0; shift < 32; shift += 8) { /* four passes end where they began */
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
    free(other);
    free(key);
}

/* A place of the order: whose times count, and whether it is positive and the last of its
 * score. */
#define POSITIVE 1u
#define LAST 2u

static void encode(struct metrics_ranking *r)
{
    r->above = 0;
    for (int i = 0; i < r->n; i++) {
        int row = r->order[i];
        uint32_t who = (uint32_t)(r->cluster ? r->cluster[row] : row);
        int last = i + 1 == r->n || r->p[r->order[i + 1]] < r->p[row];
        r->place[i] = who << 2 | (last ? LAST : 0) | (r->label[row] ? POSITIVE : 0);
        r->above += r->p[row] > 0.5f;
    }
}

void metrics_rank(struct metrics_ranking *r, const unsigned char *label, const float *p, int n)
{
    *r = (struct metrics_ranking){.label = label, .p = p, .n = n};
    r->order = xmalloc((size_t)n * sizeof *r->order);
    r->place = xmalloc((size_t)n * sizeof *r->place);
    sort(r->order, p, n);
    encode(r);
}

void metrics_rank_clusters(struct metrics_ranking *r, const int *cluster)
{
    r->cluster = cluster;
    encode(r);
}

void metrics_rank_release(struct metrics_ranking *r)
{
    free(r->order);
    free(r->place);
    *r = (struct metrics_ranking){0};
}

static int times_of(const struct metrics_ranking *r, const int *times, int row)
{
    return times ? times[r->cluster ? r->cluster[row] : row] : 1;
}

/* ---- ranking: one walk down the order ---- */

#define RATES 3

struct walk {
    double pos, neg;         /* in all */
    double tp, fp;           /* down to here */
    double area, ap, ap_neg; /* sums of AUC, PR-AUC, PR-AUC of the negatives */
    int dt, df;              /* of the last distinct score that has rows */
    double need[RATES];      /* true positives that make the rate */
    double at[RATES];        /* false positives there */
    int rate;                /* next of these */
};

/* The least whole tp with tp / pos >= rate. */
static double needed(double rate, double pos)
{
    double t = ceil(rate * pos);
    while (t > 0 && (t - 1) / pos >= rate)
        t--;
    while (t / pos < rate)
        t++;
    return t;
}

/* The point tp, fp is a corner of the curve. Returns the true positives wanted next. */
static double corner(struct walk *w, double tp, double fp)
{
    for (; w->rate < RATES && tp >= w->need[w->rate]; w->rate++)
        w->at[w->rate] = fp;
    return w->rate < RATES ? w->need[w->rate] : INFINITY;
}

/* From one distinct score to another. The sums are locals, not w's: so they stay in registers.
 * A score has dt positives and df negatives. None at all (a user who was not drawn) changes
 * nothing, and no branch asks: it could not be predicted. Of the two quotients one is enough
 * unless positives and negatives tie. */
static void walk_places(struct walk *w, const uint32_t *place, int from, int to, const int *times)
{
    double tp = w->tp, fp = w->fp, area = w->area, ap = w->ap, ap_neg = w->ap_neg;
    double need = corner(w, 0, 0), all = w->pos + w->neg;
    int dt = 0, df = 0, last_dt = w->dt, last_df = w->df;
    for (int i = from; i < to; i++) {
        uint32_t c = place[i];
        int k = times ? times[c >> 2] : 1, t = k * (int)(c & POSITIVE);
        dt += t;
        df += k - t;
        if (!(c & LAST))
            continue;
        if (tp >= need && dt + df > 0 && /* the middle of two equal steps is no corner */
            (tp + fp <= last_dt + last_df || dt != last_dt || df != last_df))
            need = corner(w, tp, fp);
        double neg = w->neg - fp, below = all - tp - fp;
        area += df * (tp + dt * 0.5);
        tp += dt;
        fp += df;
        double of = dt ? tp + fp : below, q = (dt ? tp : neg) / (of > 1 ? of : 1);
        ap += dt * q;
        ap_neg += (dt ? 0 : df) * q;
        if (dt && df)
            ap_neg += df * neg / below;
        last_dt = dt + df ? dt : last_dt;
        last_df = dt + df ? df : last_df;
        dt = df = 0;
    }
    w->tp = tp;
    w->fp = fp;
    w->area = area;
    w->ap = ap;
    w->ap_neg = ap_neg;
    w->dt = last_dt;
    w->df = last_df;
}

static void totals(struct walk *w, const uint32_t *place, int n, const int *times)
{
    int64_t pos = 0, all = 0;
    for (int i = 0; i < n; i++) {
        int k = times ? times[place[i] >> 2] : 1;
        all += k;
        pos += k * (int)(place[i] & POSITIVE);
    }
    w->pos = (double)pos;
    w->neg = (double)(all - pos);
}

void metrics_ranked(double v[METRICS_KINDS], const struct metrics_ranking *r, const int *times)
{
    static const double rate[RATES] = {0.8, 0.9, 0.95};
    struct walk w = {0};
    totals(&w, r->place, r->n, times);
    for (int k = 0; k < METRICS_KINDS; k++)
        v[k] = NAN;
    for (int i = 0; i < RATES; i++)
        w.need[i] = w.pos > 0 ? needed(rate[i], w.pos) : INFINITY;
    walk_places(&w, r->place, 0, r->above, times);
    struct metrics_counts c = {.tp = w.tp, .fp = w.fp, .tn = w.neg - w.fp, .fn = w.pos - w.tp};
    walk_places(&w, r->place, r->above, r->n, times);
    corner(&w, w.tp, w.fp);
    v[METRICS_ACCURACY] = metrics_accuracy(&c);
    v[METRICS_FPR] = metrics_fpr(&c);
    v[METRICS_TPR] = metrics_tpr(&c);
    v[METRICS_AUC] = ratio(w.area, w.pos * w.neg);
    v[METRICS_PR_AUC] = ratio(w.ap, w.pos);
    v[METRICS_PR_AUC_NEGATIVE] = ratio(w.ap_neg, w.neg);
    for (int i = 0; i < RATES; i++)
        v[METRICS_FPR_AT_TPR80 + i] = w.pos > 0 ? ratio(w.at[i], w.neg) : NAN;
}

/* ---- of probabilities ---- */

static double loss(const struct metrics_ranking *r, const int *times)
{
    double sum = 0, n = 0;
    for (int i = 0; i < r->n; i++) {
        int k = times_of(r, times, i);
        double p = r->p[i], l = -log(r->label[i] ? p : 1 - p);
        sum += k * (l < 100 ? l : 100);
        n += k;
    }
    return ratio(sum, n);
}

static void add_to_bin(struct metrics_bin bin[METRICS_BINS], double p, int label, int times)
{
    int b = (int)ceil(p * METRICS_BINS) - 1;
    struct metrics_bin *to = &bin[b < 0 ? 0 : b >= METRICS_BINS ? METRICS_BINS - 1 : b];
    to->n += times;
    to->p += times * p;
    to->positive += times * label;
}

void metrics_bins(struct metrics_bin bin[METRICS_BINS], const unsigned char *label,
                  const float *p, int n)
{
    memset(bin, 0, METRICS_BINS * sizeof *bin);
    for (int i = 0; i < n; i++)
        add_to_bin(bin, (double)p[i], label[i], 1);
}

static double ece(const struct metrics_ranking *r, const int *times)
{
    struct metrics_bin bin[METRICS_BINS] = {0};
    double n = 0, sum = 0;
    for (int i = 0; i < r->n; i++)
        add_to_bin(bin, (double)r->p[i], r->label[i], times_of(r, times, i));
    for (int b = 0; b < METRICS_BINS; b++) {
        sum += fabs(bin[b].p - bin[b].positive);
        n += bin[b].n;
    }
    return ratio(sum, n);
}

double metrics_value(int kind, const struct metrics_ranking *r, const int *times)
{
    double v[METRICS_KINDS];
    if (kind == METRICS_LOSS)
        return loss(r, times);
    if (kind == METRICS_ECE)
        return ece(r, times);
    metrics_ranked(v, r, times);
    return kind >= 0 && kind < METRICS_KINDS ? v[kind] : NAN;
}

double metrics_auc(const unsigned char *label, const float *p, int n)
{
    struct metrics_ranking r;
    metrics_rank(&r, label, p, n);
    double a = metrics_value(METRICS_AUC, &r, NULL);
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
    float best = between(r, 0);
    int right = 0, most = 0; /* rows right, against calling every row negative */
    for (int i = 0; i < r->n; i++) {
        right += r->place[i] & POSITIVE ? 1 : -1;
        if (!(r->place[i] & LAST))
            continue;
        float t = between(r, i + 1);
        if (right > most || (right == most && fabsf(t - 0.5f) < fabsf(best - 0.5f))) {
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
    for (int i = 0; i < r->n; i++) {
        tp += r->place[i] & POSITIVE;
        if ((r->place[i] & LAST) && pos > 0 && tp / pos >= tpr)
            return between(r, i + 1);
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
