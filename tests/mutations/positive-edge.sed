# file: lib/source/loader.c
# test: t_ingest.sh
# a rating of just POSITIVE stars is negative
s/rating >= l->rule\.positive/rating > l->rule.positive/
