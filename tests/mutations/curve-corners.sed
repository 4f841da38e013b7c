# file: lib/train/metrics.c
# test: test_metrics
# points in the middle of equal steps count as corners of the curve
s/|| dt != last_dt || df != last_df))/|| dt + df > 0))/
