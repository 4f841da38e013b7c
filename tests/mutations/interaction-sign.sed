# file: lib/train/layer.c
# test: test_layer
# one half of the gradient of the dot interaction has the wrong sign
s/s += gradient_of(dx + l->z, u, v)/s += (u > v ? 1 : -1) * gradient_of(dx + l->z, u, v)/
