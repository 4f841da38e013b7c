# file: lib/train/dense.c
# test: test_dense
# each fold of a business has a vote on the vocabulary
s/count(DISTINCT v.entity_id) >= 2/count(*) >= 2/
