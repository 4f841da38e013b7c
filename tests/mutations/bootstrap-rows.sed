# file: lib/train/bootstrap.c
# test: test_metrics
# the bootstrap draws rows as if each had its own user
s/\.users = number_users(cluster, user, n)/.users = number_users(cluster, user, n) + n/
