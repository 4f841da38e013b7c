# file: lib/train/compare.c
# test: test_compare
# a run that predicts one class is chosen for its low false positive rate
s/ORDER BY r\.degenerate, f\.value IS NULL/ORDER BY f.value IS NULL/
