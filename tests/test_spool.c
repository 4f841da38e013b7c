/* SPDX-License-Identifier: MIT */
/* Sorting records in little memory: in memory alone, in two runs, in hundreds. */
#include "base/rng.h"
#include "source/idset.h"
#include "source/spool.h"
#include "tap.h"
#include <stdint.h>
#include <stdlib.h>

struct thing {
    int64_t number;
    uint64_t body[3];
};

/* n things with numbers below `range` through memory for `room` of them. */
static void sorts(size_t n, int64_t range, size_t room)
{
    struct spool *s = spool_new(sizeof(struct thing), room * sizeof(struct thing) + 7);
    uint64_t in = 0, out = 0, bad = 0;
    size_t got = 0;
    struct rng r;
    rng_seed(&r, n, room);
    for (size_t i = 0; i < n; i++) {
        struct thing t = {(int64_t)(rng_u64(&r) % (uint64_t)range) - range / 2, {i, i * 3, 0}};
        t.body[2] = rng_mix((uint64_t)t.number ^ t.body[0]);
        in += t.body[2];
        spool_add(s, &t);
    }
    int64_t last = INT64_MIN;
    const struct thing *t;
    while ((t = spool_next(s)) != NULL) {
        bad += t->number < last || t->body[1] != t->body[0] * 3 ||
               t->body[2] != rng_mix((uint64_t)t->number ^ t->body[0]);
        last = t->number;
        out += t->body[2];
        got++;
    }
    ok(got == n && in == out, "%zu of %zu things, room for %zu", got, n, room);
    ok(bad == 0 && !spool_next(s), "in order and whole, and then no more");
    spool_free(s);
}

static void test_idset(void)
{
    struct idset s = {0};
    ok(idset_next(&s, 1) == -1 && idset_count(&s) == 0 && !idset_has(&s, 0), "an empty set");
    idset_add(&s, 5), idset_add(&s, 63), idset_add(&s, 64), idset_add(&s, 100000);
    idset_add(&s, 64);
    ok(idset_count(&s) == 4 && idset_has(&s, 63) && !idset_has(&s, 62), "four members");
    ok(idset_next(&s, 1) == 5 && idset_next(&s, 6) == 63 && idset_next(&s, 64) == 64 &&
       idset_next(&s, 65) == 100000 && idset_next(&s, 100001) == -1, "in order");
    idset_release(&s);
}

int main(void)
{
    sorts(0, 10, 100);
    sorts(1, 10, 100);
    sorts(100, 1000, 100);
    sorts(101, 1000, 100);
    sorts(1000, 10, 100);
    sorts(20000, INT64_MAX, 150);
    spool_free(NULL);
    test_idset();
    return done();
}
