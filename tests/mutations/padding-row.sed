# file: lib/train/layer.c
# test: test_layer
# the padding row of the table learns
/layer_bag_backward/,/^}/s/if (bags\[i\] != l->pad)/if (bags[i] >= 0)/
