# file: lib/train/trainer.c
# test: test_exact
# biases decay too
s/if (k->decays)/if (k->rows > 0)/
