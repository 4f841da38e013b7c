# file: lib/llm/answer.c
# test: test_answer
# an answer that goes on with the fences is taken
s/if (strstr(text, "<<<text ")/if (0 \&\& strstr(text, "<<<text ")/
