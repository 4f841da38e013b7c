# file: lib/train/compare.c
# test: test_compare
# cells are compared over seeds that only one of them has
s/if (x == y) {/if (x >= y || x < y) {/
