# file: lib/train/adam.c
# test: test_dlrm
# the second moment of Adam is not corrected
s/(float)(1 \/ sqrt(bias2))/(float)(1 + 0 * bias2)/
