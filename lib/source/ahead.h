/* SPDX-License-Identifier: MIT */
/* source_read with the reading on a thread of its own: while the caller's sink works on one
 * batch of records, the next ones are parsed and their texts hashed. The file's own digest is
 * made by a third thread.
 *
 *     struct ahead_sink sink = {.record = take, .reject = note, .ctx = me};
 *     if (ahead_read(&f, &o, &sink, &stats, &digests, &e) < 0)   // as source_read
 *         ...
 *
 * The sink runs in the caller's thread, in the file's order; pointers are valid until it
 * returns. Memory: 4 batches of at most 512 records and 128 KiB (or one record that is larger).
 * Signals stay with the caller's thread. Records that a failing file gave before it failed
 * reach the sink first.
 */
#ifndef MM_SOURCE_AHEAD_H
#define MM_SOURCE_AHEAD_H
#include "base/sha256.h"
#include "source/source.h"

/* Both return 0, or -1 to stop the reading. */
struct ahead_sink {
    /* digest: of the text, or NULL for none */
    int (*record)(void *ctx, const struct source_record *r, const unsigned char *digest);
    int (*reject)(void *ctx, const struct source_reject *r);
    void *ctx;
};

struct ahead_digests {
    unsigned char sha256[SHA256_BYTES];
    int64_t quick; /* base/quick.h */
};

/* digests: of the file as stored. stats is kept up to date for the sink as in source_read. */
int ahead_read(const struct source_file *f, const struct source_options *o,
               struct ahead_sink *sink, struct source_stats *stats,
               struct ahead_digests *digests, struct err *e) MM_MUST_CHECK;

#endif
