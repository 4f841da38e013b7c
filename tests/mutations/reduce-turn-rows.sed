# file: lib/train/reduce.c
# test: test_reduce
# the rotation is fitted on validation and test rows too
s/next_rows(ids, &at, all->fit, EVERYONE, 1)/next_rows(ids, \&at, all->fit, EVERYONE, 0)/
