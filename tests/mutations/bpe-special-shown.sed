# file: lib/nn/bpe.c
# test: test_bpe
# special tokens are part of the text
s/ids\[i\] < b->size \&\& !b->special\[ids\[i\]\])/ids[i] < b->size)/
