# file: lib/model/minilm_load.c
# test: test_minilm
# the two layer norms of a block are swapped
s/take(m, st, name\[0\], 0, m->D, e)) ||/take(m, st, name[2], 0, m->D, e)) ||/
