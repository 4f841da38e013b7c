# file: lib/train/merge.c
# test: test_merge
# a run that both have is taken over from the part
s/WHERE r\.stale = 0 AND r\.identity NOT IN (SELECT identity FROM " to "\.run);\\n" \\/WHERE r.stale = 0;\\n" \\/; s/"INSERT INTO " to "\.run (exp/"REPLACE INTO " to ".run (exp/; s/"INSERT INTO " to "\./"REPLACE INTO " to "./
