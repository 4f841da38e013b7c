/* SPDX-License-Identifier: MIT */
#include "llm/answer_price.h"
#include "base/util.h"
#include "base/words.h"
#include "llm/among.h"
#include <string.h>

enum { OVER = 1, FAIR = 2, CHEAP = 4, NONE = 8, WEAK = 16 };
enum { NOT_REACH = 3 }; /* words */

/* Phrases of folded words, between bars. The longest that fits at a word counts. */
static const struct {
    int cls;
    const char *phrases;
} wording[] = {
    {OVER, "|overpriced|over priced|over price|overprice|over prices|expensive|pricey|"
           "pricy|costly|high price|high prices|high priced|highly priced|high end|"
           "too high|steep|on the higher side|rip off|ripoff|exorbitant|"},
    {FAIR, "|fair|fair price|fair prices|fair priced|fairly priced|reasonable|reasonably|"
           "reasonable price|moderate|moderately|average price|average prices|mid range|"
           "midrange|mid priced|medium price|good value|value for money|worth the price|"},
    {CHEAP, "|cheap|low price|low prices|low priced|lower price|lower prices|low cost|"
            "inexpensive|unexpensive|budget friendly|affordable|affordably|economical|"
            "bargain|"},
    {OVER | WEAK, "|high|higher|"},
    {FAIR | WEAK, "|average|medium|normal|"},
    {CHEAP | WEAK, "|low|lower|budget|"},
    {NONE,
     "|none|unknown|n a|na|null|unclear|unspecified|undetermined|indeterminate|nothing|"
     "not mentioned|not mention|not discuss|not discussed|not specify|not specified|"
     "not stated|not state|not provide|not provided|not available|not given|not clear|"
     "not applicable|not enough|not determined|not indicated|not indicate|not explicitly|"
     "not say|not known|not talk|not speak|not comment|not possible|doesnt mention|"
     "dont mention|didnt mention|doesnt say|dont say|doesnt specify|dont specify|"
     "isnt mentioned|arent mentioned|isnt specified|isnt any|arent any|isnt a mention|"
     "not any|never mentioned|never mention|no mention|no information|no info|no data|"
     "no price|no prices|no pricing|no review|no reviews|no comment|no comments|no idea|"
     "cannot be determined|cannot determine|cant determine|cannot tell|cant tell|"
     "cannot say|cant say|unable to determine|unable to tell|impossible to|insufficient|"
     "lack of|lacks|without any mention|missing|"},
};

static const char fillers[] =
    " the a price prices pricing priced is are category tag level range class answer it "
    "its to be as considered overall end cost costs relatively generally very quite "
    "rather somewhat and by reviewers for this place restaurant would say ";

/* Is the phrase of n bytes among those between bars? */
static int listed(const char *phrases, const char *p, size_t n)
{
    char key[64];
    if (n + 3 > sizeof key)
        return 0;
    key[0] = '|';
    memcpy(key + 1, p, n);
    memcpy(key + 1 + n, "|", 2);
    return strstr(phrases, key) != NULL;
}

/* The class of the longest phrase, of *len words, that begins at word i of the line. 0: none. */
static int phrase_at(const struct words *w, int i, int *len)
{
    char key[64];
    size_t used = 0;
    int best = 0;
    for (int k = 0; k < 4 && i + k < w->n; k++) {
        const struct word *x = &w->w[i + k];
        if (used + x->len + 2 > sizeof key)
            break;
        if (k)
            key[used++] = ' ';
        memcpy(key + used, words_at(w, i + k), x->len);
        used += x->len;
        for (size_t c = 0; c < ARRAY_LEN(wording); c++)
            if (listed(wording[c].phrases, key, used)) {
                best = wording[c].cls;
                *len = k + 1;
            }
    }
    return best;
}

static int negated(const struct words *w, int i)
{
    for (int j = i - 1; j >= 0 && j >= i - NOT_REACH; j--) {
        if (w->w[j + 1].from - w->w[j].to > 1)
            return 0; /* more than a blank between them: another clause */
        if (among(" not isnt arent wasnt werent never nor neither no without ", words_at(w, j)))
            return 1;
    }
    return 0;
}

/* "high" beside a word of price, or as good as alone ("high quality" says nothing). */
static int weak_counts(const struct words *w, int i, int others)
{
    static const char price[] = " price prices priced pricing cost costs end range level "
                                "tag category ";
    int near = i + 1 < w->n && among(price, words_at(w, i + 1));
    for (int j = i - 1; j >= 0 && j >= i - 2; j--)
        near |= among(price, words_at(w, j));
    return near || others <= 2;
}

/* Bits of the classes that the text names. */
static int named(const char *s, size_t n)
{
    struct words w = {0};
    int bits = 0, others = 0;
    words_split(&w, s, n);
    for (int i = 0; i < w.n; i++)
        others += !among(fillers, words_at(&w, i));
    for (int i = 0; i < w.n;) {
        int len = 1, cls = phrase_at(&w, i, &len);
        if (among(" whether if ", words_at(&w, i)))
            break;
        int counts = cls == NONE || (cls && !negated(&w, i));
        if (counts && (!(cls & WEAK) || weak_counts(&w, i, others)))
            bits |= cls & ~WEAK;
        i += len;
    }
    words_release(&w);
    return bits;
}

static const char *literal(int bits)
{
    return bits == OVER    ? "over-priced"
           : bits == FAIR  ? "fair"
           : bits == CHEAP ? "cheap"
           : bits == NONE  ? "none"
                           : NULL;
}

/* Of the first line; of a second one as well that is as short as a class: the options. */
static int first_lines(const char *s, size_t n)
{
    const char *nl = memchr(s, '\n', n);
    int bits = named(s, nl ? (size_t)(nl - s) : n);
    if (!bits || !nl)
        return bits;
    const char *next = nl + strspn(nl, " \t\r\n"), *end = s + n;
    const char *stop = next < end ? memchr(next, '\n', (size_t)(end - next)) : end;
    stop = stop ? stop : end;
    struct words w = {0};
    words_split(&w, next, (size_t)(stop - next));
    int few = w.n <= 4;
    words_release(&w);
    return bits | (few ? named(next, (size_t)(stop - next)) : 0);
}

/* Without what stands in parentheses after something: "fair (some say expensive)". */
static void no_asides(struct buf *out, const char *s, size_t n)
{
    int inside = 0;
    for (size_t i = 0; i < n; i++) {
        inside |= s[i] == '(' && out->len > 0;
        if (!inside)
            buf_addc(out, s[i]);
        inside &= s[i] != ')';
    }
}

const char *answer_price(const char *s, size_t n, struct buf *why)
{
    struct buf text = {0};
    buf_clear(why);
    while (n > 0 && strchr(" \t\r\n", *s))
        s++, n--;
    no_asides(&text, s, n);
    buf_reserve(&text, 1);
    int bits = first_lines(text.data, text.len);
    if (!bits)
        bits = named(text.data, text.len);
    buf_release(&text);
    if (!literal(bits))
        buf_adds(why, bits ? "the price names more than one of over-priced, fair, cheap, none"
                           : "the price is none of over-priced, fair, cheap, none");
    return literal(bits);
}
