# file: lib/source/loader.c
# test: t_ingest.sh
# a first reading does not look for users with labelled and unlabelled reviews of a business
s/if (l->fresh && row\.labelled != w->r->labelled)/if (0)/
