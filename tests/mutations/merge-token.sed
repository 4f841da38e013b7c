# file: lib/train/merge.c
# test: test_merge
# parts of other reviews are taken
s/strcmp(theirs, mine) == 0/*mine != 0/
