# file: lib/train/layer.c
# test: test_layer
# what dropout leaves is not scaled up
s/real s = h < below ? 0 : scale;/real s = h < below ? 0 : scale > 0;/
