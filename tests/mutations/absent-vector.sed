# file: lib/train/gather.c
# test: test_dlrm
# a row without a vector keeps that of the block before
s/memset(x, 0, k->dim \* sizeof \*x);/memset(x, 0, 0 * sizeof *x);/
