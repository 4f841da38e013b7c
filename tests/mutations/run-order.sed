# file: lib/source/spool.c
# test: test_spool
# runs of a temporary file are merged without an order
s/by_number(head(s, child + 1), head(s, child)) < 0/by_number(head(s, child + 1), head(s, child)) > 0/
