/* SPDX-License-Identifier: MIT */
/* The JSON of a safetensors file, checked one tensor at a time.
 *
 *     struct st_header h = {.path = "x.safetensors"};       // for messages
 *     if (st_header_read(&h, json, n, &e) == 0)
 *         ... h.entry[0 .. h.count): name, dtype, shape, bytes, begin, end ...
 *     st_header_release(&h);                                // on error too
 *
 * The rules are in nn/safetensors.h. What needs the whole file or all tensors at once
 * (gaps, doubled names, the file's size) is safetensors.c's to check.
 */
#ifndef MM_NN_SAFETENSORS_HEADER_H
#define MM_NN_SAFETENSORS_HEADER_H
#include "nn/safetensors.h"

struct st_entry {
    struct st_tensor t;  /* data is not yet known */
    uint64_t begin, end; /* offsets in the data; end - begin == t.bytes */
};

struct st_header {
    const char *path; /* borrowed */
    char *text;       /* a copy: names are decoded in place and point into it */
    size_t bytes;
    struct st_entry *entry; /* [count], as in the file */
    size_t count, cap;
};

/* Copies the JSON at s [n bytes] and reads it. */
int st_header_read(struct st_header *h, const char *s, size_t n, struct err *e) MM_MUST_CHECK;
void st_header_release(struct st_header *h);

#endif
