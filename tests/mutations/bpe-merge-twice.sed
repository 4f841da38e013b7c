# file: lib/nn/bpe_build.c
# test: test_bpe_bad
# a pair that is merged twice takes its later rank
s/if (\*slot != BPE_FREE_SLOT)/if (0)/
