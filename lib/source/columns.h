/* SPDX-License-Identifier: MIT */
/* Which column of a table holds what: guessed from common names, overridden by the user.
 *
 *     struct columns c;
 *     if (columns_choose(&c, names, n, "user=Reviewer,photos=", &e) < 0)
 *         ...                       // unknown field or column: e names those there are
 *     printf("%s\n", columns_text(text, sizeof text, &c, names));
 *
 * Names are compared without case, blanks, dashes and underscores. An override replaces
 * the guess of the fields it names; "field=" switches one off.
 */
#ifndef MM_SOURCE_COLUMNS_H
#define MM_SOURCE_COLUMNS_H
#include "base/err.h"
#include <stddef.h>

enum columns_field {
    COLUMNS_USER,
    COLUMNS_BUSINESS,
    COLUMNS_TEXT,
    COLUMNS_RATING,
    COLUMNS_TIME,
    COLUMNS_ID,
    COLUMNS_SPLIT,
    COLUMNS_PHOTOS,
    COLUMNS_NAME,
    COLUMNS_CATEGORIES,
    COLUMNS_PRICE,
    COLUMNS_FIELDS
};

/* What the rows of such a table are. */
enum columns_rows { COLUMNS_NOTHING, COLUMNS_REVIEWS, COLUMNS_BUSINESSES };

struct columns {
    int at[COLUMNS_FIELDS]; /* index into names, or -1 */
    enum columns_rows rows;
};

/* names [n]. override may be NULL. Reviews need user, business and rating; businesses need a
 * key (or name) and categories, a price or a name; rows is NOTHING otherwise. */
int columns_choose(struct columns *c, const char *const *names, int n,
                   const char *override, struct err *e) MM_MUST_CHECK;

/* "user=Reviewer, business=Restaurant, ..." into text; returns text. */
const char *columns_text(char *text, size_t size, const struct columns *c,
                         const char *const *names);

/* "a, b, c": the names, cut to fit; returns text. */
const char *columns_list(char *text, size_t size, const char *const *names, int n);

#endif
