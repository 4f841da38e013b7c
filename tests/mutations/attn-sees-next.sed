# file: lib/nn/attn.c
# test: test_engine
# a causal query sees the key behind its own
s/r->T - queries + t + i + 1;/r->T - queries + t + i + 1 + (i + 1 < queries);/
