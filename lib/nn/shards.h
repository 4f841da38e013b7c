/* SPDX-License-Identifier: MIT */
/* The weights of a folder: one safetensors file, or several that an index joins.
 *
 *     struct shards *s = shards_open("models/blip2-opt-2.7b", &e);
 *     int64_t shape[] = {2560, 768};
 *     if (shards_load(w, s, "language_projection.weight", 2, shape, &e) < 0)   // w [2560,768]
 *         ... e.text names folder or file, tensor, what was found and what was expected ...
 *     shards_close(s);
 *
 * model.safetensors is taken where it is there, an index beside it or not. Otherwise
 * model.safetensors.index.json, {"weight_map": {tensor: file, ...}, "metadata": ...}, names the
 * files. Opening maps all of them and reads their headers, no weights: 1,247 tensors in
 * 15 GB take 2 ms.
 *
 * Refused, beyond what nn/safetensors.h refuses of each file: an index above 16 MiB, of more
 * than 100,000 names or 1,000 files, or that names a tensor twice; a file that is no bare name
 * (a folder in front, "..", a leading dot, control characters); a file that is not there; a
 * tensor that is not in the file that the index says; a tensor that the index does not name at
 * all. transformers 5.23 takes from the index only which files there are, and every tensor in
 * them, named or not: leaving one out here would make another model of the same folder
 * (an output layer of its own that nobody sees, say), so the folder is refused instead.
 * Where two files hold a tensor of one name, the one that the index says counts, and shards_digest
 * covers which.
 *
 * metadata.total_size is not looked at: it says nothing that the headers and the sizes of the
 * files do not say, and transformers 5.23 loads a folder where it is wrong.
 *
 * Files must not be cut short or rewritten while they are open (nn/safetensors.h). Reading from
 * several threads is fine, save for shards_digest.
 */
#ifndef MM_NN_SHARDS_H
#define MM_NN_SHARDS_H
#include "nn/safetensors.h"

struct shards;

/* NULL on error. A file that is missing, cut short or damaged is named, with the advice to
 * download it again. */
struct shards *shards_open(const char *dir, struct err *e) MM_MUST_CHECK;
void shards_close(struct shards *s); /* NULL is accepted */

/* Whether the files that shards_open would open are there: 1 all of them, 0 none, -1 some, or an
 * index that cannot be read; e says which. Opens none. */
int shards_there(const char *dir, struct err *e);

size_t shards_files(const struct shards *s);
/* File i of shards_files, in the order of their names; valid until shards_close. */
const struct st_file *shards_file(const struct shards *s, size_t i);

/* SHA-256 [32] of file i; only after shards_digest. */
const unsigned char *shards_file_digest(const struct shards *s, size_t i);

size_t shards_count(const struct shards *s);
/* Tensor i of shards_count, in the order of the files and, in each, of the data: whoever reads
 * all of them in this order reads the disk from front to back. Valid until shards_close. */
const struct st_tensor *shards_at(const struct shards *s, size_t i);
/* NULL when there is none of that name. O(log n). */
const struct st_tensor *shards_find(const struct shards *s, const char *name);

/* As safetensors_expect. */
const struct st_tensor *shards_expect(const struct shards *s, const char *name, int rank,
                                      const int64_t *shape, struct err *e) MM_MUST_CHECK;
/* As safetensors_load: out [product of shape]. */
int shards_load(float *out, const struct shards *s, const char *name, int rank,
                const int64_t *shape, struct err *e) MM_MUST_CHECK;

/* SHA-256 over the SHA-256 of each file in the order of their names, and over the tensors that
 * stand in a second file and do not count, where there are any. Reads everything at the first
 * call. tell, which may be NULL, hears how many bytes of all are done; when it returns non-zero
 * the result is -1, with nothing in e: the caller knows why. */
int shards_digest(unsigned char digest[32], struct shards *s,
                  int (*tell)(void *ctx, uint64_t done, uint64_t total),
                  void *ctx) MM_MUST_CHECK;

#endif
