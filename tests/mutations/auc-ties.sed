# file: lib/train/metrics.c
# test: test_metrics
# tied scores count as won
s/area += s\.df \* (tp + s\.dt \/ 2)/area += s.df * (tp + s.dt)/
