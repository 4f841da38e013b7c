# file: lib/train/dense.c
# test: test_dense
# columns are standardised over a part of the train rows
s/double sum = 0, sq = 0;/double sum = 0, sq = 0; n -= n \/ 10;/
