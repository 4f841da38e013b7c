# file: lib/model/blip2_weights.c
# test: test_blip2_bad
# the bytes of a packed file are not looked at
s/if (atomic_load(&c.wrong))/if (atomic_load(\&c.wrong) < 0)/
