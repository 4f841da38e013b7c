/* SPDX-License-Identifier: MIT */
#include "train/reliability.h"
#include "base/util.h"
#include "db/db.h"
#include "train/metrics.h"
#include <stdlib.h>

static void put_bin(struct db *db, int64_t run, const char *split, int bin,
                    const struct metrics_bin *b)
{
    static const char sql_put[] =
        "INSERT INTO reliability (run_id, split, bin, n, p, positive)\n"
        "VALUES (:run, :split, :bin, :n, :p, :positive)";
    sqlite3_stmt *q = db_use(db, sql_put);
    db_int(q, ":run", run);
    db_text(q, ":split", split);
    db_int(q, ":bin", bin);
    db_int(q, ":n", (int64_t)b->n);
    db_real(q, ":p", b->p / b->n);
    db_real(q, ":positive", b->positive / b->n);
    db_run(q);
}

void reliability_put(struct db *db, int64_t run, const struct dataset *d, const float *p)
{
    unsigned char *label = xmalloc((size_t)d->n);
    float *mine = xcalloc((size_t)d->n, sizeof *mine);
    for (int s = 0; s < DATASET_SPLITS; s++) {
        struct metrics_bin bin[METRICS_BINS];
        for (int i = 0; i < d->n_ids[s]; i++) {
            label[i] = d->label[d->ids[s][i]];
            mine[i] = p[d->ids[s][i]];
        }
        metrics_bins(bin, label, mine, d->n_ids[s]);
        for (int b = 0; b < METRICS_BINS; b++)
            if (bin[b].n > 0)
                put_bin(db, run, dataset_split_name[s], b, &bin[b]);
    }
    free(mine);
    free(label);
}
