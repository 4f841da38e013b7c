# file: lib/source/settle.c
# test: t_ingest.sh
# a history text beside a test label stays visible
s/max(CASE r\.split WHEN/min(CASE r.split WHEN/
