/* SPDX-License-Identifier: MIT */
#include "world.h"
#include <string.h>

/* Chance of a negative review from each cause alone; causes are independent. */
#define P_ALWAYS 0.002
#define P_CLASH 0.95
#define P_SHABBY 0.45
#define P_SLOW 0.01
#define P_SMALL 0.01
#define P_DEAR 0.01
/* How often a user ends up where the taste is not met. */
#define CLASH_PERCENT 8
/* Photos that show the opposite of what the place is. */
#define ODD_PHOTO_PERCENT 6

#define FIRST_DAY_AT INT64_C(1640995200) /* 2022-01-01 */
#define DAYS 1000

void world_rng(struct rng *r, enum world_stream stream, int a, int b)
{
    rng_seed(r, rng_mix((uint64_t)stream << 56 | (uint64_t)(uint32_t)b << 32 | (uint32_t)a),
             WORLD_SEED);
}

/* The attributes go round like clocks of different periods, so that no two of them hang
 * together: i & 3 is heat and noise, g = i / 4 turns the rest. */
void world_place(struct world_place *p, int index)
{
    struct rng r;
    int corner = index & 3, g = index >> 2;
    memset(p, 0, sizeof *p);
    p->spicy = corner & 1;
    p->loud = corner >> 1;
    p->shabby = (g + corner * 3) % 10 == 0 || index % 20 == 7;
    p->slow = (g * 3 + corner * 2 + 5) % 10 < 4;
    p->small = (g * 7 + corner * 5 + 1) % 10 < 4;
    p->price = (enum world_price)((g + corner) % 3);
    world_rng(&r, STREAM_PLACE, index, 0);
    p->cuisine = (int)rng_below(&r, 12);
    for (int k = 0; k < WORLD_SLOTS; k++)
        p->bad[k] = p->shabby ^ (rng_below(&r, 100) < ODD_PHOTO_PERCENT);
}

void world_user(struct world_user *u, const struct world *w, int index)
{
    static const int step[] = {1, 3, 7, 9, 11, 13, 17, 19};
    struct rng r;
    world_rng(&r, STREAM_USER, index, 0);
    u->index = index;
    u->taste = (enum world_taste)(index % WORLD_TASTES);
    u->n_visits = 6 + (int)rng_below(&r, WORLD_MAX_VISITS - 5);
    u->start = (int)rng_below(&r, (uint32_t)(WORLD_PLACES / 2 * w->scale));
    u->step = step[rng_below(&r, 8)];
}

/* The k-th of the places that have spicy (or loud) = want. */
static int place_of(int by_heat, int want, int k)
{
    return by_heat ? 2 * k + want : 4 * (k / 2) + k % 2 + 2 * want;
}

static double chance_of_negative(const struct world_place *p, int clash)
{
    double good = 1 - P_ALWAYS;
    good *= clash ? 1 - P_CLASH : 1;
    good *= p->shabby ? 1 - P_SHABBY : 1;
    good *= p->slow ? 1 - P_SLOW : 1;
    good *= p->small ? 1 - P_SMALL : 1;
    good *= p->price == PRICE_DEAR ? 1 - P_DEAR : 1;
    return 1 - good;
}

void world_visit(struct world_visit *v, const struct world *w, const struct world_user *u, int k)
{
    static const double bad[] = {1, 2, 2, 3, 3}, good[] = {4, 4, 5, 5, 5};
    struct rng r;
    struct world_place p;
    int half = WORLD_PLACES / 2 * w->scale;
    int by_heat = u->taste == TASTE_HEAT || u->taste == TASTE_MILD;
    int wants = u->taste == TASTE_HEAT || u->taste == TASTE_PARTY;
    world_rng(&r, STREAM_VISIT, u->index, k);
    v->clash = rng_below(&r, 100) < CLASH_PERCENT;
    int at = (int)((u->start + (int64_t)u->step * k) % half);
    v->place = place_of(by_heat, wants ^ v->clash, at);
    world_place(&p, v->place);
    v->p_negative = chance_of_negative(&p, v->clash);
    int negative = rng_uniform(&r) < (float)v->p_negative;
    v->rating = negative ? bad[rng_below(&r, 5)] : good[rng_below(&r, 5)];
    v->at = FIRST_DAY_AT + (int64_t)rng_below(&r, DAYS) * 86400;
    v->at += 39600 + rng_below(&r, 36000); /* 11:00 to 21:00 */
}
