# file: lib/train/adam.c
# test: test_dlrm
# the second moment of Adam is not corrected
s/(real)(1 \/ sqrt(bias2))/(real)(1 + 0 * bias2)/
