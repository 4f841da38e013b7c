# file: lib/nn/shards_index.c
# test: test_shards
# an index may name a file in any folder
s/strchr(v->s, '\/') ||/0 \&\&/
