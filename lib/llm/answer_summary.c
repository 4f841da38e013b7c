/* SPDX-License-Identifier: MIT */
#include "llm/answer_summary.h"
#include "base/util.h"
#include "base/words.h"
#include "llm/among.h"
#include "llm/prompt.h"
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum { MIN_WORDS = 3, NAME_WORDS = 4, ECHO_WORDS = 12, SENTENCE_WORDS = 12, LOOP_WORDS = 5,
       LOOP_TIMES = 4 };

/* ---- cleaning ---- */

/* Bytes of list or heading marks at the start of a line. */
static size_t marks(const char *p)
{
    size_t n = strspn(p, " \t#>");
    size_t digits = strspn(p + n, "0123456789");
    if (digits && digits <= 2 && strchr(".)", p[n + digits]) && p[n + digits + 1] == ' ')
        n += digits + 1;
    else if (p[n] && strchr("-*+", p[n]) && p[n + 1] == ' ')
        n++;
    else if (strncmp(p + n, "\xe2\x80\xa2", 3) == 0)
        n += 3;
    return n + strspn(p + n, " \t");
}

/* Bytes of a character that is white space or a control, and is to become a blank. */
static size_t blank(const char *p)
{
    unsigned char c = (unsigned char)*p;
    if (c <= ' ' || c == 0x7f)
        return 1;
    if (c == 0xc2 && ((unsigned char)p[1] <= 0x9f || (unsigned char)p[1] == 0xa0))
        return 2; /* C1 controls, no-break space */
    return c == 0xe2 && (unsigned char)p[1] == 0x80 &&
           ((unsigned char)p[2] <= 0x8a || (unsigned char)p[2] == 0xa8 ||
            (unsigned char)p[2] == 0xa9 || (unsigned char)p[2] == 0xaf) ? 3 : 0;
}

/* Bytes of what is dropped: asterisks, back ticks, "__", U+FEFF, zero-width characters. */
static size_t dropped(const char *p)
{
    if (*p == '*' || *p == '`')
        return 1;
    if (strncmp(p, "__", 2) == 0)
        return 2;
    return strncmp(p, "\xef\xbb\xbf", 3) == 0 || strncmp(p, "\xe2\x80\x8b", 3) == 0 ||
           strncmp(p, "\xe2\x80\x8c", 3) == 0 || strncmp(p, "\xe2\x80\x8d", 3) == 0 ? 3 : 0;
}

/* Marks and markdown away, blanks single, line ends kept. */
static void strip(struct buf *out, const char *s)
{
    for (const char *p = s; *p;) {
        size_t end = strcspn(p, "\n"), start = out->len, fence = strspn(p, " \t");
        const char *stop = p + end;
        if (strncmp(p + fence, "```", 3) == 0)
            p = stop; /* the line of a code fence, with its language */
        else
            p += marks(p);
        while (p < stop) {
            size_t n = dropped(p), white = n ? 0 : blank(p);
            if (white && out->len > start && out->data[out->len - 1] != ' ')
                buf_addc(out, ' ');
            else if (!n && !white)
                buf_addc(out, *p);
            p += n ? n : white ? white : 1;
        }
        if (out->len > start && out->data[out->len - 1] == ' ')
            out->data[--out->len] = 0;
        if (out->len > start)
            buf_addc(out, '\n');
        p = stop + (*stop == '\n');
    }
}

/* Bytes of "Summary:", "Sure! Here is a summary of the reviews:", "User Profile\n". */
static size_t lead(const char *s, const char *what)
{
    struct words w = {0};
    size_t n = strcspn(s, ":\n");
    int named = 0, here = 0;
    words_split(&w, s, n);
    for (int i = 0; i < w.n; i++) {
        const char *x = words_at(&w, i);
        named |= strcmp(x, what) == 0 || among(" summary caption ", x) ||
                 (w.n <= 3 && among(" summarization description profile ", x));
        here |= among(" here heres following below ", x);
    }
    int polite = w.n &&
                 among(" sure certainly absolutely okay ok here heres ", words_at(&w, 0));
    polite |= w.n > 1 && strcmp(words_at(&w, 0), "of") == 0 &&
              strcmp(words_at(&w, 1), "course") == 0;
    int longest = polite || (named && here) ? 14 : named ? 6 : 0;
    int yes = s[n] == ':' ? w.n <= longest
                          : s[n] == '\n' && s[n + 1] && w.n <= 5 && (named || polite);
    words_release(&w);
    n += s[n] != 0;
    return yes ? n + strspn(s + n, " \n") : 0;
}

static const char *const quotes[][2] = {{"\"", "\""},
                                        {"'", "'"},
                                        {"\xe2\x80\x9c", "\xe2\x80\x9d"},
                                        {"\xe2\x80\x98", "\xe2\x80\x99"},
                                        {"\xc2\xab", "\xc2\xbb"}};

/* Quotes around the whole, when none of them stands inside. In place; 1: cut. */
static int unquote(struct buf *b)
{
    for (size_t i = 0; i < ARRAY_LEN(quotes); i++) {
        size_t l = strlen(quotes[i][0]), r = strlen(quotes[i][1]);
        if (b->len < l + r || memcmp(b->data, quotes[i][0], l) != 0 ||
            memcmp(b->data + b->len - r, quotes[i][1], r) != 0)
            continue;
        const char *inside = strstr(b->data + l, quotes[i][0]);
        if (inside && inside < b->data + b->len - r && *quotes[i][0] != '\'')
            continue;
        b->len -= l + r;
        memmove(b->data, b->data + l, b->len);
        b->data[b->len] = 0;
        return 1;
    }
    return 0;
}

static void trim_end(struct buf *b)
{
    while (b->len > 0 && (b->data[b->len - 1] == ' ' || b->data[b->len - 1] == '\n'))
        b->data[--b->len] = 0;
}

static void clean(struct buf *out, const char *s, const char *what)
{
    buf_reserve(out, 1);
    strip(out, s);
    for (int round = 0; round < 3; round++) {
        trim_end(out);
        int cut = unquote(out);
        size_t n = lead(out->data, what);
        out->len -= n;
        memmove(out->data, out->data + n, out->len + 1);
        if (!cut && !n)
            break;
    }
    trim_end(out);
    for (size_t i = 0; i < out->len; i++)
        if (out->data[i] == '\n')
            out->data[i] = ' ';
}

/* ---- refusing ---- */

int answer_refuses(const char *s, size_t n)
{
    static const char *const starts[] = {
        "im sorry", "i am sorry", "sorry i", "sorry but", "sorry the", "my apologies",
        "apologies", "i apologize", "i apologise", "as an ai", "as a language model",
        "as a large language", "im an ai", "i am an ai", "im just an ai", "i cannot",
        "i can not", "i cant", "i am unable", "im unable", "i am not able",
        "im not able", "i wont", "i will not", "i must decline", "i do not have",
        "i dont have", "i dont see", "i do not see", "unfortunately i",
        "unfortunately there are no", "unfortunately no reviews", "please provide",
        "please share", "could you please", "can you please", "there are no reviews",
        "there is no review", "no reviews were", "no reviews are", "no reviews have",
        "no review was", "no text was", "no image", "it seems you",
        "it seems that you", "it looks like you", "it appears you",
        "it appears that you", "you have not provided", "you havent provided",
        "you did not provide", "you didnt provide"};
    struct words w = {0};
    struct buf head = {0};
    int yes = 0;
    words_split(&w, s, n < 400 ? n : 400);
    for (int i = 0; i < w.n && i < 6; i++)
        buf_addf(&head, "%s ", words_at(&w, i));
    for (size_t i = 0; i < ARRAY_LEN(starts) && head.len; i++) {
        size_t len = strlen(starts[i]);
        yes |= strncmp(head.data, starts[i], len) == 0 && head.data[len] == ' ';
    }
    words_release(&w);
    buf_release(&head);
    return yes;
}

/* Fewer letters than other visible characters. */
static int few_letters(const char *s, size_t n)
{
    size_t letters = 0, others = 0;
    for (size_t i = 0; i < n;) {
        int32_t c;
        utf8proc_ssize_t step = utf8proc_iterate((const utf8proc_uint8_t *)s + i,
                                                 (utf8proc_ssize_t)(n - i), &c);
        i += step > 0 ? (size_t)step : 1;
        utf8proc_category_t k = step > 0 ? utf8proc_category(c) : UTF8PROC_CATEGORY_CN;
        if (k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_ME)
            letters++;
        else if (k != UTF8PROC_CATEGORY_ZS)
            others++;
    }
    return letters < others;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Hashes of every run of `run` words. *n may come out 0; the caller frees. */
static uint64_t *runs(const struct words *w, int run, size_t *n)
{
    *n = w->n >= run ? (size_t)(w->n - run + 1) : 0;
    uint64_t *h = xcalloc(*n + 1, sizeof *h);
    for (size_t i = 0; i < *n; i++)
        for (int k = 0; k < run; k++)
            h[i] = h[i] * UINT64_C(0x9e3779b97f4a7c15) + w->w[i + (size_t)k].hash;
    return h;
}

/* A run of so many words stands there so many times. */
static int repeats(const struct words *w, int run, size_t times)
{
    size_t n, same = 1;
    int yes = 0;
    uint64_t *h = runs(w, run, &n);
    qsort(h, n, sizeof *h, by_value);
    for (size_t i = 1; i < n; i++) {
        same = h[i] == h[i - 1] ? same + 1 : 1;
        yes |= same >= times;
    }
    free(h);
    return yes;
}

/* A phrase again and again, or a sentence a second time: so a small model's answer begins to
 * go round in circles before the limit cuts it off. */
static int loops(const struct words *w)
{
    return repeats(w, LOOP_WORDS, LOOP_TIMES) || repeats(w, SENTENCE_WORDS, 2);
}

static int shares(const struct words *w, const char *text, size_t n)
{
    struct words t = {0};
    size_t ours, theirs;
    int yes = 0;
    words_split(&t, text, n);
    int run = w->n < ECHO_WORDS ? w->n : ECHO_WORDS; /* a short answer: all of it */
    uint64_t *a = runs(w, run, &ours), *b = runs(&t, run, &theirs);
    qsort(b, theirs, sizeof *b, by_value);
    for (size_t i = 0; i < ours && theirs; i++)
        yes |= bsearch(&a[i], b, theirs, sizeof *b, by_value) != NULL;
    free(a);
    free(b);
    words_release(&t);
    return yes;
}

static int echoes(const struct words *w, const char *asked)
{
    char tag[PROMPT_TAG + 1];
    size_t from, to;
    if (!asked)
        return 0;
    if (!prompt_fenced(asked, tag, &from, &to))
        return shares(w, asked, strlen(asked));
    return shares(w, asked, from) || shares(w, asked + to, strlen(asked + to));
}

static void judge(const struct buf *b, const char *what, size_t max, const char *asked,
                  struct buf *why)
{
    struct words w = {0};
    words_split(&w, b->data, b->len);
    if (b->len == 0)
        buf_addf(why, "the %s is empty", what);
    else if (answer_refuses(b->data, b->len))
        buf_addf(why, "the %s is an apology or a question, not a %s", what, what);
    else if (w.n < MIN_WORDS)
        buf_addf(why, "the %s has fewer than %d words", what, MIN_WORDS);
    else if (*what == 's' && w.n <= NAME_WORDS && !strpbrk(b->data, ".!?"))
        buf_addf(why, "the summary is a name, not a description"); /* seen of a model */
    else if (few_letters(b->data, b->len))
        buf_addf(why, "the %s is mostly not letters", what);
    else if (loops(&w))
        buf_addf(why, "the %s repeats the same words again and again", what);
    else if (b->len > max)
        buf_addf(why, "the %s has %zu bytes, allowed are %zu", what, b->len, max);
    else if (echoes(&w, asked))
        buf_addf(why, "the %s repeats the instructions", what);
    words_release(&w);
}

int answer_summary(struct buf *out, const char *what, const char *s, size_t n, size_t max,
                   const char *asked, struct buf *why)
{
    struct buf text = {0};
    buf_clear(out);
    buf_clear(why);
    buf_add(&text, s, n);
    clean(out, buf_str(&text), what);
    buf_release(&text);
    judge(out, what, max, asked, why);
    if (why->len)
        buf_clear(out);
    return why->len ? -1 : 0;
}
