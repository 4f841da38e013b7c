# file: lib/model/blip2.c
# test: test_blip2
# a beam that parts from another one does not take its past along
s/optlm_copy_slot(&m->cache, &m->w.shape.opt, free_slot,/(void)free_slot; if (t < 0) &/
