/* SPDX-License-Identifier: MIT */
#include "train/dense.h"
#include "base/util.h"
#include "db/db.h"
#include "train/baseline.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DAMPING 5.0

struct prices {
    float *value, *known; /* [n_views[DATASET_BUSINESS]] */
};

static void read_prices(struct prices *p, const struct dataset *d, struct db *db, int64_t method)
{
    static const char sql_price[] =
        "SELECT tag FROM price_tag WHERE visible_id = :visible AND method_id = :method";
    int n = d->n_views[DATASET_BUSINESS];
    p->value = xcalloc((size_t)n, sizeof(float));
    p->known = xcalloc((size_t)n, sizeof(float));
    for (int i = 0; i < n; i++) {
        sqlite3_stmt *q = db_use(db, sql_price);
        db_int(q, ":visible", d->views[DATASET_BUSINESS][i].id);
        db_int(q, ":method", method);
        if (db_step(q)) {
            const char *tag = db_col_text(q, 0);
            p->value[i] = !strcmp(tag, "over-priced") ? 1 : !strcmp(tag, "cheap") ? -1 : 0;
            p->known[i] = strcmp(tag, "none") != 0;
        }
        sqlite3_reset(q);
    }
}

enum dense { MEAN, COUNT, TEXTS, COLD, PHOTOS, PRICE, PRICE_KNOWN };

static const struct {
    const char *name;
    enum dense what;
    int side;
} dense[] = {
    {"user_mean", MEAN, DATASET_USER},     {"business_mean", MEAN, DATASET_BUSINESS},
    {"user_count", COUNT, DATASET_USER},   {"business_count", COUNT, DATASET_BUSINESS},
    {"user_texts", TEXTS, DATASET_USER},   {"business_texts", TEXTS, DATASET_BUSINESS},
    {"user_cold", COLD, DATASET_USER},     {"business_cold", COLD, DATASET_BUSINESS},
    {"photo_count", PHOTOS, DATASET_BUSINESS},
    {"price", PRICE, DATASET_BUSINESS},    {"price_known", PRICE_KNOWN, DATASET_BUSINESS}};

/* What the paper leaves out of averages and counts: a train row's own review. */
static int is_own(const struct dataset *d, int row)
{
    return d->protocol == DATASET_PAPER && d->split[row] == DATASET_TRAIN;
}

static float mean_of(const struct dataset *d, const struct dataset_view *v, int row)
{
    int own = is_own(d, row);
    double damping = d->protocol == DATASET_PAPER ? 0 : DAMPING;
    return (float)baseline_damped(v->rating_sum - (own ? (double)d->rating[row] : 0),
                                  v->n_labelled - own, d->mean_rating, damping);
}

static float dense_value(const struct dataset *d, const struct prices *p, int row, int f)
{
    int at = d->view[dense[f].side][row];
    const struct dataset_view none = {0},
        *v = at < 0 ? &none : &d->views[dense[f].side][at];
    int own = at >= 0 && is_own(d, row), own_text = own && d->has_text[row];
    switch (dense[f].what) {
    case MEAN:
        return mean_of(d, v, row);
    case COUNT:
        return logf(1 + (float)(v->n_labelled - own));
    case TEXTS:
        return logf(1 + (float)(v->n_text - own_text));
    case COLD:
        return v->n_text - own_text == 0 && v->n_labelled - own == 0;
    case PHOTOS:
        return logf(1 + (float)v->n_photo);
    case PRICE:
        return at < 0 ? 0 : p->value[at];
    case PRICE_KNOWN:
        return at < 0 ? 0 : p->known[at];
    }
    return 0;
}

/* A column of x [n, ld] to mean 0, sd 1 over the train rows; a constant one becomes 0. */
static void standardise(float *x, int ld, const struct dataset *d)
{
    int n = d->n_ids[DATASET_TRAIN];
    double sum = 0, sq = 0;
    for (int i = 0; i < n; i++)
        sum += x[(size_t)d->ids[DATASET_TRAIN][i] * (size_t)ld];
    double mean = sum / n;
    for (int i = 0; i < n; i++) {
        double t = x[(size_t)d->ids[DATASET_TRAIN][i] * (size_t)ld] - mean;
        sq += t * t;
    }
    double sd = sqrt(sq / n), scale = sd > 1e-6 ? 1 / sd : 0;
    for (int i = 0; i < d->n; i++) {
        float *p = &x[(size_t)i * (size_t)ld];
        *p = (float)((*p - mean) * scale);
    }
}

int dense_parse(struct dense_columns *c, const char *names, struct err *e)
{
    char *copy = xstrdup(names), *save = NULL;
    int rc = 0;
    *c = (struct dense_columns){0};
    for (char *w = strtok_r(copy, " ", &save); w && rc == 0; w = strtok_r(NULL, " ", &save)) {
        size_t f = 0;
        while (f < ARRAY_LEN(dense) && strcmp(dense[f].name, w) != 0)
            f++;
        if (c->n == DENSE_COLUMNS)
            rc = err_set(e, "more than %d dense features", DENSE_COLUMNS);
        else if (f == ARRAY_LEN(dense))
            rc = err_set(e, "no dense feature '%s' (lib/train/dense.h lists them)", w);
        else
            c->which[c->n++] = (int)f;
    }
    free(copy);
    return rc;
}

void dense_fill(float *x, int ld, const struct dense_columns *c, const struct dataset *d,
                struct db *db, int64_t price)
{
    struct prices p;
    read_prices(&p, d, db, price);
    for (int i = 0; i < d->n; i++)
        for (int k = 0; k < c->n; k++)
            x[(size_t)i * (size_t)ld + (size_t)k] = dense_value(d, &p, i, c->which[k]);
    for (int k = 0; k < c->n; k++)
        standardise(x + k, ld, d);
    free(p.value);
    free(p.known);
}

/* ---- categories ---- */

/* Views of train rows, as a temporary table that the vocabulary joins with. */
static void list_train_views(const struct dataset *d, struct db *db)
{
    static const char sql_add[] = "INSERT OR IGNORE INTO temp.train_view VALUES (:id)";
    db_exec(db, "CREATE TEMP TABLE IF NOT EXISTS train_view (id INTEGER PRIMARY KEY);"
                "DELETE FROM temp.train_view");
    for (int i = 0; i < d->n_ids[DATASET_TRAIN]; i++) {
        int v = d->view[DATASET_BUSINESS][d->ids[DATASET_TRAIN][i]];
        if (v < 0)
            continue;
        sqlite3_stmt *q = db_use(db, sql_add);
        db_int(q, ":id", d->views[DATASET_BUSINESS][v].id);
        db_run(q);
    }
}

/* Where a rare name goes: to the longest known name that it ends with ("wood fired pizza" to
 * "pizza"). Names have at most three words; others of an open vocabulary are left out. */
static void list_names(struct db *db, int64_t category)
{
    static const char sql_known[] =
        "INSERT INTO temp.category_name SELECT name, id FROM temp.vocabulary";
    static const char sql_tail[] =
        "INSERT OR IGNORE INTO temp.category_name SELECT DISTINCT c.name, v.id FROM category c\n"
        "JOIN temp.vocabulary v ON v.name = substr(c.name, instr(c.name, ' ') + 1)\n"
        "WHERE c.method_id = :method AND instr(c.name, ' ')";
    static const char sql_last[] =
        "INSERT OR IGNORE INTO temp.category_name SELECT DISTINCT n.name, v.id FROM\n"
        "(SELECT name, substr(name, instr(name, ' ') + 1) AS tail FROM category\n"
        "WHERE method_id = :method) n\n"
        "JOIN temp.vocabulary v ON v.name = substr(n.tail, instr(n.tail, ' ') + 1)\n"
        "WHERE instr(n.name, ' ') AND instr(n.tail, ' ')";
    db_exec(db, "CREATE TEMP TABLE IF NOT EXISTS category_name (name TEXT PRIMARY KEY,"
                "id INTEGER) WITHOUT ROWID; DELETE FROM temp.category_name");
    db_run(db_use(db, sql_known));
    sqlite3_stmt *q = db_use(db, sql_tail);
    db_int(q, ":method", category);
    db_run(q);
    q = db_use(db, sql_last);
    db_int(q, ":method", category);
    db_run(q);
}

int dense_vocabulary(const struct dataset *d, struct db *db, int64_t category)
{
    static const char sql_fill[] =
        "INSERT INTO temp.vocabulary (name) SELECT c.name FROM category c\n"
        "JOIN temp.train_view t ON t.id = c.visible_id\n"
        "WHERE c.method_id = :method AND c.name IS NOT NULL\n"
        "GROUP BY c.name HAVING count(*) >= 2 ORDER BY c.name";
    static const char sql_size[] = "SELECT count(*) FROM temp.vocabulary";
    list_train_views(d, db);
    db_exec(db, "CREATE TEMP TABLE IF NOT EXISTS vocabulary (id INTEGER PRIMARY KEY,"
                "name TEXT UNIQUE); DELETE FROM temp.vocabulary");
    sqlite3_stmt *q = db_use(db, sql_fill);
    db_int(q, ":method", category);
    db_run(q);
    list_names(db, category);
    return (int)db_one_int(db_use(db, sql_size), 0);
}

void dense_bags(int *bags, int n, const struct dataset *d, struct db *db, int64_t category)
{
    static const char sql_names[] =
        "SELECT n.id - 1 FROM category c JOIN temp.category_name n ON n.name = c.name\n"
        "WHERE c.visible_id = :visible AND c.method_id = :method\n"
        "GROUP BY n.id ORDER BY min(c.position)";
    int n_views = d->n_views[DATASET_BUSINESS];
    int *bag = xcalloc((size_t)n_views * DENSE_BAG, sizeof *bag);
    for (int v = 0; v < n_views; v++) {
        sqlite3_stmt *q = db_use(db, sql_names);
        int k = 0;
        db_int(q, ":visible", d->views[DATASET_BUSINESS][v].id);
        db_int(q, ":method", category);
        while (db_step(q))
            if (k < DENSE_BAG)
                bag[v * DENSE_BAG + k++] = sqlite3_column_int(q, 0);
        while (k < DENSE_BAG)
            bag[v * DENSE_BAG + k++] = n;
    }
    for (int i = 0; i < d->n; i++)
        for (int k = 0; k < DENSE_BAG; k++) {
            int v = d->view[DATASET_BUSINESS][i];
            bags[(size_t)i * DENSE_BAG + (size_t)k] = v < 0 ? n : bag[v * DENSE_BAG + k];
        }
    free(bag);
}
