# file: lib/llm/lexrank.c
# test: test_text
# the walk jumps as often as it should follow an edge
s/DAMPING 0\.15f/DAMPING 0.85f/
