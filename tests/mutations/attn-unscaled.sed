# file: lib/nn/attn.c
# test: test_ops
# scores are not divided by the root of the width
s/ops_softmax_rows(s, inv, n, T, keys, scale);/ops_softmax_rows(s, inv, n, T, keys, 1.0f);/
