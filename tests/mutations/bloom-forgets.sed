# file: lib/base/bloom.c
# test: test_text
# the filter forgets what was added
s/b->bits\[at >> 6\] |= bit/b->bits[at >> 6] = bit/
