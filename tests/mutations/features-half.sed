# file: lib/train/features.c
# test: test_features
# a feature file that was cut is read
s/ || file_bytes(h) != f->file\.bytes)/)/
