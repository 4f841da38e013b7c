/* SPDX-License-Identifier: MIT */
/* Words, sentences, word lists, LexRank, the extractive backend, hashed text vectors. */
#include "base/bloom.h"
#include "base/rng.h"
#include "base/util.h"
#include "base/words.h"
#include "llm/extractive.h"
#include "llm/lexicon.h"
#include "llm/lexrank.h"
#include "model/hashtext.h"
#include "tap.h"
#include <stdlib.h>

static void joined(char *out, size_t n, const char *text)
{
    struct words w = {0};
    words_split(&w, text, strlen(text));
    out[0] = 0;
    for (int i = 0; i < w.n; i++)
        snprintf(out + strlen(out), n - strlen(out), "%s%s", i ? "|" : "", words_at(&w, i));
    words_release(&w);
}

static void test_words(void)
{
    char s[500];
    joined(s, sizeof s, "Don't PANIC: caf\xc3\x89 no.7!");
    is(s, "dont|panic|caf\xc3\xa9|no|7", "case, apostrophe, accents, digits");
    joined(s, sizeof s, "a\xff" "b \xe6\xb1\xa4 \xf0\x9f\x8d\x9c soup");
    is(s, "a|b|\xe6\xb1\xa4|soup", "invalid bytes part words, CJK is a word, emoji is none");
    joined(s, sizeof s, "");
    is(s, "", "nothing");
    const char *t = "One. Two! 3.5 stars?\nFour";
    size_t n = words_sentence(t, strlen(t));
    ok(n == 5, "a sentence ends at a full stop and a blank");
    ok(words_sentence(t + 10, strlen(t) - 10) == 11, "not inside a number, but at a line end");
}

static int hits, negated;
static void count(void *ctx, const struct lexicon_hit *h)
{
    (void)ctx;
    hits++;
    negated += h->negated;
}

static void test_lexicon(void)
{
    struct err e;
    struct lexicon *lx = lexicon_new("prompts/price.tsv", &e);
    struct words w = {0};
    const char *t = "Not too expensive, good value for money and pocket friendly!";
    words_split(&w, t, strlen(t));
    lexicon_scan(lx, &w, count, NULL);
    ok(hits == 3 && negated == 1, "3 phrases, the longest first, one negated (%d, %d)", hits, negated);
    is(lexicon_class(lx, 0), "over-priced", "classes are in the order of the file");
    ok(!lexicon_new("prompts/none.tsv", &e), "a missing list: %s", e.text);
    words_release(&w);
    lexicon_free(lx);
}

/* Sentence 0 shares a word with 1 and one with 3, which share none; 2 stands alone. */
static void test_lexrank(void)
{
    uint64_t h[4][3] = {{1, 2, 3}, {1, 4, 5}, {6, 7, 10}, {2, 8, 9}};
    float c[4][3] = {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}}, rank[4], cosine[16];
    struct lexrank_bag b[4];
    for (int i = 0; i < 4; i++)
        b[i] = (struct lexrank_bag){h[i], c[i], 3};
    lexrank(rank, cosine, b, 4);
    double shared = log(2.0) + 1, own = log(4.0) + 1;
    double n0 = sqrt(2 * shared * shared + own * own), n1 = sqrt(shared * shared + 2 * own * own);
    near(cosine[1], shared * shared / (n0 * n1), 1e-5, "cosine of tf-idf by hand");
    near(rank[0] + rank[1] + rank[2] + rank[3], 1, 1e-5, "ranks sum to 1");
    ok(rank[0] > rank[1] && fabsf(rank[1] - rank[3]) < 1e-6f, "the middle ranks above its ends");
    /* x0 = d/4 + (1-d)(x0/3 + 2 x1/2), x1 = d/4 + (1-d)(x0/3 + x1/2), d = 0.15 */
    double a = 1 - 0.85 / 3, k = 0.0375, x1 = (k + 0.85 / 3 * k / a) / (1 - 0.425 - 0.85 / 3 * 0.85 / a);
    near(rank[1], x1, 1e-4, "the stationary vector of the walk");
}

static void test_extractive(void)
{
    struct err e;
    struct extractive *x = extractive_new(&e);
    struct llm_text t[3] = {{"The biryani was delicious and fresh. Service was friendly.", 0},
                                {"Delicious biryani! A bit expensive though.", 0},
                                {"The biryani was cold, rude waiter. Overpriced.", 0}};
    for (int i = 0; i < 3; i++)
        t[i].bytes = strlen(t[i].text);
    struct llm_result r = {0}, again = {0};
    ok(extractive_run(&r, x, t, 3, LLM_BUSINESS, &e) == 0, "runs");
    ok(strstr(r.summary.data, "elicious") && strstr(r.summary.data, "cold"), "praise and complaint: %s",
       r.summary.data);
    is(r.price, "over-priced", "two votes over-priced");
    ok(strstr(r.evidence.data, "2 over-priced") != NULL, "evidence: %s", r.evidence.data);
    ok(r.n_categories >= 1 && !strcmp(r.category[0], "biryani"), "category biryani");
    ok(extractive_run(&again, x, t, 3, LLM_BUSINESS, &e) == 0, "runs again");
    is(again.summary.data, r.summary.data, "the same answer");
    llm_result_release(&r);
    struct llm_text none = {"\xf0\x9f\x8d\x9c!!!", 7};
    ok(extractive_run(&r, x, &none, 1, LLM_USER, &e) < 0, "no word: %s", e.text);
    ok(r.price == NULL, "no price of a user");
    llm_result_release(&r);
    llm_result_release(&again);
    extractive_free(x);
}

static double cosine(const float *a, const float *b)
{
    double s = 0;
    for (int i = 0; i < HASHTEXT_DIM; i++)
        s += (double)a[i] * b[i];
    return s;
}

static void test_hashtext(void)
{
    float a[HASHTEXT_DIM], b[HASHTEXT_DIM], c[HASHTEXT_DIM];
    const char *ta = "spicy noodle soup", *tb = "noodle soups, spicy!", *tc = "quiet hotel room";
    hashtext_of(a, ta, strlen(ta));
    hashtext_of(b, tb, strlen(tb));
    hashtext_of(c, tc, strlen(tc));
    near(cosine(a, a), 1, 1e-6, "unit length");
    ok(cosine(a, b) > 0.5 && cosine(a, b) > cosine(a, c) + 0.4, "alike texts are near (%.2f, %.2f)",
       cosine(a, b), cosine(a, c));
    hashtext_of(c, "", 0);
    near(cosine(c, c), 0, 0, "no word, zero vector");
}

static void test_bloom(void)
{
    struct bloom b;
    int wrong = 0, missed = 0;
    bloom_init(&b, 17); /* 131,072 bits, 13 an item */
    for (uint64_t i = 0; i < 10000; i++)
        wrong += bloom_add(&b, rng_mix(i));
    for (uint64_t i = 0; i < 10000; i++)
        missed += !bloom_add(&b, rng_mix(i));
    ok(missed == 0, "what was added is never new");
    ok(wrong < 100, "few of the new are taken for seen (%d of 10000)", wrong);
    bloom_release(&b);
}

int main(void)
{
    util_verbosity = -1;
    test_words();
    test_lexicon();
    test_lexrank();
    test_extractive();
    test_hashtext();
    test_bloom();
    return done();
}
