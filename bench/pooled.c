/* SPDX-License-Identifier: MIT */
/* Several splits of one data set together: AUC and FPR at TPR 0.9 on the test rows of each
 * cell, mean over splits and training seeds, and its difference to the free models, with the
 * middle 95 % of a bootstrap over users (the same users are drawn in every split, and for both
 * models). usage: pooled SPLIT1.db SPLIT2.db ... */
#include "base/util.h"
#include "db/db.h"
#include "train/bootstrap.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

enum { RESAMPLES = 1000, CELLS = 200, AUC = 0, FPR90 = 1, KINDS = 2 };
static const int kinds[KINDS] = {METRICS_AUC, METRICS_FPR_AT_TPR90};

struct user {
    char *key;
    int number;
    UT_hash_handle hh;
};

/* One model in one setting. v: sums over its runs, plain and by resample. */
struct cell {
    char name[160];
    int runs;
    double all[KINDS], v[KINDS][RESAMPLES], split[64][KINDS], n_split[64];
};

struct pool {
    struct user *users;
    int n_users, n_cells, splits;
    struct cell *cell; /* [CELLS] */
};

static int user_number(struct pool *p, const char *key)
{
    struct user *u;
    HASH_FIND_STR(p->users, key, u);
    if (!u) {
        u = xcalloc(1, sizeof *u);
        u->key = xstrdup(key);
        u->number = p->n_users++;
        HASH_ADD_KEYPTR(hh, p->users, u->key, strlen(u->key), u);
    }
    return u->number;
}

static struct cell *cell_of(struct pool *p, const char *name)
{
    for (int i = 0; i < p->n_cells; i++)
        if (strcmp(p->cell[i].name, name) == 0)
            return &p->cell[i];
    if (p->n_cells == CELLS)
        die("more than %d cells", CELLS);
    snprintf(p->cell[p->n_cells].name, sizeof p->cell->name, "%s", name);
    return &p->cell[p->n_cells++];
}

struct rows {
    int n;
    unsigned char *label;
    float *p;
    int *user;
};

static void read_run(struct rows *r, struct pool *p, struct db *db, int64_t run)
{
    static const char sql_rows[] =
        "SELECT r.positive, x.p, u.key FROM prediction x JOIN review r ON r.id = x.review_id\n"
        "JOIN user u ON u.id = r.user_id WHERE x.run_id = :run AND r.split = 'test'";
    sqlite3_stmt *q = db_use(db, sql_rows);
    db_int(q, ":run", run);
    for (r->n = 0; db_step(q); r->n++) {
        size_t n = (size_t)r->n + 1;
        if ((r->n & r->n >> 1) == 0 || r->n < 2) { /* room doubles, near enough */
            r->label = xrealloc(r->label, 2 * n + 2, 1);
            r->p = xrealloc(r->p, 2 * n + 2, sizeof *r->p);
            r->user = xrealloc(r->user, 2 * n + 2, sizeof *r->user);
        }
        r->label[r->n] = (unsigned char)sqlite3_column_int(q, 0);
        r->p[r->n] = (float)sqlite3_column_double(q, 1);
        r->user[r->n] = user_number(p, db_col_text(q, 2));
    }
}

static void add_run(struct cell *c, const struct rows *r, const struct pool *p, int split)
{
    struct metrics_ranking rank;
    double one[METRICS_KINDS];
    metrics_rank(&rank, r->label, r->p, r->n);
    metrics_ranked(one, &rank, NULL);
    metrics_rank_clusters(&rank, r->user);
    double *v = xcalloc(bootstrap_room(1, RESAMPLES), sizeof *v);
    bootstrap_values(v, &rank, 1, p->n_users, RESAMPLES, 1, cpu_count());
    for (int k = 0; k < KINDS; k++) {
        c->all[k] += one[kinds[k]];
        c->split[split][k] += one[kinds[k]];
        for (int i = 0; i < RESAMPLES; i++)
            c->v[k][i] += v[kinds[k] * RESAMPLES + i];
    }
    c->n_split[split]++;
    c->runs++;
    metrics_rank_release(&rank);
    free(v);
}

static const char sql_runs[] =
    "SELECT r.id, format('%s %s, dropout %g%s%s', x.model, x.weighting, x.dropout,\n"
    "CASE x.stopping WHEN 'fpr' THEN '' ELSE ', by loss' END,\n"
    "CASE x.decay WHEN 0 THEN '' ELSE format(', decay %g', x.decay) END)\n"
    "FROM run r JOIN experiment x ON x.id = r.experiment_id\n"
    "WHERE r.stale = 0 AND r.state = 'done' AND x.protocol = 'crossfit' ORDER BY 2, x.seed";

/* Users first: a draw is of the users of all splits. */
static void number_users(struct pool *p, struct db *db)
{
    static const char sql_users[] = "SELECT key FROM user ORDER BY key";
    sqlite3_stmt *q = db_use(db, sql_users);
    while (db_step(q))
        user_number(p, db_col_text(q, 0));
}

static void add_split(struct pool *p, struct db *db)
{
    struct rows rows = {0};
    int64_t id[2000];
    char *name[2000];
    int n = 0;
    sqlite3_stmt *q = db_use(db, sql_runs);
    while (db_step(q) && n < 2000) {
        id[n] = sqlite3_column_int64(q, 0);
        name[n++] = xstrdup(db_col_text(q, 1));
    }
    for (int i = 0; i < n; i++) {
        read_run(&rows, p, db, id[i]);
        add_run(cell_of(p, name[i]), &rows, p, p->splits);
        free(name[i]);
    }
    p->splits++;
    free(rows.label);
    free(rows.p);
    free(rows.user);
}

static void print_difference(const struct cell *a, const struct cell *b, const char *name)
{
    double x[RESAMPLES];
    struct bootstrap t;
    for (int i = 0; i < RESAMPLES; i++)
        x[i] = a->v[AUC][i] / a->runs - b->v[AUC][i] / b->runs;
    bootstrap_interval(&t, x, RESAMPLES);
    printf("; AUC against %s %+.4f [%+.4f, %+.4f]", name,
           a->all[AUC] / a->runs - b->all[AUC] / b->runs, t.lo, t.hi);
}

static void print_cell(const struct pool *p, const struct cell *c, const struct cell *means,
                       const struct cell *logistic)
{
    double auc[64], mean, sd;
    int n = 0;
    for (int s = 0; s < p->splits; s++)
        if (c->n_split[s] > 0)
            auc[n++] = c->split[s][AUC] / c->n_split[s];
    metrics_mean_sd(&mean, &sd, auc, n);
    printf("%s: AUC %.4f +- %.4f over %d splits, FPR at TPR 0.9 %.3f, %d runs", c->name, mean, sd,
           n, c->all[FPR90] / c->runs, c->runs);
    if (means && c != means)
        print_difference(c, means, "means");
    if (logistic && c != logistic)
        print_difference(c, logistic, "logistic");
    putchar('\n');
}

int main(int argc, char **argv)
{
    struct pool p = {.cell = xcalloc(CELLS, sizeof *p.cell)};
    struct err e;
    const struct cell *means = NULL, *logistic = NULL;
    util_program = "pooled";
    for (int pass = 0; pass < 2; pass++)
        for (int i = 1; i < argc; i++) {
            struct db *db = db_open(argv[i], DB_READ, &e);
            if (!db)
                die("%s", e.text);
            if (pass == 0)
                number_users(&p, db);
            else
                add_split(&p, db);
            db_close(db);
        }
    for (int i = 0; i < p.n_cells; i++) {
        means = strncmp(p.cell[i].name, "means ", 6) ? means : &p.cell[i];
        logistic = strncmp(p.cell[i].name, "logistic ", 9) ? logistic : &p.cell[i];
    }
    for (int i = 0; i < p.n_cells; i++)
        print_cell(&p, &p.cell[i], means, logistic);
    return close_stdout(EXIT_DONE);
}
