/* SPDX-License-Identifier: MIT */
#include "train/compare.h"
#include "base/sha256.h"
#include "base/util.h"
#include "db/db.h"
#include "train/bootstrap.h"
#include <stdlib.h>
#include <string.h>

#define VERSION 2
#define SEED 1
#define BLOCK 32 /* runs whose rankings are in memory at a time */

static const int kinds[] = {METRICS_ACCURACY, METRICS_FPR, METRICS_FPR_AT_TPR80,
                            METRICS_FPR_AT_TPR90, METRICS_FPR_AT_TPR95, METRICS_AUC,
                            METRICS_PR_AUC, METRICS_PR_AUC_NEGATIVE};

/* ---- what is compared: the current runs, and the test rows ---- */

struct entry {
    int64_t id, seed;
    char *protocol, *model, *setting;
    char *cell, *rest; /* of the experiment: all of it; all but weighting and dropout */
    int trivial;       /* no dlrm */
    int best;          /* validation chose it: by false positive rate, as the paper does */
    int ranking;       /* ... by AUC */
    int claim;         /* 1: the paper's proposed, 2: its baseline */
    unsigned char identity[SHA256_BYTES];
};

struct compare {
    struct entry *run; /* [n] by protocol, model, cell, seed */
    int n;
    int rows, users;
    int64_t *review;       /* [rows] rising */
    int *user;             /* [rows] 0..users-1 */
    unsigned char *label;  /* [rows] */
    double *all;           /* [n, METRICS_KINDS] on all rows */
    double *v;             /* [n, METRICS_KINDS, COMPARE_RESAMPLES] */
};

/* Place 1 of a protocol and model is the run that validation chose, rank 1 the one that it
 * ranks best. */
#define SQL_RANKED \
    "SELECT r.id, r.identity, x.protocol, x.model, x.weighting, x.dropout, x.seed, x.lr,\n" \
    "x.batch, x.stopping, x.decay, m.kind, m.reduction, row_number() OVER (\n" \
    "PARTITION BY x.protocol, x.model ORDER BY r.degenerate, f.value IS NULL, f.value,\n" \
    "l.value, x.seed, r.identity) AS place, row_number() OVER (\n" \
    "PARTITION BY x.protocol, x.model ORDER BY r.degenerate, a.value IS NULL, a.value DESC,\n" \
    "l.value, x.seed, r.identity) AS rank\n" \
    "FROM run r JOIN experiment x ON x.id = r.experiment_id JOIN model m ON m.name = x.model\n" \
    "LEFT JOIN metric f ON f.run_id = r.id AND f.split = 'val' AND f.name = 'fpr'\n" \
    "LEFT JOIN metric a ON a.run_id = r.id AND a.split = 'val' AND a.name = 'auc'\n" \
    "LEFT JOIN metric l ON l.run_id = r.id AND l.split = 'val' AND l.name = 'loss'\n" \
    "WHERE r.stale = 0 AND r.state = 'done'"

int64_t compare_best_run(struct db *db, const char *protocol, const char *model)
{
    static const char sql_best[] =
        "SELECT id FROM (" SQL_RANKED ") WHERE place = 1 AND protocol = :protocol\n"
        "AND model = :model";
    sqlite3_stmt *q = db_use(db, sql_best);
    db_text(q, ":protocol", protocol);
    db_text(q, ":model", model);
    return db_one_int(q, 0);
}

/* setting: as view v_cell words it. */
static const char sql_runs[] =
    "SELECT id, seed, protocol, model,\n"
    "format('%s, dropout %g, lr %g, batch %d', weighting, dropout, lr, batch)\n"
    "    || CASE stopping WHEN 'fpr' THEN '' ELSE ', stopping ' || stopping END\n"
    "    || CASE decay WHEN 0 THEN '' ELSE format(', decay %g', decay) END\n"
    "    || CASE reduction WHEN 'auto' THEN '' ELSE ', reduction ' || reduction END,\n"
    "format('%s %.17g %.17g %d %s %.17g', weighting, dropout, lr, batch, stopping, decay)\n"
    "    AS cell,\n"
    "format('%.17g %d %s %.17g', lr, batch, stopping, decay), kind <> 'dlrm', place = 1,\n"
    "CASE WHEN dropout <> 0.5 THEN 0 WHEN model = 'proposed' AND weighting = 'basic' THEN 1\n"
    "    WHEN model = 'baseline' AND weighting = 'sqrt' THEN 2 ELSE 0 END, identity,\n"
    "rank = 1\n"
    "FROM (" SQL_RANKED ") ORDER BY protocol, model, cell, seed, identity";

static void read_runs(struct compare *c, struct db *db)
{
    sqlite3_stmt *q = db_use(db, sql_runs);
    while (db_step(q)) {
        c->run = xrealloc(c->run, (size_t)c->n + 1, sizeof *c->run);
        struct entry *r = &c->run[c->n++];
        *r = (struct entry){.id = sqlite3_column_int64(q, 0), .seed = sqlite3_column_int64(q, 1),
                            .protocol = xstrdup(db_col_text(q, 2)),
                            .model = xstrdup(db_col_text(q, 3)),
                            .setting = xstrdup(db_col_text(q, 4)),
                            .cell = xstrdup(db_col_text(q, 5)),
                            .rest = xstrdup(db_col_text(q, 6)),
                            .trivial = sqlite3_column_int(q, 7),
                            .best = sqlite3_column_int(q, 8),
                            .claim = sqlite3_column_int(q, 9),
                            .ranking = sqlite3_column_int(q, 11)};
        memcpy(r->identity, sqlite3_column_blob(q, 10), sizeof r->identity);
    }
}

/* Users are numbered by their keys: draws do not depend on the order of reading in. */
static void read_rows(struct compare *c, struct db *db)
{
    static const char sql_rows[] =
        "SELECT r.id, dense_rank() OVER (ORDER BY u.key) - 1, r.positive\n"
        "FROM review r JOIN user u ON u.id = r.user_id\n"
        "WHERE r.split = 'test' AND r.labelled = 1\n"
        "AND r.id IN (SELECT review_id FROM prediction WHERE run_id = :any) ORDER BY r.id";
    sqlite3_stmt *q = db_use(db, sql_rows);
    db_int(q, ":any", c->n ? c->run[0].id : 0); /* IMBALANCE leaves the same rows to all */
    for (int cap = 0; db_step(q); c->rows++) {
        if (c->rows == cap) {
            cap = cap * 2 + 1024;
            c->review = xrealloc(c->review, (size_t)cap, sizeof *c->review);
            c->user = xrealloc(c->user, (size_t)cap, sizeof *c->user);
            c->label = xrealloc(c->label, (size_t)cap, 1);
        }
        c->review[c->rows] = sqlite3_column_int64(q, 0);
        c->user[c->rows] = sqlite3_column_int(q, 1);
        c->label[c->rows] = (unsigned char)sqlite3_column_int(q, 2);
        if (c->user[c->rows] >= c->users)
            c->users = c->user[c->rows] + 1;
    }
}

/* "digest rows": what the table was made of, and how many rows it then had. */
static void digest(char hex[SHA256_HEX], const struct compare *c)
{
    static const int head[] = {VERSION, SEED, COMPARE_RESAMPLES};
    unsigned char out[SHA256_BYTES];
    struct sha256 *h = sha256_new();
    sha256_add_field(h, head, sizeof head);
    sha256_add_field(h, kinds, sizeof kinds);
    for (int i = 0; i < c->n; i++) {
        const struct entry *r = &c->run[i];
        sha256_add(h, r->identity, sizeof r->identity);
        sha256_add_field(h, r->protocol, strlen(r->protocol));
        sha256_add_field(h, r->model, strlen(r->model));
        sha256_add_field(h, r->setting, strlen(r->setting));
        sha256_add(h, &(char){(char)r->trivial}, 1);
    }
    sha256_add_field(h, c->user, (size_t)c->rows * sizeof *c->user);
    sha256_add_field(h, c->label, (size_t)c->rows);
    sha256_end(out, h);
    sha256_free(h);
    sha256_hex(hex, out);
}

/* ---- every metric of every run on every resample ---- */

/* One scan of the run's predictions, in the order of the rows. */
static int read_scores(float *p, const struct compare *c, const struct entry *r, struct db *db,
                       struct err *e)
{
    static const char sql_p[] =
        "SELECT review_id, p FROM prediction WHERE run_id = :run ORDER BY review_id";
    int have = 0, at = 0;
    sqlite3_stmt *q = db_use(db, sql_p);
    db_int(q, ":run", r->id);
    while (db_step(q)) {
        int64_t review = sqlite3_column_int64(q, 0);
        while (at < c->rows && c->review[at] < review)
            at++;
        if (at < c->rows && c->review[at] == review) {
            p[at] = (float)sqlite3_column_double(q, 1);
            have++;
        }
    }
    if (have < c->rows)
        return err_set(e, "%s, %s, seed %lld: predictions of %d test rows, expected %d", r->model,
                       r->setting, (long long)r->seed, have, c->rows);
    return 0;
}

static int compute_block(struct compare *c, int from, int n, struct db *db, int threads,
                         struct err *e)
{
    struct metrics_ranking rank[BLOCK] = {0};
    size_t rows = (size_t)c->rows;
    float *p = xcalloc(rows * (size_t)n, sizeof *p);
    int rc = 0;
    for (int i = 0; i < n && rc == 0; i++) {
        float *mine = p + (size_t)i * rows;
        if ((rc = read_scores(mine, c, &c->run[from + i], db, e)) < 0)
            break;
        metrics_rank(&rank[i], c->label, mine, c->rows);
        metrics_rank_clusters(&rank[i], c->user);
        metrics_ranked(c->all + (size_t)(from + i) * METRICS_KINDS, &rank[i], NULL);
    }
    if (rc == 0)
        bootstrap_values(c->v + bootstrap_room(from, COMPARE_RESAMPLES), rank, n, c->users,
                         COMPARE_RESAMPLES, SEED, threads);
    for (int i = 0; i < n; i++)
        metrics_rank_release(&rank[i]);
    free(p);
    return rc;
}

static int compute(struct compare *c, struct db *db, int threads, struct err *e)
{
    int rc = 0;
    c->all = xcalloc((size_t)c->n * METRICS_KINDS, sizeof *c->all);
    c->v = xcalloc(bootstrap_room(c->n, COMPARE_RESAMPLES), sizeof *c->v);
    for (int i = 0; i < c->n && rc == 0; i += BLOCK)
        rc = compute_block(c, i, c->n - i < BLOCK ? c->n - i : BLOCK, db, threads, e);
    return rc;
}

/* ---- pairs to rows ---- */

/* Runs whose mean is one side. */
struct side {
    int *run; /* borrowed */
    int n;
};

/* The mean over a side's runs on all rows (k < 0) or on a resample. */
static double value(const struct compare *c, const struct side *s, int kind, int k)
{
    double sum = 0;
    for (int i = 0; i < s->n; i++) {
        size_t at = (size_t)s->run[i] * METRICS_KINDS + (size_t)kind;
        sum += k < 0 ? c->all[at] : c->v[at * COMPARE_RESAMPLES + (size_t)k];
    }
    return sum / s->n;
}

static void put(struct db *db, const struct compare *c, const char *question,
                const struct side *a, const struct side *b, int kind)
{
    static const char sql_put[] =
        "INSERT INTO comparison (protocol, question, a, b, setting_a, setting_b, metric, seeds,\n"
        "rows, users, value_a, value_b, diff, lo, hi, sd, resamples) VALUES (:protocol,\n"
        ":question, :a, :b, :setting_a, :setting_b, :metric, :seeds, :rows, :users, :value_a,\n"
        ":value_b, :diff, :lo, :hi, :sd, :resamples)";
    const struct entry *x = &c->run[a->run[0]], *y = &c->run[b->run[0]];
    double diff[COMPARE_RESAMPLES], va = value(c, a, kind, -1), vb = value(c, b, kind, -1);
    struct bootstrap s;
    for (int k = 0; k < COMPARE_RESAMPLES; k++)
        diff[k] = value(c, a, kind, k) - value(c, b, kind, k);
    bootstrap_interval(&s, diff, COMPARE_RESAMPLES);
    sqlite3_stmt *q = db_use(db, sql_put);
    db_text(q, ":protocol", x->protocol);
    db_text(q, ":question", question);
    db_text(q, ":a", x->model);
    db_text(q, ":b", y->model);
    db_text(q, ":setting_a", x->setting);
    db_text(q, ":setting_b", y->setting);
    db_text(q, ":metric", metrics_name[kind]);
    db_int(q, ":seeds", a->n);
    db_int(q, ":rows", c->rows);
    db_int(q, ":users", c->users);
    db_real(q, ":value_a", va);
    db_real(q, ":value_b", vb);
    db_real(q, ":diff", va - vb);
    db_real(q, ":lo", s.lo);
    db_real(q, ":hi", s.hi);
    db_real(q, ":sd", s.sd);
    db_int(q, ":resamples", s.used);
    db_run(q);
}

static void put_pair(struct db *db, const struct compare *c, const char *question,
                     const struct side *a, const struct side *b)
{
    for (size_t k = 0; a->n > 0 && b->n > 0 && k < ARRAY_LEN(kinds); k++)
        put(db, c, question, a, b, kinds[k]);
}

static int same(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

/* Is model x to be compared with model y, x on the left? */
static int paired(const struct entry *x, const struct entry *y)
{
    if (x->trivial || !same(x->protocol, y->protocol))
        return 0;
    return y->trivial || (same(x->model, "proposed") && !same(y->model, "proposed"));
}

/* One past the last run of the cell that begins at i. */
static int cell_end(const struct compare *c, int i)
{
    const struct entry *x = &c->run[i];
    int j = i;
    while (j < c->n && same(c->run[j].protocol, x->protocol) && same(c->run[j].model, x->model) &&
           same(c->run[j].cell, x->cell))
        j++;
    return j;
}

/* Cells i and j, both sides in the order of seeds: of the seeds both have, or all when the
 * right one is no dlrm, whose seed means nothing. */
static void put_cells(struct db *db, const struct compare *c, const char *question, int i, int j)
{
    int end_i = cell_end(c, i), end_j = cell_end(c, j), all = c->run[j].trivial;
    int *room = xcalloc((size_t)(end_i - i + end_j - j), sizeof *room);
    struct side a = {room, 0}, b = {room + (end_i - i), 0};
    if (all) {
        while (i < end_i)
            a.run[a.n++] = i++;
        while (j < end_j)
            b.run[b.n++] = j++;
    }
    while (i < end_i && j < end_j) {
        int64_t x = c->run[i].seed, y = c->run[j].seed;
        if (x == y) {
            a.run[a.n++] = i;
            b.run[b.n++] = j;
        }
        i += x <= y;
        j += y <= x;
    }
    put_pair(db, c, question, &a, &b);
    free(room);
}

static void put_all(struct db *db, const struct compare *c)
{
    for (int i = 0; i < c->n; i = cell_end(c, i))
        for (int j = 0; j < c->n; j = cell_end(c, j)) {
            const struct entry *x = &c->run[i], *y = &c->run[j];
            if (paired(x, y) && (y->trivial || same(x->cell, y->cell)))
                put_cells(db, c, "cell", i, j);
            if (x->claim == 1 && y->claim == 2 && same(x->rest, y->rest) &&
                same(x->protocol, y->protocol))
                put_cells(db, c, "claim", i, j);
        }
    for (int i = 0; i < c->n; i++)
        for (int j = 0; j < c->n; j++) {
            const struct entry *x = &c->run[i], *y = &c->run[j];
            if (x->best && y->best && paired(x, y))
                put_pair(db, c, "best", &(struct side){&i, 1}, &(struct side){&j, 1});
            if (x->ranking && y->ranking && paired(x, y))
                put_pair(db, c, "ranking", &(struct side){&i, 1}, &(struct side){&j, 1});
        }
}

/* ---- all of it ---- */

static const char sql_count[] = "SELECT count(*) FROM comparison";

static int unchanged(struct db *db, const char *hex)
{
    char *was = db_setting(db, "comparison_of");
    char *now = xasprintf("%s %lld", hex, (long long)db_one_int(db_use(db, sql_count), 0));
    int rc = was && same(was, now);
    free(was);
    free(now);
    return rc;
}

static void write_all(struct db *db, const struct compare *c, const char *hex)
{
    static const char sql_clear[] = "DELETE FROM comparison";
    db_begin(db);
    db_run(db_use(db, sql_clear));
    if (c->rows > 0)
        put_all(db, c);
    char *now = xasprintf("%s %lld", hex, (long long)db_one_int(db_use(db, sql_count), 0));
    db_set_setting(db, "comparison_of", now);
    db_commit(db);
    free(now);
}

static void release(struct compare *c)
{
    for (int i = 0; i < c->n; i++) {
        struct entry *r = &c->run[i];
        free(r->protocol);
        free(r->model);
        free(r->setting);
        free(r->cell);
        free(r->rest);
    }
    free(c->run);
    free(c->review);
    free(c->user);
    free(c->label);
    free(c->all);
    free(c->v);
}

int compare_all(struct db *db, int threads, struct err *e)
{
    struct compare c = {0};
    char hex[SHA256_HEX];
    int rc = 0;
    read_runs(&c, db);
    read_rows(&c, db);
    digest(hex, &c);
    if (!unchanged(db, hex)) {
        rc = c.rows > 0 ? compute(&c, db, threads, e) : 0;
        if (rc == 0)
            write_all(db, &c, hex);
    }
    release(&c);
    return rc;
}
