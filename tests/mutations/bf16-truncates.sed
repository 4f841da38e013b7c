# file: lib/nn/gemm.c
# test: test_gemm
# bfloat16 of plain C is cut off, not rounded
s/(b + 0x7fff + (b >> 16 \& 1)) >> 16/b >> 16/
