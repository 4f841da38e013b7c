# file: lib/model/blip2_weights.c
# test: test_blip2_bad
# the bytes of a packed file are not looked at
s/rc = atomic_load(&c.wrong) != 0;/rc = 0;/
