# file: lib/llm/client.c
# test: t_llm.sh
# the address is part of a request
s|    c->name = name_of(c->model, c->which);|    c->name = name_of(c->model, *c->url ? c->url : c->which);|
