# file: lib/model/generate.c
# test: test_blip2
# a text may end one token before the least
s/s->step >= s->o.min_new/s->step + 1 >= s->o.min_new/
