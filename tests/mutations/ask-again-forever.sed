# file: lib/llm/ask.c
# test: test_ask
# a bad answer is asked for again without end
s/if (n->nth > n->ask->limits->reask)/if (n->nth > n->ask->limits->reask + 5)/
