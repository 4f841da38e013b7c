# file: lib/db/loop.c
# test: t_embed.sh
# the chunk behind is stored in place of the first
s/l->chunk\[0\] = l->chunk\[1\];/l->chunk[0] = NULL;/
