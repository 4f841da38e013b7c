/* SPDX-License-Identifier: MIT */
#include "source/columns.h"
#include "base/util.h"
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define ALIASES 20

/* Common names of each field, the best first: where a table has several, that one is
 * taken. */
static const struct {
    const char *field;
    const char *alias[ALIASES];
} known[COLUMNS_FIELDS] = {
    [COLUMNS_USER] = {"user",
                      {"userid", "user", "reviewerid", "authorid", "customerid",
                       "reviewer", "author", "username", "reviewername", "customer",
                       "profilename"}},
    [COLUMNS_BUSINESS] = {"business",
                          {"businessid", "business", "gmapid", "parentasin", "asin",
                           "productid", "itemid", "restaurantid", "placeid", "item",
                           "restaurant", "restaurantname", "product", "productname",
                           "place", "businessname", "hotel"}},
    [COLUMNS_TEXT] = {"text",
                      {"reviewtext", "text", "review", "reviewbody", "reviewcontent",
                       "body", "comment", "comments", "content"}},
    [COLUMNS_RATING] = {"rating",
                        {"rating", "stars", "overall", "starrating", "reviewrating",
                         "reviewscore", "score"}},
    [COLUMNS_TIME] = {"time",
                      {"unixreviewtime", "timestamp", "sorttimestamp", "time", "date",
                       "reviewdate", "reviewtime", "createdat", "datetime"}},
    [COLUMNS_ID] = {"id", {"reviewid", "id"}},
    [COLUMNS_SPLIT] = {"split", {"split", "set"}},
    [COLUMNS_PHOTOS] = {"photos",
                        {"photos", "photo", "photoids", "pics", "images", "image"}},
    [COLUMNS_NAME] = {"name", {"name", "title", "businessname", "restaurantname"}},
    [COLUMNS_CATEGORIES] = {"categories",
                            {"categories", "category", "cuisines", "cuisine"}},
    [COLUMNS_PRICE] = {"price", {"price", "pricerange", "cost", "averagecost"}},
};

/* Lower case without blanks, dashes, underscores; cut at 63 bytes. */
static void plain_name(char out[64], const char *s)
{
    size_t n = 0;
    for (; *s && n < 63; s++)
        if (!strchr(" _-\t.", *s))
            out[n++] = (char)tolower((unsigned char)*s);
    out[n] = 0;
}

static int find_column(const char *const *names, int n, const char *name)
{
    char want[64], have[64];
    plain_name(want, name);
    for (int i = 0; i < n; i++) /* exactly, first */
        if (strcmp(names[i], name) == 0)
            return i;
    for (int i = 0; i < n; i++) {
        plain_name(have, names[i]);
        if (strcmp(have, want) == 0)
            return i;
    }
    return -1;
}

static void guess(struct columns *c, const char *const *names, int n)
{
    for (int f = 0; f < COLUMNS_FIELDS; f++) {
        c->at[f] = -1;
        for (int a = 0; a < ALIASES && known[f].alias[a] && c->at[f] < 0; a++)
            c->at[f] = find_column(names, n, known[f].alias[a]);
    }
}

static int field_of(const char *s, size_t n)
{
    for (int f = 0; f < COLUMNS_FIELDS; f++)
        if (strlen(known[f].field) == n && strncmp(known[f].field, s, n) == 0)
            return f;
    return -1;
}

const char *columns_list(char *text, size_t size, const char *const *names, int n)
{
    size_t at = 0;
    text[0] = 0;
    for (int i = 0; i < n; i++) {
        int k = snprintf(text + at, size - at, "%s%s", i ? ", " : "", names[i]);
        if (k < 0 || (size_t)k >= size - at) {
            if (size > 4)
                strcpy(text + (at < size - 4 ? at : size - 4), "...");
            break;
        }
        at += (size_t)k;
    }
    return text;
}

/* One "field=Column" of the override. */
static int override_one(struct columns *c, const char *const *names, int n, const char *s,
                        size_t bytes, struct err *e)
{
    char list[300], name[256];
    const char *equals = memchr(s, '=', bytes);
    int f = field_of(s, equals ? (size_t)(equals - s) : bytes);
    if (!equals || f < 0)
        return err_set(
            e,
            "columns: '%.*s' is not field=Column; fields are user, business, text, "
            "rating, time, id, split, photos, name, categories, price",
            (int)bytes, s);
    size_t len = bytes - (size_t)(equals + 1 - s);
    if (len == 0) {
        c->at[f] = -1;
        return 0;
    }
    snprintf(name, sizeof name, "%.*s", (int)len, equals + 1);
    c->at[f] = find_column(names, n, name);
    if (c->at[f] < 0)
        return err_set(e, "columns: no column '%s' for %s; there are: %s", name,
                       known[f].field, columns_list(list, sizeof list, names, n));
    return 0;
}

static int override_all(struct columns *c, const char *const *names, int n, const char *s,
                        struct err *e)
{
    while (*s) {
        s += strspn(s, " \t");
        size_t bytes = strcspn(s, ","), used = bytes;
        while (used && (s[used - 1] == ' ' || s[used - 1] == '\t'))
            used--;
        if (used && override_one(c, names, n, s, used, e) < 0)
            return -1;
        s += bytes + (s[bytes] == ',');
    }
    return 0;
}

/* Drops what the other kind of row uses: a review table's "name" is often the reviewer's.
 */
static void settle(struct columns *c)
{
    int *at = c->at;
    c->rows = COLUMNS_NOTHING;
    if (at[COLUMNS_USER] >= 0 && at[COLUMNS_BUSINESS] >= 0 && at[COLUMNS_RATING] >= 0) {
        c->rows = COLUMNS_REVIEWS;
        at[COLUMNS_NAME] = at[COLUMNS_CATEGORIES] = at[COLUMNS_PRICE] = -1;
        return;
    }
    if (at[COLUMNS_USER] >= 0 || at[COLUMNS_TEXT] >= 0)
        return;
    if (at[COLUMNS_BUSINESS] < 0)
        at[COLUMNS_BUSINESS] = at[COLUMNS_ID] >= 0 ? at[COLUMNS_ID] : at[COLUMNS_NAME];
    bool told = at[COLUMNS_CATEGORIES] >= 0 || at[COLUMNS_PRICE] >= 0 ||
                (at[COLUMNS_NAME] >= 0 && at[COLUMNS_NAME] != at[COLUMNS_BUSINESS]);
    if (at[COLUMNS_BUSINESS] < 0 || !told)
        return;
    c->rows = COLUMNS_BUSINESSES;
    at[COLUMNS_RATING] = at[COLUMNS_TIME] = at[COLUMNS_ID] = at[COLUMNS_SPLIT] =
        at[COLUMNS_PHOTOS] = -1;
}

int columns_choose(struct columns *c, const char *const *names, int n,
                   const char *override, struct err *e)
{
    guess(c, names, n);
    if (override && override_all(c, names, n, override, e) < 0)
        return -1;
    settle(c);
    return 0;
}

const char *columns_text(char *text, size_t size, const struct columns *c,
                         const char *const *names)
{
    size_t at = 0;
    text[0] = 0;
    for (int f = 0; f < COLUMNS_FIELDS; f++) {
        if (c->at[f] < 0)
            continue;
        int k = snprintf(text + at, size - at, "%s%s=%s", at ? ", " : "", known[f].field,
                         names[c->at[f]]);
        if (k < 0 || (size_t)k >= size - at)
            break;
        at += (size_t)k;
    }
    return text;
}
