# file: lib/model/blip2.c
# test: test_blip2_bad
# a tower of other heads is the same model
s/p->side, s->vit.block.heads,/p->side, 0,/
