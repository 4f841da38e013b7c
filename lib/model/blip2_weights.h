/* SPDX-License-Identifier: MIT */
/* The weights of a BLIP-2 as they are computed with: converted once from the folder's
 * safetensors to panels in one file, which every later start maps. For blip2.c; not for others.
 *
 *     struct blip2_weights w;
 *     if (blip2_weights_open(&w, &shape, dir, ENGINE_BF16, threads, &tell, &e) < 0) ...
 *     vit_run(g, &w.vit, ...);
 *     blip2_weights_close(&w);
 *
 * The file lies in the model's folder where that can be written, else in
 * $XDG_CACHE_HOME/mmrec or ~/.cache/mmrec; its name is packed-PRECISION-DIGEST.mm, the digest that
 * of the safetensors. It says from which files (sizes, times, inodes) it was made: as long as
 * those are the same nothing is hashed, after a touch they are hashed again. Without
 * safetensors beside it a packed file in the model's folder alone will do. Processes share its
 * pages. Its own bytes are checked at each opening (XXH3, a digest a tensor); a damaged one is
 * passed over and made again. One that was made from other weights is removed from the model's
 * folder when a new one is there.
 *
 * Layout: a page of header (struct blip2_header), then the tensors in the order of
 * blip2_weights.c, each on a multiple of 64 bytes, then a digest for each.
 */
#ifndef MM_MODEL_BLIP2_WEIGHTS_H
#define MM_MODEL_BLIP2_WEIGHTS_H
#include "base/mapped.h"
#include "base/sha256.h"
#include "model/blip2_shape.h"

struct blip2_weights {
    struct blip2_shape shape; /* with the vocabulary's size */
    struct vit vit;
    struct qformer qformer;
    struct linear projection; /* [opt D, qformer D] */
    struct optlm opt;
    unsigned char digest[SHA256_BYTES]; /* of the safetensors */
    struct mapped map;
};

/* Hears how far a long step is: hashing or packing. Non-zero: stop, which fails with no
 * sentence. */
struct blip2_tell {
    int (*tell)(void *ctx, const char *what, uint64_t done, uint64_t total);
    void *ctx;
};

/* -1: files are missing, damaged, of another shape, hold NaN, or there is no room on the disk;
 * named. */
int blip2_weights_open(struct blip2_weights *w, const struct blip2_shape *shape, const char *dir,
                       enum engine_precision precision, int threads, const struct blip2_tell *tell,
                       struct err *e) MM_MUST_CHECK;
void blip2_weights_close(struct blip2_weights *w);

/* The digest of the safetensors as the packed file made from them has it. 1: there is none. */
int blip2_weights_digest(unsigned char digest[SHA256_BYTES], const struct blip2_shape *shape,
                         const char *dir, enum engine_precision precision,
                         struct err *e) MM_MUST_CHECK;

/* Whether dir has what blip2_weights_open needs, safetensors or a packed file: 1, 0, or -1 for
 * some of it, with e. */
int blip2_weights_there(const struct blip2_shape *shape, const char *dir,
                        enum engine_precision precision, struct err *e);
/* Bytes of the packed file; vocab is taken from the shape. */
uint64_t blip2_weights_bytes(const struct blip2_shape *shape, enum engine_precision precision);

#endif
