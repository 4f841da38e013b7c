# file: lib/train/merge.c
# test: test_merge
# runs keep the number that their experiment had in the part
s/SELECT y\.id, r\.identity/SELECT x.id, r.identity/
