# file: lib/nn/bpe.c
# test: test_bpe
# n't is closed up before the lone apostrophe
s/{" .",   " ?",  " !",  " ,",   " ' ",/{" .",   " ?",  " !",  " ,",   " 's",/; s/" n't", " 'm", " 's", " 've"/" n't", " 'm", " ' ", " 've"/; s/from\[k\], k == 4/from[k], k == 7/
