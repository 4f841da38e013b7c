# file: lib/source/settle.c
# test: t_ingest.sh
# texts beside hidden labels are not hidden
s/WHERE h\.labelled = 0 GROUP BY h\.id/WHERE h.labelled = 2 GROUP BY h.id/
