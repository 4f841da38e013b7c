# file: lib/nn/bpe.c
# test: test_bpe
# a pair is not looked up again when its right half grows
s/^    if (s->prev >= 0)$/    if (s->prev >= 0 \&\& s->next < 0)/
