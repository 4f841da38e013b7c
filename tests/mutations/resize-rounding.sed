# file: lib/image/resize.c
# test: test_image
# pixels are cut off instead of rounded
s/int s0 = 1 << (BITS - 1)/int s0 = 0/
