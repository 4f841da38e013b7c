# file: lib/model/minilm.c
# test: test_minilm
# positions start at 1
s/\*p = m->position + (size_t)i \* D/*p = m->position + (size_t)(i + 1) * D/
