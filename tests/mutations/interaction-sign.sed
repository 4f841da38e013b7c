# file: lib/train/layer.c
# test: test_layer
# one half of the gradient of the dot interaction has the wrong sign
s/axpy(dT + (size_t)j \* ld, \*g,/axpy(dT + (size_t)j * ld, -*g,/
