# file: lib/model/generate.c
# test: test_blip2
# beams are judged without their length
s/double length = pow(s->step + 1, s->o.length_penalty);/double length = 1;/
