# file: lib/train/dataset.c
# test: test_dataset
# the share is of all rows before and not of what is left
s/share \/ (1 - share) \* (double)positives/share * (double)positives/
