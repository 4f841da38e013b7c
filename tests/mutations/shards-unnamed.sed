# file: lib/nn/shards.c
# test: test_shards
# a tensor that the index does not name is left out in silence
s/^            if (!n)$/            if (!n) continue; if (!s)/
