# file: lib/model/qformer.c
# test: test_blip2
# the other layers look at the picture
s/layer % m->shape.every == 0/layer % m->shape.every != 0/
