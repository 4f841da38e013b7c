/* SPDX-License-Identifier: MIT */
#include "model/generate.h"
#include "base/simd.h"
#include "base/util.h"
#include "nn/fastmath.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What stands for minus infinity in scores; as in the original, so that sums of it compare as
 * there. */
#define NEVER (-1e9f)

/* A text that may still grow, or one that is done. */
struct beam {
    int *ids; /* [max_new] */
    float score;
    int n, done, stopped;
};

struct item {
    struct beam *beam, *next; /* [beams] that grow, best first; those of the next step */
    struct beam *best, *merged; /* [beams] that are done, best first; as next */
    int hopeless; /* nothing that grows can become better than what is done */
    int done;
};

/* A continuation: beam, token and the sum of log probabilities with it. */
struct candidate {
    int beam, token;
    float score;
};

struct generate {
    struct generate_options o;
    struct item *item;
    int items, step; /* tokens chosen so far */
    struct generate_row *row, *old_row;
    int rows;
    struct candidate *top; /* [2*beams] */
};

static void beams_init(struct beam **b, const struct generate_options *o)
{
    *b = xcalloc((size_t)o->beams, sizeof **b);
    for (int i = 0; i < o->beams; i++) {
        (*b)[i].ids = xcalloc((size_t)o->max_new, sizeof(int));
        (*b)[i].score = NEVER;
    }
}

static void beams_release(struct beam *b, int n)
{
    for (int i = 0; i < n; i++)
        free(b[i].ids);
    free(b);
}

struct generate *generate_new(int items, const struct generate_options *o)
{
    struct generate *s = xcalloc(1, sizeof *s);
    size_t rows = (size_t)items * (size_t)o->beams;
    s->o = *o;
    s->items = items;
    s->item = xcalloc((size_t)items, sizeof *s->item);
    s->row = xcalloc(rows, sizeof *s->row);
    s->old_row = xcalloc(rows, sizeof *s->old_row);
    s->top = xcalloc(2 * (size_t)o->beams, sizeof *s->top);
    for (int i = 0; i < items; i++) {
        struct item *it = &s->item[i];
        beams_init(&it->beam, o);
        beams_init(&it->next, o);
        beams_init(&it->best, o);
        beams_init(&it->merged, o);
        it->beam[0].score = 0;
        s->row[s->rows++] = (struct generate_row){i, -1, -1};
    }
    return s;
}

void generate_free(struct generate *s)
{
    if (!s)
        return;
    for (int i = 0; i < s->items; i++) {
        beams_release(s->item[i].beam, s->o.beams);
        beams_release(s->item[i].next, s->o.beams);
        beams_release(s->item[i].best, s->o.beams);
        beams_release(s->item[i].merged, s->o.beams);
    }
    free(s->item);
    free(s->row);
    free(s->old_row);
    free(s->top);
    free(s);
}

/* ---- logits ---- */

static int allowed(const struct generate *s, int token)
{
    return token < s->o.forbidden && (token != s->o.stop || s->step >= s->o.min_new);
}

/* Sum of exp(x - max) over at most some thousand x; sixteen sums in a fixed order. */
SIMD_FAST static float sum_exp(const float *x, float max, int n)
{
    float lane[16] = {0}, sum = 0;
    int i = 0;
    for (; i + 16 <= n; i += 16)
        for (int l = 0; l < 16; l++)
            lane[l] += exp_poly(x[i + l] - max);
    for (; i < n; i++)
        lane[0] += exp_poly(x[i] - max);
    for (int l = 0; l < 16; l++)
        sum += lane[l];
    return sum;
}

/* log of the sum of exponentials of all logits, also of those that may not be chosen: the
 * original forbids after the softmax. */
static float log_sum(const float *logits, int n)
{
    enum { PART = 4096 };
    float max = logits[0];
    double sum = 0;
    for (int i = 1; i < n; i++)
        max = logits[i] > max ? logits[i] : max;
    for (int i = 0; i < n; i += PART)
        sum += (double)sum_exp(logits + i, max, n - i < PART ? n - i : PART);
    return (float)((double)max + log(sum));
}

/* ---- greedy ---- */

static int highest(const struct generate *s, const float *logits)
{
    int best = -1;
    for (int t = 0; t < s->o.vocab; t++)
        if (allowed(s, t) && (best < 0 || logits[t] > logits[best]))
            best = t;
    return best;
}

static void take_greedy(struct generate *s, struct item *it, const float *logits)
{
    struct beam *b = &it->best[0];
    int token = highest(s, logits);
    b->stopped = token == s->o.stop;
    if (!b->stopped)
        b->ids[b->n++] = token;
    it->done = b->stopped || s->step + 1 == s->o.max_new;
}

/* ---- beams ---- */

/* Puts c into the n best, in order; of equal scores the earlier stays in front. */
static int insert(struct candidate *top, int have, int n, const struct candidate *c)
{
    int i = have < n ? have : n - 1;
    if (have == n && !(c->score > top[n - 1].score))
        return have;
    for (; i > 0 && c->score > top[i - 1].score; i--)
        top[i] = top[i - 1];
    top[i] = *c;
    return have < n ? have + 1 : n;
}

/* The 2*beams best continuations of an item, best first; logits [rows,vocab] of its beams, or
 * of its prompt before the first token. Returns their number. */
static int find_top(struct generate *s, const struct item *it, const float *logits, int rows)
{
    int want = 2 * s->o.beams, have = 0;
    for (int b = 0; b < rows; b++, logits += s->o.vocab) {
        float all = log_sum(logits, s->o.vocab), score = it->beam[b].score;
        for (int t = 0; t < s->o.vocab; t++) {
            struct candidate c = {b, t, (logits[t] - all) + score};
            if ((have < want || c.score > s->top[want - 1].score) && allowed(s, t))
                have = insert(s->top, have, want, &c);
        }
    }
    return have;
}

static void extend(struct beam *to, const struct generate *s, const struct item *it,
                   const struct candidate *c)
{
    const struct beam *b = &it->beam[c->beam];
    memcpy(to->ids, b->ids, (size_t)s->step * sizeof *to->ids);
    to->ids[s->step] = c->token;
    to->n = s->step + 1;
    to->score = c->score;
}

static void copy(struct beam *to, const struct beam *from)
{
    int *ids = to->ids;
    memcpy(ids, from->ids, (size_t)from->n * sizeof *ids);
    *to = *from;
    to->ids = ids;
}

/* Merges what has just ended among the first `beams` candidates into what was done: the best
 * of both, by score over length. */
static void finish(struct generate *s, struct item *it, int have)
{
    int beams = s->o.beams, n = 0, old = 0, c = 0;
    double length = pow(s->step + 1, s->o.length_penalty);
    /* Both lists fall, so this is a merge; of equals the older stays in front. */
    while (n < beams) {
        while (c < have && c < beams && !(s->top[c].token == s->o.stop ||
                                          s->step + 1 == s->o.max_new))
            c++;
        int more = c < have && c < beams && !it->hopeless;
        float score = more ? (float)(s->top[c].score / length) : NEVER;
        if (more && (!it->best[old].done || score > it->best[old].score)) {
            extend(&it->merged[n], s, it, &s->top[c]);
            it->merged[n].stopped = s->top[c].token == s->o.stop;
            it->merged[n].n -= it->merged[n].stopped;
            it->merged[n].score = score;
            it->merged[n++].done = 1;
            c++;
        } else {
            copy(&it->merged[n++], &it->best[old++]);
        }
    }
    struct beam *swap = it->best;
    it->best = it->merged;
    it->merged = swap;
}

/* The best candidates that do not end go on. */
static void go_on(struct generate *s, struct item *it, int have)
{
    int n = 0;
    for (int c = 0; c < have && n < s->o.beams; c++)
        if (s->top[c].token != s->o.stop)
            extend(&it->next[n++], s, it, &s->top[c]);
    for (; n < s->o.beams; n++) /* a tiny vocabulary: nothing else is left */
        it->next[n].score = NEVER;
}

static void take_beams(struct generate *s, int i, const float *logits, int rows, int first)
{
    struct item *it = &s->item[i];
    int have = find_top(s, it, logits, rows), last = s->step + 1 == s->o.max_new;
    int n = 0, ended = 1;
    finish(s, it, have);
    go_on(s, it, have);
    for (int k = 0; k < s->o.beams; k++)
        ended &= it->best[k].done;
    if (ended)
        it->hopeless |= !(it->next[0].score / pow(s->step + 1, s->o.length_penalty) >
                          it->best[s->o.beams - 1].score);
    it->done = last || it->hopeless;
    for (int c = 0; !it->done && c < have && n < s->o.beams; c++)
        if (s->top[c].token != s->o.stop) {
            s->row[s->rows++] = (struct generate_row){i, s->top[c].token,
                                                      first + s->top[c].beam};
            n++;
        }
    struct beam *swap = it->beam;
    it->beam = it->next;
    it->next = swap;
}

/* ---- all items ---- */

int generate_take(struct generate *s, const float *logits)
{
    struct generate_row *swap = s->old_row;
    int had = s->rows;
    s->old_row = s->row;
    s->row = swap;
    s->rows = 0;
    for (int r = 0, n; r < had; r += n) {
        int i = s->old_row[r].item;
        const float *own = logits + (size_t)r * (size_t)s->o.vocab;
        for (n = 1; r + n < had && s->old_row[r + n].item == i;)
            n++;
        if (s->o.beams > 1) {
            take_beams(s, i, own, n, r);
            continue;
        }
        take_greedy(s, &s->item[i], own);
        if (!s->item[i].done)
            s->row[s->rows++] = (struct generate_row){
                i, s->item[i].best[0].ids[s->item[i].best[0].n - 1], r};
    }
    s->step++;
    return s->rows > 0;
}

int generate_rows(const struct generate *s)
{
    return s->rows;
}

const struct generate_row *generate_row(const struct generate *s, int row)
{
    return &s->row[row];
}

const int *generate_ids(const struct generate *s, int item, int *length, int *stopped)
{
    const struct beam *b = &s->item[item].best[0];
    *length = b->n;
    if (stopped)
        *stopped = b->stopped;
    return b->ids;
}
