# file: lib/train/reduce.c
# test: test_reduce
# the network of a fold is trained on that fold too
s/if (fold == EVERYONE || d->fold\[d->ids\[DATASET_TRAIN\]\[i\]\] != fold)/if (fold >= EVERYONE)/
