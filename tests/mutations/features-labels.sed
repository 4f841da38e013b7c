# file: lib/train/features.c
# test: test_features
# the digest of features does not cover the labels
s/sha256_add_field(h, d->label, (size_t)d->n);//
