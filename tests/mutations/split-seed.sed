# file: lib/source/loader.c
# test: t_ingest.sh
# the split does not depend on SPLIT_SEED
s/rng_mix(l->rule\.seed) ^ salt/salt/
