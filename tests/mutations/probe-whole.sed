# file: lib/train/probe.c
# test: test_probe
# the probe does not know the whole of a business
s/w->sum \/ w->n - shown/3.5 - shown/
