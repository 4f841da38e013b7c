# file: lib/nn/bpe.c
# test: test_bpe
# of equal pairs the right one is merged first
s/<< 32 | (uint32_t)at);/<< 32 | (0x7fffffffu - (uint32_t)at));/; s/(int32_t)(uint32_t)top;/0x7fffffff - (int32_t)(uint32_t)top;/
