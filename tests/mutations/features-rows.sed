# file: lib/train/features.c
# test: test_features
# other rows of the same tables share a feature file
s/sha256_add_field(h, d->review, (size_t)d->n \* sizeof \*d->review);//
