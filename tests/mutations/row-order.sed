# file: lib/train/dataset.c
# test: test_dataset
# rows are in the order of their ids
s/ORDER BY ku\.key, kb\.key, r\.at,/ORDER BY r.user_id, r.business_id, r.at,/
