/* SPDX-License-Identifier: MIT */
/* The leakage probe against pairs counted one by one; what fold sizes do to it; when table probe
 * is written. */
#include "small_db.h"
#include "train/probe.h"

static struct dataset *read_set(struct db *db, enum dataset_protocol p)
{
    struct err e;
    struct dataset *d = dataset_new(db, p, &e);
    if (!d)
        die("%s", e.text);
    return d;
}

static struct db *make(const char *name, int businesses, int rows, int folds)
{
    struct small_spec s = {.users = 15, .businesses = businesses, .rows = rows, .folds = folds,
                           .seed = 6};
    struct db *db = small_open(name);
    small_fill(db, &s);
    return db;
}

/* Mean rating of the row's business over the train rows that `without` does not leave out;
 * NaN: none. 0: nothing is left out, 1: the row's fold, 2: the row. */
static double mean_without(const struct dataset *d, int row, int without)
{
    double sum = 0;
    int n = 0;
    for (int i = 0; i < d->n; i++) {
        int b = d->view[DATASET_BUSINESS][i], mine = d->view[DATASET_BUSINESS][row];
        const struct dataset_view *v = d->views[DATASET_BUSINESS];
        if (d->split[i] != DATASET_TRAIN || v[b].entity != v[mine].entity ||
            (without == 1 && d->fold[i] == d->fold[row]) || (without == 2 && i == row))
            continue;
        sum += (double)d->rating[i];
        n++;
    }
    return n ? sum / n : (double)NAN;
}

/* Share of (positive, negative) pairs that the guess puts in order; skipped: rows without. */
static double slow(const struct dataset *d, int *skipped)
{
    int paper = d->protocol == DATASET_PAPER, n = d->n_ids[DATASET_TRAIN];
    double *guess = xcalloc((size_t)n, sizeof *guess), won = 0, pairs = 0;
    *skipped = 0;
    for (int i = 0; i < n; i++) {
        int row = d->ids[DATASET_TRAIN][i];
        guess[i] = mean_without(d, row, 0) - mean_without(d, row, paper ? 2 : 1);
        *skipped += isnan(guess[i]);
    }
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            const int *ids = d->ids[DATASET_TRAIN];
            if (isnan(guess[i]) || isnan(guess[j]) || !d->label[ids[i]] || d->label[ids[j]])
                continue;
            float a = (float)guess[i], b = (float)guess[j];
            won += a > b ? 1 : a == b ? 0.5 : 0;
            pairs++;
        }
    free(guess);
    return won / pairs;
}

static void test_slow(enum dataset_protocol protocol)
{
    enum { TIMES = 4 };
    struct db *db = make(protocol ? "p.db" : "c.db", 40, 200, 3);
    struct dataset *d = read_set(db, protocol), *again = read_set(db, protocol);
    struct probe p;
    double auc[TIMES], mean = 0, sq = 0;
    int skipped = 0;
    for (int k = 0; k < TIMES; k++) {
        dataset_permute(again, (uint64_t)k + 1);
        auc[k] = slow(again, &skipped);
        mean += auc[k] / TIMES;
    }
    for (int k = 0; k < TIMES; k++)
        sq += (auc[k] - mean) * (auc[k] - mean) / (TIMES - 1);
    probe_run(&p, d, TIMES);
    ok(skipped > 0, "%s: %d rows are shown no mean", dataset_protocol_name[protocol], skipped);
    near(p.auc, mean, 2e-4, "AUC, as of pairs one by one"); /* ties of floats */
    near(p.sd, sqrt(sq), 2e-4, "and its spread over permutations");
    ok(memcmp(d->rating, again->rating, (size_t)d->n * sizeof *d->rating) == 0,
       "the ratings are permuted on return");
    dataset_free(d);
    dataset_free(again);
    db_close(db);
}

static void test_folds(void)
{
    static const int folds[] = {2, 4, 10, 40};
    double last = 0.5;
    int rising = 1;
    for (size_t k = 0; k < ARRAY_LEN(folds); k++) {
        char name[16];
        snprintf(name, sizeof name, "f%d.db", folds[k]);
        struct db *db = make(name, 4, 400, folds[k]);
        struct dataset *d = read_set(db, DATASET_CROSSFIT);
        struct probe p;
        probe_run(&p, d, 10);
        printf("# %d folds: %.3f +- %.3f\n", folds[k], p.auc, p.sd);
        rising &= p.auc > last && p.auc < 1;
        last = p.auc;
        dataset_free(d);
        db_close(db);
    }
    ok(rising, "above chance, below 1, and the more the smaller the folds");
    struct db *db = make("one.db", 1, 400, 5);
    struct dataset *d = read_set(db, DATASET_PAPER);
    struct probe p;
    probe_run(&p, d, 10);
    ok(p.auc == 1 && p.sd == 0, "leave-one-out of one business: 1");
    dataset_free(d);
    db_close(db);
    db = make("four.db", 4, 400, 5);
    d = read_set(db, DATASET_PAPER);
    probe_run(&p, d, 10);
    ok(p.auc > 0.95, "and of four: %.4f", p.auc);
    dataset_free(d);
    db_close(db);
}

/* ---- the table ---- */

static double probe(struct db *db, int protocol, const char *column)
{
    return small_get(db, "SELECT %s FROM probe WHERE protocol = '%s'", column,
                     dataset_protocol_name[protocol]);
}

/* 1: the row was computed again. Marks it first. */
static int again(struct db *db, int protocol)
{
    struct err e;
    struct experiments x = {.n = 0};
    x.d[protocol] = read_set(db, protocol);
    db_exec(db, "UPDATE probe SET auc = 2");
    if (probe_all(&x, db, &e) < 0)
        die("%s", e.text);
    dataset_free(x.d[protocol]);
    return probe(db, protocol, "auc") != 2;
}

static void test_table(void)
{
    struct db *db = make("t.db", 10, 150, 3);
    struct dataset *d = read_set(db, DATASET_CROSSFIT);
    struct probe p;
    probe_run(&p, d, PROBE_PERMUTATIONS);
    dataset_free(d);
    ok(again(db, DATASET_CROSSFIT), "a row is written");
    ok(small_get(db, "SELECT count(*) FROM probe") == 1, "of the protocols in use");
    near(probe(db, 0, "auc"), p.auc, 0, "with its AUC");
    near(probe(db, 0, "sd"), p.sd, 0, "and spread");
    ok(probe(db, 0, "folds") == 3 && probe(db, 0, "permutations") == PROBE_PERMUTATIONS, "and how");
    ok(!again(db, DATASET_CROSSFIT), "the same rows: nothing is computed");
    ok(again(db, DATASET_PAPER) && probe(db, 0, "auc") == 2, "another protocol: a row of its own");
    db_exec(db, "UPDATE review SET fold = (fold + 1) % 3 WHERE split = 'train' AND line % 2");
    small_see(db, 0);
    ok(again(db, DATASET_CROSSFIT), "other folds");
    db_exec(db, "UPDATE review SET rating = 6 - rating WHERE split = 'train' AND line % 3 = 0");
    small_see(db, 0);
    ok(again(db, DATASET_CROSSFIT), "other ratings");
    db_exec(db, "UPDATE review SET positive = rating >= 3 WHERE labelled");
    small_see(db, 0);
    ok(again(db, DATASET_CROSSFIT), "other labels of the same ratings");
    ok(!again(db, DATASET_CROSSFIT), "and then again nothing");
    db_close(db);
}

static void test_alone(void)
{
    struct db *db = make("alone.db", 10, 100, 3);
    db_exec(db, "DELETE FROM review WHERE split = 'train' AND EXISTS (SELECT 1 FROM review o\n"
                "WHERE o.business_id = review.business_id AND o.split = 'train'\n"
                "AND o.id < review.id)");
    small_see(db, 0);
    for (int k = 0; k < DATASET_PROTOCOLS; k++) {
        struct dataset *d = read_set(db, k);
        struct probe p;
        probe_run(&p, d, 2);
        ok(isnan(p.auc), "%s: one review a business: undefined", dataset_protocol_name[k]);
        dataset_free(d);
    }
    ok(again(db, DATASET_CROSSFIT) && isnan(probe(db, 0, "auc")), "in the table too");
    db_close(db);
}

int main(void)
{
    test_slow(DATASET_CROSSFIT);
    test_slow(DATASET_PAPER);
    test_folds();
    test_table();
    test_alone();
    return small_end();
}
