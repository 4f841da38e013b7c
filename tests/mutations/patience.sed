# file: lib/train/trainer.c
# test: test_trainer
# training goes on for one epoch more than the patience
s/improved_at >= t->o\.patience/improved_at > t->o.patience/
