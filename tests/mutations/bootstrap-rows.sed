# file: lib/train/compare.c
# test: test_compare
# the bootstrap draws rows as if each had its own user
s/dense_rank() OVER (ORDER BY u\.key)/row_number() OVER (ORDER BY u.key)/
