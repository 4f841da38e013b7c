# file: lib/db/stage.c
# test: t_ingest.sh
# two runs of one stage go side by side
s/LOCK_EX | LOCK_NB/LOCK_SH | LOCK_NB/
