# file: lib/llm/lexicon.c
# test: test_text
# a negated phrase counts like a plain one
s/h\.negated |= negates/h.negated \&= negates/
