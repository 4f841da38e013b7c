# file: lib/train/trainer.c
# test: test_trainer
# a checkpoint is taken up with another weight decay
s/(uint64_t)o->max_epochs, decay}/(uint64_t)o->max_epochs}/;s/memcpy(&decay, /(void)memcpy(\&decay, /
