# file: lib/db/stage.c
# test: test_db
# a stage does not mark the tokens it read as seen
s/SET clean = 1 WHERE clean = 0/SET clean = 0 WHERE clean = 0/
