# file: lib/llm/pieces.c
# test: test_ask
# the end of a long text is dropped
s/            at += p->bytes;/            at += t->bytes;/
