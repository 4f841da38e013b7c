# file: lib/train/grid.c
# test: test_grid
# our own way of training is stopped as the paper's
s/c\.stopping = "loss";/;/
