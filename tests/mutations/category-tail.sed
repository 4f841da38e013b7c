# file: lib/train/dense.c
# test: test_dense
# rare names of three words are left out
s/WHERE instr(n.name, ' ') AND/WHERE 0 AND/
