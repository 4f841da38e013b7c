/* SPDX-License-Identifier: MIT */
/* Seeded random numbers with explicit state: xoshiro256** (Blackman and Vigna 2018), seeded
 * by splitmix64. The same seed gives the same numbers on every machine.
 *
 *     struct rng r;
 *     rng_seed(&r, 7, 0);               // seed 7, stream 0
 *     float w = 0.1f * rng_normal(&r);
 */
#ifndef MM_BASE_RNG_H
#define MM_BASE_RNG_H
#include <stddef.h>
#include <stdint.h>

struct rng {
    uint64_t s[4];
};

void rng_seed(struct rng *r, uint64_t seed, uint64_t stream);
uint64_t rng_u64(struct rng *r);
float rng_uniform(struct rng *r);                  /* [0, 1), 24 bits */
float rng_normal(struct rng *r);                   /* mean 0, sd 1 (Box-Muller) */
uint32_t rng_below(struct rng *r, uint32_t n);     /* 0..n-1 without bias; n >= 1 */
void rng_shuffle(struct rng *r, int *a, size_t n); /* Fisher-Yates, in place */
uint64_t rng_mix(uint64_t x);                      /* splitmix64's finaliser: a hash of x */

#endif
