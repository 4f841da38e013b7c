# file: lib/train/entity.c
# test: test_entity
# captions of the writer of summaries are looked for
s/r\.writer = in == &entity_inputs\[ENTITY_CAPTIONS\] ? job->who->caption : job->who->summary/r.writer = job->who->summary/
