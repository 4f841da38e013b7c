# file: lib/train/reduce.c
# test: test_reduce
# rows of a fold are turned the other way
s/(double)R\[i \* DIM + j\]/(double)R[j * DIM + i]/
