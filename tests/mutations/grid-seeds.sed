# file: lib/train/grid.c
# test: test_grid
# the paper's grid has three seeds
s/paper ? 5 : 3, protocol/paper ? 3 : 3, protocol/
