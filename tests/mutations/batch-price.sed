# file: lib/llm/batch_results.c
# test: t_batch.sh
# an answer of a batch costs the whole price
s/r->usd = BATCH_PRICE \*/r->usd =/
