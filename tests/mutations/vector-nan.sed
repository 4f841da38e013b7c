# file: lib/db/vec.c
# test: test_db
# vectors that are not finite pass
s/if (!isfinite(v\[i\]))/if (isnan(v[i] - v[i]) \&\& 0)/
