# file: lib/model/vit.c
# test: test_blip2
# the class token is left out
s/x\[k\] += m->class_token\[k\];/x[k] += 0 * m->class_token[k];/
