/* SPDX-License-Identifier: MIT */
/* The experiment rows with the features each one reads, and which of them have no result yet.
 *
 *     struct experiments x;
 *     experiments_read(&x, db, shard, of);
 *     for (int i = 0; i < x.n; i++)
 *         if (!x.row[i].have) train(&x.row[i]);
 *     experiments_mark(&x, db);
 *     experiments_release(&x);
 */
#ifndef MM_TRAIN_EXPERIMENT_H
#define MM_TRAIN_EXPERIMENT_H
#include "base/buf.h"
#include "base/sha256.h"
#include "train/features.h"

struct experiment {
    int64_t id;
    char model[64], weighting[16], stopping[16];
    enum dataset_protocol protocol;
    double dropout, lr, decay;
    int64_t seed, batch;
    const struct dataset *d;
    const struct features *f; /* NULL: not testable, reason says why */
    char reason[512];
    unsigned char identity[SHA256_BYTES]; /* of the row, the model, the version, the features */
    int have;                 /* a result with this identity exists, or it is not ours to make */
    struct buf resume;        /* a checkpoint */
};

struct experiments {
    struct experiment *row;   /* [n] by protocol, model, weighting, ... */
    int n, n_pending;
    struct dataset *d[DATASET_PROTOCOLS]; /* of the protocols that have rows */
    struct features *f;       /* [n_f] one per protocol, model and stopping */
    struct err *f_err;
    int n_f;
};

/* Only the pending rows whose place is shard modulo of are left pending (0 of 1: all). -1: no
 * rows to train on. */
int experiments_read(struct experiments *x, struct db *db, int shard, int of,
                     struct err *e) MM_MUST_CHECK;
void experiments_release(struct experiments *x);

/* Runs that no experiment row asks for on the present features become stale: kept, and hidden;
 * those that one asks for again are shown again. Checkpoints of no row go, and so do feature
 * files that nothing reads. */
void experiments_mark(const struct experiments *x, struct db *db);

#endif
