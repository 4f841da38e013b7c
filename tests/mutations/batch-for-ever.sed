# file: lib/llm/batch.c
# test: t_batch.sh
# a service that answers nothing is asked for ever
s/if (b->barren < BARREN_MAX)/if (b->barren >= 0)/
