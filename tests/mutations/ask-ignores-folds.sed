# file: lib/llm/tree.c
# test: test_ask
# sets of folds do not share their parts
s/    if (!by_fold)$/    if (by_fold >= 0)/
