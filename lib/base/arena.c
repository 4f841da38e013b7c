/* SPDX-License-Identifier: MIT */
#include "base/arena.h"
#include "base/util.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

size_t arena_room(size_t floats)
{
    return (floats + 15) / 16 * 16;
}

void arena_init(struct arena *a, size_t floats)
{
    floats = arena_room(floats ? floats : 1);
    if (floats > SIZE_MAX / sizeof(float))
        die("out of memory: %zu floats", floats);
    a->base = aligned_alloc(64, floats * sizeof(float));
    if (!a->base)
        die("out of memory asking for %zu floats", floats);
    memset(a->base, 0, floats * sizeof(float));
    a->used = 0;
    a->cap = floats;
}

float *arena_take(struct arena *a, size_t floats)
{
    floats = arena_room(floats);
    assert(floats <= a->cap - a->used);
    float *p = a->base + a->used;
    a->used += floats;
    return p;
}

void arena_release(struct arena *a)
{
    free(a->base);
    *a = (struct arena){0};
}
