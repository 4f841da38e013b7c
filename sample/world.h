/* SPDX-License-Identifier: MIT */
/* The small invented town behind the sample: places with hidden attributes, users with a
 * taste, visits, and how likely a visit ends in a bad review. Our own rules, told in README.md.
 *
 *     struct world w = {.scale = 1};
 *     world_user(&u, &w, 17);
 *     world_visit(&v, &w, &u, 3);              // the fourth visit of user 17
 *     world_place(&p, v.place);
 *
 * Everything is a function of the seed and an index, so any scale streams in flat memory and
 * the same call gives the same answer. No function fails.
 */
#ifndef MM_SAMPLE_WORLD_H
#define MM_SAMPLE_WORLD_H
#include "base/rng.h"

enum {
    WORLD_SEED = 2,
    WORLD_PLACES = 40,     /* times scale, as are the users */
    WORLD_USERS = 150,
    WORLD_SLOTS = 5,       /* photos a place */
    WORLD_MAX_VISITS = 14
};

enum world_taste { TASTE_HEAT, TASTE_MILD, TASTE_QUIET, TASTE_PARTY, WORLD_TASTES };
enum world_price { PRICE_CHEAP, PRICE_FAIR, PRICE_DEAR };
enum world_stream { STREAM_USER = 1, STREAM_VISIT, STREAM_TEXT, STREAM_PLACE, STREAM_PHOTO };

struct world {
    int scale; /* at least 1 */
};

struct world_place {
    int spicy, loud;    /* matter to those of the matching taste only */
    int slow, small;    /* matter a little to everybody, told in the texts */
    enum world_price price;
    int cuisine;
    int shabby;         /* matters to everybody, told by the photos only */
    int bad[WORLD_SLOTS]; /* whether photo slot k shows it; chance adds exceptions */
};

struct world_user {
    int index, n_visits;
    enum world_taste taste;
    int start, step;    /* through the places */
};

struct world_visit {
    int place, clash;   /* clash: the place is the opposite of the user's taste */
    double p_negative;
    double rating;      /* 1, 2, 3 or 4, 5 */
    int64_t at;         /* unix seconds */
};

void world_rng(struct rng *r, enum world_stream stream, int a, int b);
void world_place(struct world_place *p, int index);
void world_user(struct world_user *u, const struct world *w, int index);
void world_visit(struct world_visit *v, const struct world *w, const struct world_user *u, int k);

#endif
