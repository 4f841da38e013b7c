/* SPDX-License-Identifier: MIT */
/* Writing the packed file of blip2_weights.h, and its header. Not for others. */
#ifndef MM_MODEL_BLIP2_CONVERT_H
#define MM_MODEL_BLIP2_CONVERT_H
#include "model/blip2_weights.h"
#include "nn/shards.h"

#define BLIP2_FILES 64 /* shards at most */

struct blip2_header {
    char magic[8];
    int32_t sizes[24];                  /* of numbers and model: what may be mapped as what */
    uint32_t vocab, untied;
    unsigned char digest[SHA256_BYTES]; /* of the safetensors */
    struct {
        uint64_t bytes, inode;
        int64_t mtime_ns;
    } files[BLIP2_FILES];
    int64_t check; /* quick digest of all before it */
};

/* Only sizes, all else zero. */
void blip2_header_sizes(struct blip2_header *h, const struct blip2_shape *s, enum panel_kind kind);
/* What the packed file of these shards would say, but for the digest. Fills in shape's size of
 * the vocabulary. -1: tensors that are needed for that are missing. */
int blip2_header_make(struct blip2_header *h, struct blip2_shape *shape, const struct shards *s,
                      enum panel_kind kind, const char *dir, struct err *e) MM_MUST_CHECK;
/* -1: no file of this version, or cut short. */
int blip2_header_read(struct blip2_header *h, const char *path) MM_MUST_CHECK;
/* The same weights came from other files: notes those. A failure does not matter. */
void blip2_header_touch(const char *path, const struct blip2_header *h);

/* Writes the packed file; all or nothing. w gives the shape alone. */
int blip2_convert(const char *path, const struct blip2_weights *w, const struct shards *s,
                  const struct blip2_header *h, int threads, const struct blip2_tell *tell,
                  struct err *e) MM_MUST_CHECK;

#endif
