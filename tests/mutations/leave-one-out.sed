# file: lib/train/dense.c
# test: test_dense
# a train row's own rating stays in the paper's averages
s/v->rating_sum - (own ? (double)d->rating\[row\] : 0)/v->rating_sum/
