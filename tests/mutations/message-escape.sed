# file: lib/base/util.c
# test: t_hostile.sh
# escape bytes of the data reach the terminal
s/(\*p < 0x20 ||/(*p < 0x10 ||/
