# file: lib/train/features.c
# test: test_features
# a feature file whose values were changed is read
s/        quick_of(f) != h->quick) {/        0) {/
