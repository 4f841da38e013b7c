# file: lib/source/visible.c
# test: test_loader
# visible sets of a first reading miss what was settled after the loading
s/idset_has(touched, x->entity)/0/;s/update_some(&w, part\[i\]\.kind, part\[i\]\.sql_one, part\[i\]\.touched)/(void)0/
