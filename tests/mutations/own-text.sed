# file: lib/train/entity.c
# test: test_entity
# a train row's own text stays in the paper's means of reviews
s/if (own && leave_out/if (0 \&\& own \&\& leave_out/
