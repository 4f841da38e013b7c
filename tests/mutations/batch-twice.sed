# file: lib/llm/batch_results.c
# test: t_batch.sh
# an answer that is there leaves its request open
s/DELETE FROM llm_batch_request WHERE digest/DELETE FROM llm_batch_request WHERE 0 AND digest/
