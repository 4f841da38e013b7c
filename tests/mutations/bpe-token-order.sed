# file: lib/nn/bpe.c
# test: test_bpe
# of two added tokens at one place the shorter one counts
s/t->n > best->n))/t->n < best->n))/
