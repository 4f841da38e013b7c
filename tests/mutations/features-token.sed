# file: lib/train/features.c
# test: test_features
# a feature file goes on being read when its tables have changed
s/group_concat(tbl || '=' || token)/group_concat(tbl)/
