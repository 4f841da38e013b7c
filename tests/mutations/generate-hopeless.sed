# file: lib/model/generate.c
# test: test_blip2
# beams go on when nothing can become better
s/it->done = last || it->hopeless;/it->done = last;/
