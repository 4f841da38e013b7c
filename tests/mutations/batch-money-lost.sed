# file: lib/llm/budget.c
# test: t_batch.sh
# the money of batches under way counts as lost with the run that sent them
s/"SELECT max(held_usd - " OF_BATCHES ", 0)/"SELECT max(held_usd, 0)/
