# file: lib/source/settle.c
# test: t_ingest.sh
# texts beside hidden labels are not hidden
s/"WHERE h\.labelled = 0"/"WHERE h.labelled = 2"/
