# file: lib/train/metrics.c
# test: test_metrics
# tied scores count as won
s/area += df \* (tp + dt \* 0\.5)/area += df * (tp + dt)/
