/* SPDX-License-Identifier: MIT */
#include "llm/extractive.h"
#include "base/util.h"
#include "base/words.h"
#include "llm/lexicon.h"
#include "llm/lexrank.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_SENTENCES = 240, CHOSEN = 5, MAX_BYTES = 600, MAX_SENTENCE_BYTES = 300 };
#define TOO_LIKE 0.5f

struct extractive {
    struct lexicon *opinion, *price, *category;
};

struct extractive *extractive_new(struct err *e)
{
    struct extractive *x = xcalloc(1, sizeof *x);
    if (!(x->opinion = lexicon_new("prompts/opinion.tsv", e)) ||
        !(x->price = lexicon_new("prompts/price.tsv", e)) ||
        !(x->category = lexicon_new("prompts/category.tsv", e))) {
        extractive_free(x);
        return NULL;
    }
    return x;
}

void extractive_free(struct extractive *x)
{
    if (!x)
        return;
    lexicon_free(x->opinion);
    lexicon_free(x->price);
    lexicon_free(x->category);
    free(x);
}

/* ---- sentences ---- */

struct sentence {
    const char *p;
    size_t n;
    int polarity; /* praise > 0, complaint < 0 */
};

static void on_opinion(void *ctx, const struct lexicon_hit *h)
{
    int *sum = ctx, sign = h->cls == 0 ? 1 : -1;
    *sum += h->negated ? -sign : sign;
}

static int trailing_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* All sentences of all texts, counted; those of the given rank in the even sample are kept. */
static int list_sentences(struct sentence *s, int cap, int step_of, const struct llm_text *t,
                          int n)
{
    int seen = 0, kept = 0;
    for (int i = 0; i < n; i++) {
        const char *p = t[i].text, *end = p + t[i].bytes;
        while (p < end) {
            size_t len = words_sentence(p, (size_t)(end - p)), trim = len;
            while (trim > 0 && trailing_space(p[trim - 1]))
                trim--;
            if (trim > 0) {
                /* An even sample: sentence k stays when k * cap / all moves on. */
                if (s && kept < cap && (int64_t)seen * cap / step_of >= kept)
                    s[kept++] = (struct sentence){p, trim, 0};
                seen++;
            }
            p += len;
        }
    }
    return s ? kept : seen;
}

static int by_hash(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void make_bag(struct lexrank_bag *bag, const struct words *w)
{
    *bag = (struct lexrank_bag){0};
    bag->hash = xcalloc((size_t)w->n, sizeof *bag->hash);
    bag->count = xcalloc((size_t)w->n, sizeof *bag->count);
    int all = 0;
    for (int i = 0; i < w->n; i++)
        if (!w->w[i].stop)
            bag->hash[all++] = w->w[i].hash;
    qsort(bag->hash, (size_t)all, sizeof *bag->hash, by_hash);
    for (int i = 0; i < all; i++) {
        if (bag->n == 0 || bag->hash[bag->n - 1] != bag->hash[i])
            bag->hash[bag->n++] = bag->hash[i];
        bag->count[bag->n - 1] += 1;
    }
}

/* ---- choosing ---- */

struct choice {
    const struct sentence *s;
    const float *rank, *cosine;
    const int *order; /* best first */
    int n;
    int picked[CHOSEN], n_picked;
    size_t bytes;
};

static size_t shown_bytes(const struct sentence *s)
{
    return s->n < MAX_SENTENCE_BYTES ? s->n : MAX_SENTENCE_BYTES;
}

static void pick(struct choice *c, int i)
{
    if (c->n_picked == CHOSEN ||
        (c->n_picked > 0 && c->bytes + shown_bytes(&c->s[i]) > MAX_BYTES))
        return;
    for (int k = 0; k < c->n_picked; k++)
        if (c->cosine[(size_t)i * (size_t)c->n + (size_t)c->picked[k]] > TOO_LIKE)
            return;
    c->picked[c->n_picked++] = i;
    c->bytes += shown_bytes(&c->s[i]) + 1;
}

static void pick_first(struct choice *c, int sign)
{
    for (int k = 0; k < c->n; k++)
        if (c->s[c->order[k]].polarity * sign > 0) {
            pick(c, c->order[k]);
            return;
        }
}

static int rising(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* Cut at a character boundary. */
static void add_sentence(struct buf *out, const struct sentence *s)
{
    size_t n = shown_bytes(s);
    while (n < s->n && n > 0 && ((unsigned char)s->p[n] & 0xc0) == 0x80)
        n--;
    if (out->len)
        buf_addc(out, ' ');
    for (size_t i = 0; i < n; i++)
        buf_addc(out, trailing_space(s->p[i]) ? ' ' : s->p[i]);
    if (n < s->n)
        buf_adds(out, "...");
}

static void choose(struct buf *out, struct choice *c)
{
    if (c->n == 0)
        return;
    pick(c, c->order[0]);
    pick_first(c, +1);
    pick_first(c, -1);
    for (int k = 0; k < c->n; k++)
        pick(c, c->order[k]);
    qsort(c->picked, (size_t)c->n_picked, sizeof *c->picked, rising);
    for (int k = 0; k < c->n_picked; k++)
        add_sentence(out, &c->s[c->picked[k]]);
}

/* Best rank first; of equals the earlier sentence. Insertion sort: n <= 240. */
static void sort_by_rank(int *order, const float *rank, int n)
{
    for (int i = 0; i < n; i++) {
        int j = i;
        for (; j > 0 && rank[order[j - 1]] < rank[i]; j--)
            order[j] = order[j - 1];
        order[j] = i;
    }
}

static int summarise(struct buf *out, const struct extractive *x, const struct llm_text *t,
                     int n_texts, struct err *e)
{
    int all = list_sentences(NULL, 0, 1, t, n_texts);
    int cap = all < MAX_SENTENCES ? all : MAX_SENTENCES;
    struct sentence *s = xcalloc((size_t)cap, sizeof *s);
    struct lexrank_bag *bag = xcalloc((size_t)cap, sizeof *bag);
    struct words w = {0};
    int n = 0;
    cap = cap ? list_sentences(s, cap, all, t, n_texts) : 0;
    for (int i = 0; i < cap; i++) {
        words_split(&w, s[i].p, s[i].n);
        if (w.n == 0)
            continue;
        s[n] = s[i];
        make_bag(&bag[n], &w);
        lexicon_scan(x->opinion, &w, on_opinion, &s[n].polarity);
        n++;
    }
    words_release(&w);
    float *rank = xcalloc((size_t)n, sizeof *rank);
    float *cosine = xcalloc((size_t)n * (size_t)n, sizeof *cosine);
    int *order = xcalloc((size_t)n, sizeof *order);
    lexrank(rank, cosine, bag, n);
    sort_by_rank(order, rank, n);
    choose(out, &(struct choice){.s = s, .rank = rank, .cosine = cosine, .order = order, .n = n});
    for (int i = 0; i < n; i++) {
        free(bag[i].hash);
        free(bag[i].count);
    }
    free(bag);
    free(s);
    free(rank);
    free(cosine);
    free(order);
    return n ? 0 : err_set(e, "no sentence with a word in it");
}

/* ---- price and categories: one vote a review and class ---- */

enum { OVER_PRICED, FAIR, CHEAP }; /* order of the lines of prompts/price.tsv */

struct price_votes {
    int count[3], here[3];
    struct buf *phrases;
};

static void on_price(void *ctx, const struct lexicon_hit *h)
{
    /* "not expensive" is fair, "not cheap" and "not worth the price" are over-priced. */
    struct price_votes *v = ctx;
    int cls = !h->negated ? h->cls : h->cls == OVER_PRICED ? FAIR : OVER_PRICED;
    if (!v->here[cls] && v->phrases->len < 160)
        buf_addf(v->phrases, "%s%s%s", v->phrases->len ? ", " : "", h->negated ? "not " : "",
                 h->phrase);
    v->here[cls] = 1;
}

struct category_votes {
    int *count, *here;
};

static void on_category(void *ctx, const struct lexicon_hit *h)
{
    struct category_votes *v = ctx;
    if (!h->negated)
        v->here[h->cls] = 1;
}

static void decide_price(struct llm_result *out, const struct price_votes *v)
{
    static const char *const name[] = {"over-priced", "fair", "cheap"};
    int total = v->count[0] + v->count[1] + v->count[2], best = FAIR;
    if (total == 0) {
        out->price = "none";
        return;
    }
    for (int i = 0; i < 3; i++) /* a tie that fair is part of is fair */
        if (v->count[i] > v->count[best])
            best = i;
    if (best != FAIR && v->count[OVER_PRICED] == v->count[CHEAP])
        best = FAIR; /* opinions split down the middle */
    out->price = name[best];
    struct buf all = {0};
    for (int i = 0; i < 3; i++)
        if (v->count[i])
            buf_addf(&all, "%s%d %s", all.len ? ", " : "", v->count[i], name[i]);
    buf_addf(&all, ": %s", buf_str(v->phrases));
    buf_clear(&out->evidence);
    buf_add(&out->evidence, all.data, all.len);
    buf_release(&all);
}

/* Most votes first; at least 2 votes and 2 % of the reviews, or any vote in a set of < 10. */
static void decide_categories(struct llm_result *out, const struct extractive *x, int *count,
                              int n_texts)
{
    int least = n_texts < 10 ? 1 : n_texts / 50 > 2 ? n_texts / 50 : 2;
    while (out->n_categories < LLM_CATEGORIES) {
        int best = -1;
        for (int i = 0; i < lexicon_classes(x->category); i++)
            if (count[i] >= least && (best < 0 || count[i] > count[best]))
                best = i;
        if (best < 0)
            break;
        llm_result_add(out, lexicon_class(x->category, best));
        count[best] = 0;
    }
}

static void tag(struct llm_result *out, const struct extractive *x,
                const struct llm_text *t, int n)
{
    int classes = lexicon_classes(x->category);
    struct buf phrases = {0};
    struct price_votes price = {.phrases = &phrases};
    struct category_votes cat = {xcalloc((size_t)classes, sizeof(int)),
                                 xcalloc((size_t)classes, sizeof(int))};
    struct words w = {0};
    for (int i = 0; i < n; i++) {
        memset(price.here, 0, sizeof price.here);
        memset(cat.here, 0, (size_t)classes * sizeof(int));
        words_split(&w, t[i].text, t[i].bytes);
        lexicon_scan(x->price, &w, on_price, &price);
        lexicon_scan(x->category, &w, on_category, &cat);
        for (int k = 0; k < 3; k++)
            price.count[k] += price.here[k];
        for (int k = 0; k < classes; k++)
            cat.count[k] += cat.here[k];
    }
    decide_price(out, &price);
    decide_categories(out, x, cat.count, n);
    words_release(&w);
    buf_release(&phrases);
    free(cat.count);
    free(cat.here);
}

int extractive_run(struct llm_result *out, const struct extractive *x,
                   const struct llm_text *texts, int n, enum llm_kind what, struct err *e)
{
    if (what == LLM_BUSINESS)
        tag(out, x, texts, n);
    if (summarise(&out->summary, x, texts, n, e) == 0)
        return 0;
    return -1;
}
