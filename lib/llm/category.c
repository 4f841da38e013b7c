/* SPDX-License-Identifier: MIT */
#include "llm/category.h"
#include "base/util.h"
#include "llm/among.h"
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum { INPUT_BYTES = 200, INPUT_WORDS = 8 };

/* ---- singular ---- */

static const char same[] =
    " tapas fries hummus gyros chips wings goods sports arts crafts clothes shoes series "
    "species news gas swiss express texas kansas vegas christmas tennis oasis cannabis "
    "paris cassis pastis haggis bus hibachis jeans pants shorts couscous asparagus "
    "molasses ribs greens sweets spirits leftovers bangers antiques ";

/* Plurals whose singular no rule below gives. */
static const char *const odd[][2] = {
    {"smoothies", "smoothie"}, {"cookies", "cookie"},   {"brownies", "brownie"},
    {"veggies", "veggie"},     {"movies", "movie"},     {"foodies", "foodie"},
    {"hoagies", "hoagie"},     {"pies", "pie"},         {"ties", "tie"},
    {"quiches", "quiche"},     {"brioches", "brioche"}, {"ceviches", "ceviche"},
    {"knives", "knife"},       {"loaves", "loaf"},      {"leaves", "leaf"},
    {"buses", "bus"},          {"menus", "menu"},       {"tofus", "tofu"},
    {"canoes", "canoe"},
};

static int ends(const char *w, size_t n, const char *tail)
{
    size_t t = strlen(tail);
    return n > t && memcmp(w + n - t, tail, t) == 0;
}

/* In place. */
static void singular(char *w)
{
    size_t n = strlen(w);
    if (n <= 3 || w[n - 1] != 's' || w[n - 2] == '\'' || among(same, w))
        return;
    for (size_t i = 0; i < ARRAY_LEN(odd); i++)
        if (strcmp(w, odd[i][0]) == 0) {
            memcpy(w, odd[i][1], strlen(odd[i][1]) + 1);
            return;
        }
    /* "ais", "ois": French adjectives; "ics": electronics; "us", "ss": no plurals. */
    if (ends(w, n, "ss") || ends(w, n, "us") || ends(w, n, "ais") || ends(w, n, "ois") ||
        ends(w, n, "ics"))
        return;
    if (ends(w, n, "ies"))
        memcpy(w + n - 3, "y", 2);
    else if (ends(w, n, "ches") || ends(w, n, "shes") || ends(w, n, "xes") ||
             ends(w, n, "sses") || ends(w, n, "oes"))
        w[n - 2] = 0;
    else
        w[n - 1] = 0;
}

/* ---- one name ---- */

static int32_t folded(int32_t c)
{
    switch (c) {
    case 0x2018: case 0x2019: case 0x02bc: case 0xff07:
        return '\'';
    case 0x2010: case 0x2011: case 0x2012: case 0x2013: case 0x2014: case 0x2212:
        return '-';
    case '_': case '"': case '`': case '*': case 0x201c: case 0x201d: case 0x201e: case 0xab:
    case 0xbb: case 0x2022: case 0xb7: case '\t': case '\n': case '\r':
        return ' ';
    default:
        return utf8proc_category(c) == UTF8PROC_CATEGORY_ZS ? ' ' : utf8proc_tolower(c);
    }
}

/* Lower case with plain marks. 0: not UTF-8. */
static int fold(struct buf *out, const char *s, size_t n)
{
    utf8proc_uint8_t *nfc = NULL;
    const utf8proc_uint8_t *from = (const utf8proc_uint8_t *)s;
    utf8proc_ssize_t len = utf8proc_map(from, (utf8proc_ssize_t)n, &nfc,
                                        UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    int inside = 0; /* parentheses */
    for (utf8proc_ssize_t i = 0; i < len;) {
        int32_t c;
        utf8proc_ssize_t step = utf8proc_iterate(nfc + i, len - i, &c);
        if (step <= 0)
            break;
        i += step;
        utf8proc_category_t k = utf8proc_category(c);
        inside += c == '(';
        if (!inside && c == '&')
            buf_adds(out, " and ");
        else if (!inside && k != UTF8PROC_CATEGORY_CF) {
            utf8proc_uint8_t b[4];
            buf_add(out, b, (size_t)utf8proc_encode_char(folded(c), b));
        }
        inside -= c == ')' && inside;
    }
    free(nfc);
    return len >= 0;
}

/* Without the marks and the number of a list around it. In place. */
static char *trim(char *s)
{
    static const char marks[] = " '#.:;,!?[]{}<>-)+=~";
    size_t digits = strspn(s, " 0123456789");
    if (digits && s[digits] && strchr(".):-", s[digits]))
        s += digits;
    s += strspn(s, marks);
    size_t n = strlen(s);
    while (n > 0 && strchr(marks, s[n - 1]))
        s[--n] = 0;
    return s;
}

/* Letters in every word, else hyphens and apostrophes only. */
static int lettered(const char *w)
{
    int letters = 0;
    const utf8proc_uint8_t *p = (const utf8proc_uint8_t *)w;
    for (utf8proc_ssize_t i = 0, n = (utf8proc_ssize_t)strlen(w); i < n;) {
        int32_t c;
        utf8proc_ssize_t step = utf8proc_iterate(p + i, n - i, &c);
        if (step <= 0)
            return 0;
        i += step;
        utf8proc_category_t k = utf8proc_category(c);
        if (k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO)
            letters++;
        else if (c != '-' && c != '\'' &&
                 !(k >= UTF8PROC_CATEGORY_MN && k <= UTF8PROC_CATEGORY_ME))
            return 0;
    }
    return letters;
}

static const char general[] = " restaurant restaurants cuisine cuisines food foods place "
                              "places eatery eateries joint joints ";
/* With "food" these name a kind of place, without it they do not. */
static const char with_food[] = " fast sea street soul comfort finger health pet slow "
                                "raw whole frozen baby dog cat ";

/* Words that stay after a general last one is cut. */
static int cut_general(char **w, int n)
{
    while (n > 1 && among(general, w[n - 1]) &&
           !(strncmp(w[n - 1], "food", 4) == 0 && among(with_food, w[n - 2])))
        n--;
    return n;
}

static int says_none(char **w, int n)
{
    static const char first[] = " no not none unknown unclear unspecified undetermined "
                                "other others misc miscellaneous null nil na various ";
    return n == 0 || among(first, w[0]) ||
           (n == 2 && strcmp(w[0], "n") == 0 && strcmp(w[1], "a") == 0);
}

static const char *const whole[][2] = {{"sea food", "seafood"},     {"sea-food", "seafood"},
                                       {"fastfood", "fast food"},   {"fast-food", "fast food"},
                                       {"street-food", "street food"}};

static int join(struct buf *out, char **w, int n)
{
    for (int i = 0; i < n; i++)
        buf_addf(out, "%s%s", i ? " " : "", w[i]);
    for (size_t i = 0; i < ARRAY_LEN(whole); i++)
        if (strcmp(buf_str(out), whole[i][0]) == 0) {
            buf_clear(out);
            buf_adds(out, whole[i][1]);
        }
    if (out->len <= CATEGORY_BYTES)
        return CATEGORY_OK;
    buf_clear(out);
    return CATEGORY_BAD;
}

/* Words of the question that come back alone ("'type'") are no answer. */
static const char form[] = " category categories type types kind kinds list answer name ";

static int from_words(struct buf *out, char **w, int n)
{
    while (n > 1 && among(" a an the ", w[0]))
        w++, n--;
    if (says_none(w, n))
        return CATEGORY_NONE;
    n = cut_general(w, n);
    if (n > CATEGORY_WORDS || (n == 1 && among(form, w[0])))
        return CATEGORY_BAD;
    int letters = 0;
    for (int i = 0; i < n; i++) {
        int l = lettered(w[i]);
        if (!l)
            return CATEGORY_BAD;
        letters += l;
    }
    if (letters < 2)
        return CATEGORY_NONE; /* what a slash leaves of "n/a" */
    if (n < 3 || strcmp(w[1], "and") != 0)
        singular(w[n - 1]);
    return join(out, w, n);
}

int category_name(struct buf *out, const char *s, size_t n)
{
    struct buf b = {0};
    char *w[INPUT_WORDS], *save = NULL;
    int words = 0, rc = CATEGORY_BAD;
    buf_clear(out);
    if (n == 0)
        return CATEGORY_NONE;
    if (n <= INPUT_BYTES && fold(&b, s, n)) {
        buf_reserve(&b, 1);
        char *p = trim(b.data);
        p = strtok_r(p, " ", &save);
        for (; p && words < INPUT_WORDS; p = strtok_r(NULL, " ", &save))
            w[words++] = p;
        rc = p ? CATEGORY_BAD : from_words(out, w, words);
    }
    buf_release(&b);
    return rc;
}

int category_add(struct llm_result *r, const char *s, size_t n)
{
    struct buf b = {0};
    int rc = category_name(&b, s, n), seen = 0;
    for (int i = 0; i < r->n_categories; i++)
        seen |= strcmp(r->category[i], buf_str(&b)) == 0;
    if (rc == CATEGORY_OK && !seen)
        llm_result_add(r, b.data);
    buf_release(&b);
    return rc;
}
