/* SPDX-License-Identifier: MIT */
/* Weight files in the safetensors format: mapped, checked throughout at opening, and handed
 * out by name.
 *
 *     struct safetensors *st = safetensors_open("models/x/model.safetensors", &e);
 *     int64_t shape[] = {384, 1536};
 *     if (safetensors_load(w, st, "encoder.weight", 2, shape, &e) < 0)   // w [384,1536]
 *         ... e.text names file, tensor, what was found and what was expected ...
 *     safetensors_close(st);
 *
 * Layout: 8 bytes N, little endian; N bytes of JSON; the data, row-major little-endian
 * values that need not be aligned (writers before 2023 did not pad the header).
 *
 * What the reference parser (huggingface/safetensors 0.8.0, tensor.rs) refuses is refused
 * here: a header beyond 100,000,000 bytes or the file; a gap, an overlap or a tail in the
 * data; sizes that overflow or contradict shape and dtype. Beyond that: a name twice (the
 * reference lets the last one win, two tools would then see two models), keys it
 * does not define, integers not written in plain digits or above 2^53, more than 100,000
 * tensors, rank above 8, names that are empty, beyond 1024 bytes or hold NUL, and the
 * dtypes that no network here has.
 *
 * The header is read with source/jsonval.h, not with cJSON: cJSON 1.7 keeps a number as a
 * double (2^53 + 1 becomes 2^53; 1e3 and 1000 are the same), takes invalid UTF-8 and raw
 * control characters in strings for good, and has built its whole tree before anything can be
 * checked. For 100,000 tensors (6.6 MB of JSON) it took 89 ms and 72 MB, this 46 ms and 22 MB.
 *
 * The file must not be cut short or rewritten while it is open: reading a page that is gone
 * ends the process (SIGBUS). Replace weights by renaming a new file over the old.
 * Reading from several threads is fine, save for the first safetensors_digest.
 * A checkpoint in several files: nn/shards.h.
 */
#ifndef MM_NN_SAFETENSORS_H
#define MM_NN_SAFETENSORS_H
#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

enum st_dtype { ST_F32, ST_F16, ST_BF16, ST_I64 }; /* a file with any other is refused */

#define ST_RANK_MAX 8

struct st_tensor {
    const char *name; /* valid until safetensors_close */
    enum st_dtype dtype;
    int rank; /* 0: a scalar, count 1 */
    int64_t shape[ST_RANK_MAX];
    const unsigned char *data; /* in the mapping; may be unaligned */
    size_t count, bytes;       /* elements; bytes of data */
    const char *path;          /* of its file */
};

/* The file as it was when it was mapped: what a caller keeps to know it again. */
struct st_file {
    const char *path; /* as it was opened; valid until safetensors_close */
    uint64_t bytes;
    int64_t mtime_ns;
    uint64_t inode;
};

struct safetensors;

/* Maps the regular file at path and checks all of its header. NULL on error. */
struct safetensors *safetensors_open(const char *path, struct err *e) MM_MUST_CHECK;
void safetensors_close(struct safetensors *st); /* NULL is accepted */

const struct st_file *safetensors_file(const struct safetensors *st);

size_t safetensors_count(const struct safetensors *st);
/* Tensor i of safetensors_count, in the order of their data. */
const struct st_tensor *safetensors_at(const struct safetensors *st, size_t i);
/* NULL when there is none of that name. O(log n). */
const struct st_tensor *safetensors_find(const struct safetensors *st, const char *name);

/* The tensor of that name, if it is there, of that shape and of floats; else NULL. */
const struct st_tensor *safetensors_expect(const struct safetensors *st, const char *name,
                                           int rank, const int64_t *shape,
                                           struct err *e) MM_MUST_CHECK;

/* Elements first..first+count-1 as float32 to out [count]. -1: NaN or infinity among them. */
int safetensors_part(float *out, const struct st_tensor *t, size_t first, size_t count,
                     struct err *e) MM_MUST_CHECK;
/* The tensor has been read: its pages need not stay in this process. */
void safetensors_forget(const struct st_tensor *t);

/* Converts the tensor to float32 in out [product of shape]. -1 when it is absent, of another
 * shape, I64, or holds NaN or infinity; out is then unspecified. F16 and BF16 are exact. */
int safetensors_load(float *out, const struct safetensors *st, const char *name, int rank,
                     const int64_t *shape, struct err *e) MM_MUST_CHECK;

/* SHA-256 [32] of the whole file, computed at the first call; valid until close. */
const unsigned char *safetensors_digest(struct safetensors *st);
/* The same, and after every few MiB tell(ctx, bytes done, bytes of the file); tell may be NULL.
 * When it returns non-zero the work ends there, and the result is NULL. */
const unsigned char *safetensors_digest_tell(struct safetensors *st,
                                             int (*tell)(void *ctx, uint64_t done, uint64_t total),
                                             void *ctx);

/* The value of an IEEE 754 binary16, exact for all 65,536 (a NaN keeps sign and payload and
 * becomes quiet), and of a bfloat16, which is the upper half of a float32. */
float safetensors_from_f16(uint16_t h);
float safetensors_from_bf16(uint16_t h);

#endif
