# file: lib/base/bloom.c
# test: test_text
# the filter forgets what was added
s/word\[hash >> 6 \& 7\] |= bit;/word[hash >> 6 \& 7] = bit;/
