# file: lib/source/visible.c
# test: t_ingest.sh
# a fold sees itself and nothing else
s/fold != view/fold == view/
