# file: lib/base/mapped.c
# test: test_mapped
# blocks are not reserved: a full disk is met when a page is written
s/posix_fallocate(m->fd, 0, (off_t)room)/(ftruncate(m->fd, (off_t)room) ? errno : 0)/
