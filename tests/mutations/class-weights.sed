# file: lib/train/trainer.c
# test: test_trainer
# the classes have each other's weight
s/weight\[k\] = (real)/weight[1 - k] = (real)/
