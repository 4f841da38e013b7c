# file: lib/train/probe.c
# test: test_probe
# other labels of the same ratings are not probed again
s/sha256_add_field(h, d->label, (size_t)d->n);//
