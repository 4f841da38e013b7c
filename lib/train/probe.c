/* SPDX-License-Identifier: MIT */
#include "train/probe.h"
#include "base/util.h"
#include "db/db.h"
#include "train/metrics.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct whole {
    int64_t entity;
    double sum;
    int n;
    UT_hash_handle hh;
};

static const struct dataset_view *view_of(const struct dataset *d, int row)
{
    int v = d->view[DATASET_BUSINESS][row];
    return v < 0 ? NULL : &d->views[DATASET_BUSINESS][v];
}

/* Sum and count of ratings over all train rows, by business. */
static struct whole *sum_up(const struct dataset *d)
{
    struct whole *all = NULL, *w;
    for (int i = 0; i < d->n_ids[DATASET_TRAIN]; i++) {
        int row = d->ids[DATASET_TRAIN][i];
        const struct dataset_view *v = view_of(d, row);
        if (!v)
            continue;
        HASH_FIND(hh, all, &v->entity, sizeof v->entity, w);
        if (!w) {
            w = xcalloc(1, sizeof *w);
            w->entity = v->entity;
            HASH_ADD(hh, all, entity, sizeof w->entity, w);
        }
        w->sum += (double)d->rating[row];
        w->n++;
    }
    return all;
}

static void forget(struct whole *all)
{
    struct whole *w, *next;
    HASH_ITER(hh, all, w, next) {
        HASH_DEL(all, w);
        free(w);
    }
}

/* AUC of guessing the labels of the train rows that are shown a mean. */
static double guess(const struct dataset *d)
{
    struct whole *all = sum_up(d), *w;
    int n = 0, most = d->n_ids[DATASET_TRAIN];
    unsigned char *label = xcalloc((size_t)most, 1);
    float *score = xcalloc((size_t)most, sizeof *score);
    for (int i = 0; i < most; i++) {
        int row = d->ids[DATASET_TRAIN][i], own = d->protocol == DATASET_PAPER;
        const struct dataset_view *v = view_of(d, row);
        if (!v || v->n_labelled - own < 1)
            continue;
        HASH_FIND(hh, all, &v->entity, sizeof v->entity, w);
        double shown = (v->rating_sum - own * (double)d->rating[row]) / (v->n_labelled - own);
        label[n] = d->label[row];
        score[n++] = (float)(w->sum / w->n - shown);
    }
    double auc = n ? metrics_auc(label, score, n) : (double)NAN;
    free(label);
    free(score);
    forget(all);
    return auc;
}

void probe_run(struct probe *p, struct dataset *d, int permutations)
{
    double *auc = xcalloc((size_t)permutations, sizeof *auc);
    for (int k = 0; k < permutations; k++) {
        dataset_permute(d, (uint64_t)k + 1);
        auc[k] = guess(d);
    }
    metrics_mean_sd(&p->auc, &p->sd, auc, permutations);
    free(auc);
}

static void digest_of(unsigned char out[SHA256_BYTES], const struct dataset *d)
{
    struct sha256 *h = sha256_new();
    sha256_add_field(h, d->label, (size_t)d->n); /* POSITIVE moves them without the ratings */
    sha256_add_field(h, d->split, (size_t)d->n);
    sha256_add_field(h, d->fold, (size_t)d->n * sizeof *d->fold);
    sha256_add_field(h, d->rating, (size_t)d->n * sizeof *d->rating);
    for (int i = 0; i < d->n; i++) {
        const struct dataset_view *v = view_of(d, i);
        sha256_add_field(h, v ? &v->rating_sum : NULL, v ? sizeof v->rating_sum : 0);
    }
    sha256_end(out, h);
    sha256_free(h);
}

static int have(struct db *db, const char *protocol, const unsigned char digest[SHA256_BYTES])
{
    static const char sql_have[] =
        "SELECT EXISTS (SELECT 1 FROM probe WHERE protocol = :protocol AND digest = :digest)";
    sqlite3_stmt *q = db_use(db, sql_have);
    db_text(q, ":protocol", protocol);
    db_blob(q, ":digest", digest, SHA256_BYTES);
    return (int)db_one_int(q, 0);
}

static void put(struct db *db, const struct dataset *d, const struct probe *p,
                const unsigned char digest[SHA256_BYTES])
{
    static const char sql_put[] =
        "INSERT OR REPLACE INTO probe (protocol, folds, permutations, auc, sd, digest)\n"
        "VALUES (:protocol, :folds, :permutations, :auc, :sd, :digest)";
    sqlite3_stmt *q = db_use(db, sql_put);
    db_text(q, ":protocol", dataset_protocol_name[d->protocol]);
    db_int(q, ":folds", d->folds);
    db_int(q, ":permutations", PROBE_PERMUTATIONS);
    db_real(q, ":auc", p->auc);
    db_real(q, ":sd", p->sd);
    db_blob(q, ":digest", digest, SHA256_BYTES);
    db_begin(db);
    db_run(q);
    db_commit(db);
}

int probe_all(const struct experiments *x, struct db *db, struct err *e)
{
    for (int k = 0; k < DATASET_PROTOCOLS; k++) {
        unsigned char digest[SHA256_BYTES];
        if (!x->d[k])
            continue;
        digest_of(digest, x->d[k]);
        if (have(db, dataset_protocol_name[k], digest))
            continue;
        struct dataset *d = dataset_new(db, x->d[k]->protocol, e); /* to be permuted */
        struct probe p;
        if (!d)
            return -1;
        probe_run(&p, d, PROBE_PERMUTATIONS);
        put(db, d, &p, digest);
        dataset_free(d);
    }
    return 0;
}
