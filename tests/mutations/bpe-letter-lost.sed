# file: lib/nn/unicode_gpt2.c
# test: test_bpe
# one letter of the table is none
s/{201552,/{201553,/
