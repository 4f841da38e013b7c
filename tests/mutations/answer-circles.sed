# file: lib/llm/answer_summary.c
# test: test_answer
# an answer may go round in circles
s/|| repeats(w, SENTENCE_WORDS, 2)//
