# file: lib/train/grid.c
# test: test_grid
# rows that have been run are forgotten with their grid
s/"AND id NOT IN (SELECT experiment_id FROM run)";/"AND :by <> ''";/
