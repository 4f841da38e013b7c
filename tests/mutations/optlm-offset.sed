# file: lib/model/optlm.c
# test: test_blip2
# words have the position before their own
s/(size_t)(position + OPTLM_OFFSET)/(size_t)(position + OPTLM_OFFSET - 1)/
