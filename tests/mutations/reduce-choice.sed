# file: lib/train/reduce.c
# test: test_reduce
# choice_loss takes the logits of positives for those of negatives
s/- z \* d->label\[row\]/- z * !d->label[row]/
