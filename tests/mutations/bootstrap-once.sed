# file: lib/train/bootstrap.c
# test: test_bootstrap
# the draws of users are without replacement
s/times\[rng_below(&r, (uint32_t)users)\]++/times[u] = 1 + 0 * (int)rng_below(\&r, 2)/
