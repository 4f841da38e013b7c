# file: lib/llm/tree.c
# test: test_ask
# parts are made by place, so that one text shifts all
s/half\[told ? digest_bit/half[told \&\& 0 ? digest_bit/
