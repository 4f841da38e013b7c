/* SPDX-License-Identifier: MIT */
#include "llm/category_list.h"
#include "base/buf.h"
#include "base/util.h"
#include "base/words.h"
#include "llm/among.h"
#include "llm/category.h"
#include <ctype.h>
#include <string.h>

enum { LIST_BYTES = 8192 };

struct list {
    struct llm_result *r;
    int added, none; /* pieces that are a name; that say there is none */
};

struct span {
    const char *p, *end;
};

static int letter(char c)
{
    return isalnum((unsigned char)c) || (unsigned char)c >= 0x80;
}

/* ---- plain copy of the text: straight quotes, "and" for "&", bullets as "- " ---- */

static const char *const plain[][2] = {
    {"\xe2\x80\x9c", "\""}, {"\xe2\x80\x9d", "\""},  {"\xe2\x80\x9e", "\""},
    {"\xc2\xab", "\""},     {"\xc2\xbb", "\""},      {"\xe2\x80\x98", "'"},
    {"\xe2\x80\x99", "'"},  {"\xe2\x80\xa2", "- "},  {"\xe2\x80\x93", "-"},
    {"\xe2\x80\x94", "-"},  {"&amp;", " and "},      {"&", " and "},
    {"**", ""},             {"`", "\""},             {"\r", "\n"}};

/* Bytes of "(as in this)" at s, 0: it does not begin here or does not end. */
static size_t aside(const char *s, size_t n, const struct buf *before)
{
    if (*s != '(' || !before->len || before->data[before->len - 1] != ' ')
        return 0;
    const char *end = memchr(s, ')', n);
    return end && !memchr(s, '\n', (size_t)(end - s)) ? (size_t)(end + 1 - s) : 0;
}

/* The index of the mark at s, or how many there are. */
static size_t mark_at(const char *s, size_t n)
{
    size_t k = 0;
    while (k < ARRAY_LEN(plain) && (strlen(plain[k][0]) > n ||
                                    memcmp(s, plain[k][0], strlen(plain[k][0])) != 0))
        k++;
    return k;
}

static void make_plain(struct buf *out, const char *s, size_t n)
{
    struct buf b = {0};
    buf_reserve(&b, 1);
    buf_reserve(out, 1);
    for (size_t i = 0; i < n && b.len < LIST_BYTES;) {
        size_t len = aside(s + i, n - i, &b), k = mark_at(s + i, n - i);
        if (len) {
            i += len;
        } else if (k < ARRAY_LEN(plain)) {
            buf_adds(&b, plain[k][1]);
            i += strlen(plain[k][0]);
        } else {
            buf_addc(&b, s[i] ? s[i] : ' ');
            i++;
        }
    }
    for (size_t i = 0; i < b.len; i++)
        if (b.data[i] != ' ' || !out->len || out->data[out->len - 1] != ' ')
            buf_addc(out, b.data[i]);
    buf_release(&b);
}

/* ---- a sentence ---- */

static const char eating[] = " restaurant restaurants place places eatery eateries "
                             "establishment joint joints spot spots cuisine food chain "
                             "outlet ";
static const char kinds[] = " bar bars cafe cafes café cafés pub pubs bakery diner "
                            "diners bistro pizzeria steakhouse brewery shop store hotel ";
/* Words before which a name cannot reach. */
static const char stops[] =
    " a an the this that these is are was be as of like to for serving serves offering "
    "offers by in at with from its it i what which any not cannot can kind kinds type "
    "types sort called appears seems describe describes about ";
static const char adjectives[] =
    " casual popular small local cozy cosy upscale modern traditional authentic typical "
    "busy nice great good new trendy charming classic lively affordable cheap expensive "
    "reasonably-priced family-friendly family-run family-owned family-style mid-range "
    "high-end low-cost well-known highly-rated well-liked neighborhood neighbourhood "
    "friendly quaint simple little big large decent mediocre average sit-down "
    "full-service laid-back hole-in-the-wall fun favorite favourite beloved budget fancy "
    "elegant contemporary independent relaxed bustling unassuming likely probably mainly "
    "mostly primarily ";

/* A name inside a sentence: adjectives in front do not count. */
static void add_bare(struct list *l, const char *s, size_t n)
{
    const char *end = s + n;
    for (;;) {
        char word[32];
        while (s < end && !letter(*s))
            s++;
        size_t k = 0, w = 0;
        for (; s + k < end && (letter(s[k]) || s[k] == '-' || s[k] == '\''); k++)
            if (w + 1 < sizeof word)
                word[w++] = (char)tolower((unsigned char)s[k]);
        word[w] = 0;
        if (k == 0)
            return;
        int dining = (size_t)(end - s) >= k + 7 && strncasecmp(s + k, " dining", 7) == 0;
        if (dining || !among(adjectives, word))
            break;
        s += k;
    }
    l->added += category_add(l->r, s, (size_t)(end - s)) == CATEGORY_OK;
}

/* Calls add for the pieces between commas, slashes, "and" and their like. */
static void split(struct list *l, struct span t,
                  void (*add)(struct list *, const char *, size_t));

/* Before which noun what stands names the kind, and from where. 0: nowhere. */
static int named_part(struct span *out, const struct words *w, const char *text)
{
    for (int i = 0; i < w->n; i++) {
        int keep = among(kinds, words_at(w, i)), from = i;
        if (!keep && !among(eating, words_at(w, i)))
            continue;
        while (from > 0 && i - from < 8 && !among(stops, words_at(w, from - 1)) &&
               !memchr(text + w->w[from - 1].to, '.', w->w[from].from - w->w[from - 1].to))
            from--;
        if (from == i && !keep)
            continue; /* "this restaurant is ..." */
        *out = (struct span){text + w->w[from].from,
                             text + (keep ? w->w[i].to : w->w[i - 1].to)};
        return 1;
    }
    return 0;
}

/* "The category is Italian": what follows the verb, up to the end of the sentence. */
static int after_verb(struct span *out, const struct words *w, struct span t)
{
    int about = 0;
    for (int i = 0; i < w->n && i < 10; i++) {
        const char *word = words_at(w, i);
        about |= among(" category categories type types kind kinds cuisine cuisines "
                       "categorize categorise classify ", word);
        if (about && among(" is are be as ", word) && i + 1 < w->n) {
            *out = (struct span){t.p + w->w[i + 1].from, t.end};
            const char *dot = memchr(out->p, '.', (size_t)(t.end - out->p));
            out->end = dot ? dot : t.end;
            return 1;
        }
    }
    return 0;
}

static void sentence(struct list *l, struct span t)
{
    struct words w = {0}, rest = {0};
    struct span part;
    int before = l->added;
    words_split(&w, t.p, (size_t)(t.end - t.p));
    if (after_verb(&part, &w, t)) {
        struct span inner;
        words_split(&rest, part.p, (size_t)(part.end - part.p));
        split(l, named_part(&inner, &rest, part.p) ? inner : part, add_bare);
    }
    if (l->added == before && named_part(&part, &w, t.p))
        split(l, part, add_bare);
    words_release(&w);
    words_release(&rest);
}

/* ---- pieces of a list ---- */

static void add_piece(struct list *l, const char *s, size_t n)
{
    /* "Italian: they serve pasta", "Italian - pasta and pizza" */
    for (size_t i = 1; i < n; i++)
        if (s[i] == ':' || (i + 2 < n && memcmp(s + i, " - ", 3) == 0)) {
            n = i;
            break;
        }
    int rc = category_add(l->r, s, n), said = 0;
    for (size_t i = 0; i < n; i++)
        said |= letter(s[i]);
    l->added += rc == CATEGORY_OK;
    l->none += rc == CATEGORY_NONE && said; /* "***" does not say that there is none */
    if (rc == CATEGORY_BAD)
        sentence(l, (struct span){s, s + n});
}

static const char *const joined[] = {
    "fish and chips",  "bar and grill",   "bed and breakfast", "wraps and rolls",
    "mac and cheese",  "surf and turf",   "grab and go",       "arts and crafts",
    "bar and grille",  "cash and carry",  "sweets and snacks", "dine and dance"};

/* Does the " and " at p stand inside one of the names that are not to be cut? */
static int in_joined(const char *from, const char *p, const char *end)
{
    for (size_t i = 0; i < ARRAY_LEN(joined); i++) {
        size_t len = strlen(joined[i]);
        size_t at = (size_t)(strstr(joined[i], " and ") - joined[i]);
        if ((size_t)(p - from) >= at && (size_t)(end - p) >= len - at &&
            strncasecmp(p - at, joined[i], len) == 0)
            return 1;
    }
    return 0;
}

/* Bytes of the separator at p, 0: none. */
static size_t separator(const char *from, const char *p, const char *end)
{
    if (*p && strchr(",;/|\n", *p))
        return 1;
    size_t left = (size_t)(end - p);
    if (left > 5 && strncasecmp(p, " and ", 5) == 0 && !in_joined(from, p, end))
        return 5;
    return left > 4 && strncasecmp(p, " or ", 4) == 0 ? 4 : 0;
}

static void split(struct list *l, struct span t,
                  void (*add)(struct list *, const char *, size_t))
{
    const char *from = t.p, *p = t.p;
    while (p < t.end) {
        size_t n = separator(from, p, t.end);
        if (n && p > from)
            add(l, from, (size_t)(p - from));
        p += n ? n : 1;
        if (n)
            from = p;
    }
    if (p > from)
        add(l, from, (size_t)(p - from));
}

/* ---- quotes ---- */

/* May a quoted name begin at p? Not after "a" ("a 'hidden gem'"). */
static int opens(const char *text, const char *p)
{
    static const char words[] = " is are as be type types category categories form kind "
                                "and or cuisine ";
    if (p > text && letter(p[-1]))
        return 0;
    const char *q = p;
    while (q > text && (q[-1] == ' ' || q[-1] == '\n'))
        q--;
    if (q == text || !letter(q[-1]))
        return 1;
    const char *w = q;
    while (w > text && letter(w[-1]))
        w--;
    char word[24];
    if ((size_t)(q - w) >= sizeof word)
        return 0;
    for (size_t i = 0; i <= (size_t)(q - w); i++)
        word[i] = i < (size_t)(q - w) ? (char)tolower((unsigned char)w[i]) : 0;
    return among(words, word);
}

static void quoted(struct list *l, const char *text)
{
    for (const char *p = text; *p; p++) {
        if ((*p != '"' && *p != '\'') || !letter(p[1]) || !opens(text, p))
            continue;
        const char *end = p + 1;
        while (*end && *end != '\n' && !(*end == *p && !letter(end[1])))
            end++;
        if (*end != *p)
            continue;
        split(l, (struct span){p + 1, end}, add_piece);
        p = end;
    }
}

/* ---- lines ---- */

static int bullet(const char *p)
{
    size_t digits = strspn(p, "0123456789");
    return strchr("-*+", *p) != NULL || (digits && strchr(".)", p[digits]));
}

/* Put like speech: by the words before the first comma. */
static int is_prose(const struct words *w, const char *text)
{
    static const char starts[] = " this it its the based from i these they there after "
                                 "according given judging reviews sounds looks seems ";
    static const char inside[] = " that which with where serving serves known offering "
                                 "offers because appears seems is are specializing "
                                 "specializes ";
    int n = 0, yes = 0;
    while (n < w->n && !memchr(text, ',', w->w[n].from))
        yes |= n && among(inside, words_at(w, n)), n++;
    if (w->n > 3 && among(starts, words_at(w, 0)))
        return 1;
    return n > 3 && (yes || among(" a an ", words_at(w, 0)));
}

/* "Categories:", "Here is the list of types:" */
static size_t lead(const char *p, const char *end)
{
    const char *colon = memchr(p, ':', (size_t)(end - p));
    struct words w = {0};
    int yes = 0;
    if (colon) {
        words_split(&w, p, (size_t)(colon - p));
        for (int i = 0; i < w.n && w.n <= 9; i++)
            yes |= among(" category categories type types kind kinds cuisine cuisines "
                         "here list answer tags ", words_at(&w, i));
    }
    words_release(&w);
    return yes ? (size_t)(colon + 1 - p) : 0;
}

/* A line ends at a line end, or with a sentence (but "1. Italian" goes on). */
static const char *line_end(const char *line_of)
{
    const char *p = line_of;
    for (; *p && *p != '\n'; p++)
        if (*p == '.' && p[1] == ' ' && isupper((unsigned char)p[2]) && p > line_of &&
            !isdigit((unsigned char)p[-1]))
            break;
    return p;
}

/* 0: an explanation begins here, stop. */
static int line(struct list *l, const char *p, const char *end, int first)
{
    int is_bullet = bullet(p);
    struct words w = {0};
    if (first)
        p += lead(p, end);
    words_split(&w, p, (size_t)(end - p));
    int prose = !is_bullet && is_prose(&w, p), long_one = !is_bullet && w.n > 3;
    words_release(&w);
    int listed = memchr(p, ',', (size_t)(end - p)) != NULL;
    if (!first && (l->added || l->none) && (prose || (long_one && !listed)))
        return 0;
    if (prose)
        sentence(l, (struct span){p, end});
    else
        split(l, (struct span){p, end}, add_piece);
    return 1;
}

int category_list(struct llm_result *r, const char *s, size_t n)
{
    struct list l = {r, 0, 0};
    struct buf b = {0};
    int words = 0;
    make_plain(&b, s, n);
    for (size_t i = 0; i < b.len; i++)
        words |= letter(b.data[i]);
    quoted(&l, b.data);
    int more = !l.added && !l.none, first = 1;
    for (const char *p = b.data; more && *p;) {
        p += strspn(p, " \n\t.");
        const char *end = line_end(p);
        if (end > p)
            more = line(&l, p, end, first);
        first = 0;
        p = end;
    }
    buf_release(&b);
    return l.added || l.none || !words ? 0 : -1;
}
