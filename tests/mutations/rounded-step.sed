# file: lib/train/adam.c
# test: test_exact
# the step is a little short, less than float would show
s/real_sqrt(v\[i\]) \* root + eps/real_sqrt(v[i]) * root * (real)1.00000001 + eps/
