/* SPDX-License-Identifier: MIT */
#include "train/dataset.h"
#include "base/util.h"
#include "db/db.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define DAMPING 5.0

const char *const dataset_split_name[DATASET_SPLITS] = {"train", "val", "test"};

static int split_index(const char *name)
{
    for (int i = 0; i < DATASET_SPLITS; i++)
        if (strcmp(name, dataset_split_name[i]) == 0)
            return i;
    return -1;
}

/* ---- rows ---- */

struct seen {
    int64_t id; /* visible.id */
    int index;
    UT_hash_handle hh;
};

struct builder {
    struct dataset *d;
    int cap, cap_views[2];
    struct seen *seen[2];
};

static void grow(struct builder *b)
{
    struct dataset *d = b->d;
    if (d->n < b->cap)
        return;
    b->cap = b->cap * 2 + 1024;
    size_t n = (size_t)b->cap;
    d->review = xrealloc(d->review, n, sizeof *d->review);
    d->label = xrealloc(d->label, n, 1);
    d->split = xrealloc(d->split, n, 1);
    d->fold = xrealloc(d->fold, n, sizeof *d->fold);
    d->rating = xrealloc(d->rating, n, sizeof *d->rating);
    for (int s = 0; s < 2; s++)
        d->view[s] = xrealloc(d->view[s], n, sizeof *d->view[s]);
}

/* Columns from col on: id, entity, fold, n_text, n_labelled, n_photo, rating_sum, digests. */
static int view_index(struct builder *b, int side, sqlite3_stmt *q, int col)
{
    struct dataset *d = b->d;
    if (sqlite3_column_type(q, col) == SQLITE_NULL)
        return -1;
    int64_t id = sqlite3_column_int64(q, col);
    struct seen *s;
    HASH_FIND(hh, b->seen[side], &id, sizeof id, s);
    if (s)
        return s->index;
    if (d->n_views[side] == b->cap_views[side]) {
        b->cap_views[side] = b->cap_views[side] * 2 + 256;
        d->views[side] = xrealloc(d->views[side], (size_t)b->cap_views[side],
                                  sizeof *d->views[side]);
    }
    struct dataset_view *v = &d->views[side][d->n_views[side]];
    *v = (struct dataset_view){.id = id, .entity = sqlite3_column_int64(q, col + 1),
                               .fold = sqlite3_column_int(q, col + 2),
                               .n_text = sqlite3_column_int(q, col + 3),
                               .n_labelled = sqlite3_column_int(q, col + 4),
                               .n_photo = sqlite3_column_int(q, col + 5),
                               .rating_sum = sqlite3_column_double(q, col + 6)};
    memcpy(v->text_digest, sqlite3_column_blob(q, col + 7), 32);
    memcpy(v->photo_digest, sqlite3_column_blob(q, col + 8), 32);
    s = xcalloc(1, sizeof *s);
    s->id = id;
    s->index = d->n_views[side]++;
    HASH_ADD(hh, b->seen[side], id, sizeof s->id, s);
    return s->index;
}

static const char sql_rows[] =
    "SELECT r.id, r.positive, r.split, coalesce(r.fold, -1), r.rating,\n"
    "u.id, u.entity_id, u.fold, u.n_text, u.n_labelled, u.n_photo, u.rating_sum,\n"
    "u.text_digest, u.photo_digest,\n"
    "b.id, b.entity_id, b.fold, b.n_text, b.n_labelled, b.n_photo, b.rating_sum,\n"
    "b.text_digest, b.photo_digest\n"
    "FROM review r JOIN user ku ON ku.id = r.user_id JOIN business kb ON kb.id = r.business_id\n"
    "LEFT JOIN content c ON c.id = r.content_id\n"
    "LEFT JOIN visible u ON u.kind = 'user' AND u.entity_id = r.user_id\n"
    "AND u.fold = CASE r.split WHEN 'train' THEN r.fold ELSE -1 END\n"
    "LEFT JOIN visible b ON b.kind = 'business' AND b.entity_id = r.business_id\n"
    "AND b.fold = CASE r.split WHEN 'train' THEN r.fold ELSE -1 END\n"
    "WHERE r.labelled = 1 ORDER BY ku.key, kb.key, r.at, c.digest, r.rating, r.line";

static void read_rows(struct builder *b, struct db *db)
{
    struct dataset *d = b->d;
    sqlite3_stmt *q = db_use(db, sql_rows);
    double sum = 0;
    while (db_step(q)) {
        grow(b);
        int i = d->n++;
        d->review[i] = sqlite3_column_int64(q, 0);
        d->label[i] = (unsigned char)sqlite3_column_int(q, 1);
        d->split[i] = (unsigned char)split_index(db_col_text(q, 2));
        d->fold[i] = sqlite3_column_int(q, 3);
        d->rating[i] = (float)sqlite3_column_double(q, 4);
        d->view[DATASET_USER][i] = view_index(b, DATASET_USER, q, 5);
        d->view[DATASET_BUSINESS][i] = view_index(b, DATASET_BUSINESS, q, 14);
        d->n_ids[d->split[i]]++;
        sum += d->split[i] == DATASET_TRAIN ? d->rating[i] : 0;
    }
    if (d->n_ids[DATASET_TRAIN])
        d->mean_rating = sum / d->n_ids[DATASET_TRAIN];
}

static void list_splits(struct dataset *d)
{
    int at[DATASET_SPLITS] = {0};
    for (int s = 0; s < DATASET_SPLITS; s++)
        d->ids[s] = xcalloc((size_t)d->n_ids[s], sizeof **d->ids);
    for (int i = 0; i < d->n; i++)
        d->ids[d->split[i]][at[d->split[i]]++] = i;
}

static void free_seen(struct builder *b)
{
    struct seen *s, *next;
    for (int side = 0; side < 2; side++)
        HASH_ITER(hh, b->seen[side], s, next) {
            HASH_DEL(b->seen[side], s);
            free(s);
        }
}

struct dataset *dataset_new(struct db *db, struct err *e)
{
    struct builder b = {.d = xcalloc(1, sizeof *b.d)};
    read_rows(&b, db);
    free_seen(&b);
    list_splits(b.d);
    if (b.d->n_ids[DATASET_TRAIN] == 0 || b.d->n_ids[DATASET_VAL] == 0) {
        err_set(e, "%d labelled reviews to train on and %d to validate on; both are needed",
                b.d->n_ids[DATASET_TRAIN], b.d->n_ids[DATASET_VAL]);
        dataset_free(b.d);
        return NULL;
    }
    return b.d;
}

void dataset_free(struct dataset *d)
{
    if (!d)
        return;
    free(d->review);
    free(d->label);
    free(d->split);
    free(d->fold);
    free(d->rating);
    for (int s = 0; s < 2; s++) {
        free(d->view[s]);
        free(d->views[s]);
    }
    for (int s = 0; s < DATASET_SPLITS; s++)
        free(d->ids[s]);
    free(d);
}

/* ---- dense features ---- */

struct prices {
    float *value, *known; /* [n_views[DATASET_BUSINESS]] */
};

static void read_prices(struct prices *p, const struct dataset *d, struct db *db)
{
    static const char sql_price[] =
        "SELECT p.tag FROM price_tag p JOIN method m ON m.id = p.method_id AND m.current = 1\n"
        "WHERE p.visible_id = :visible";
    int n = d->n_views[DATASET_BUSINESS];
    p->value = xcalloc((size_t)n, sizeof(float));
    p->known = xcalloc((size_t)n, sizeof(float));
    for (int i = 0; i < n; i++) {
        sqlite3_stmt *q = db_use(db, sql_price);
        db_int(q, ":visible", d->views[DATASET_BUSINESS][i].id);
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

static float dense_value(const struct dataset *d, const struct prices *p, int row, size_t f)
{
    int at = d->view[dense[f].side][row];
    const struct dataset_view none = {0},
        *v = at < 0 ? &none : &d->views[dense[f].side][at];
    switch (dense[f].what) {
    case MEAN:
        return (float)((v->rating_sum + DAMPING * d->mean_rating) / (v->n_labelled + DAMPING));
    case COUNT:
        return logf(1 + (float)v->n_labelled);
    case TEXTS:
        return logf(1 + (float)v->n_text);
    case COLD:
        return v->n_text == 0 && v->n_labelled == 0;
    case PHOTOS:
        return logf(1 + (float)v->n_photo);
    case PRICE:
        return at < 0 ? 0 : p->value[at];
    case PRICE_KNOWN:
        return at < 0 ? 0 : p->known[at];
    }
    return 0;
}

/* Columns to mean 0, sd 1 over the train rows; a constant column becomes 0. */
static void standardise(float *x, int cols, const struct dataset *d)
{
    int n = d->n_ids[DATASET_TRAIN];
    for (int c = 0; c < cols; c++) {
        double sum = 0, sq = 0;
        for (int i = 0; i < n; i++)
            sum += x[(size_t)d->ids[DATASET_TRAIN][i] * (size_t)cols + (size_t)c];
        double mean = sum / n;
        for (int i = 0; i < n; i++) {
            double t = x[(size_t)d->ids[DATASET_TRAIN][i] * (size_t)cols + (size_t)c] - mean;
            sq += t * t;
        }
        double sd = sqrt(sq / n), scale = sd > 1e-6 ? 1 / sd : 0;
        for (int i = 0; i < d->n; i++) {
            float *p = &x[(size_t)i * (size_t)cols + (size_t)c];
            *p = (float)((*p - mean) * scale);
        }
    }
}

int dataset_dense(float **out, const struct dataset *d, struct db *db, const char *names,
                  struct err *e)
{
    size_t which[64];
    int n = 0;
    char *copy = xstrdup(names), *save = NULL;
    for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
        size_t f = 0;
        while (f < ARRAY_LEN(dense) && strcmp(dense[f].name, w) != 0)
            f++;
        if (f == ARRAY_LEN(dense) || n == (int)ARRAY_LEN(which)) {
            int rc = err_set(e, "no dense feature '%s' (lib/train/dataset.h lists them)", w);
            free(copy);
            return rc;
        }
        which[n++] = f;
    }
    free(copy);
    struct prices p;
    read_prices(&p, d, db);
    *out = xcalloc((size_t)d->n * (size_t)(n ? n : 1), sizeof **out);
    for (int i = 0; i < d->n; i++)
        for (int c = 0; c < n; c++)
            (*out)[(size_t)i * (size_t)n + (size_t)c] = dense_value(d, &p, i, which[c]);
    standardise(*out, n, d);
    free(p.value);
    free(p.known);
    return n;
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

static int read_vocabulary(struct db *db)
{
    static const char sql_fill[] =
        "INSERT INTO temp.vocabulary (name) SELECT c.name FROM category c\n"
        "JOIN method m ON m.id = c.method_id AND m.current = 1\n"
        "JOIN temp.train_view t ON t.id = c.visible_id WHERE c.name IS NOT NULL\n"
        "GROUP BY c.name HAVING count(*) >= 2 ORDER BY c.name";
    static const char sql_size[] = "SELECT count(*) FROM temp.vocabulary";
    db_exec(db, "CREATE TEMP TABLE IF NOT EXISTS vocabulary (id INTEGER PRIMARY KEY,"
                "name TEXT UNIQUE); DELETE FROM temp.vocabulary");
    db_run(db_use(db, sql_fill));
    return (int)db_one_int(db_use(db, sql_size), 0);
}

void dataset_categories(int **bags, int *n_categories, const struct dataset *d, struct db *db)
{
    static const char sql_names[] =
        "SELECT v.id - 1 FROM category c JOIN method m ON m.id = c.method_id AND m.current = 1\n"
        "JOIN temp.vocabulary v ON v.name = c.name WHERE c.visible_id = :visible\n"
        "ORDER BY c.position";
    list_train_views(d, db);
    *n_categories = read_vocabulary(db);
    int n_views = d->n_views[DATASET_BUSINESS];
    int *bag = xcalloc((size_t)n_views * DATASET_BAG, sizeof *bag);
    for (int v = 0; v < n_views; v++) {
        sqlite3_stmt *q = db_use(db, sql_names);
        int n = 0;
        db_int(q, ":visible", d->views[DATASET_BUSINESS][v].id);
        while (db_step(q))
            if (n < DATASET_BAG)
                bag[v * DATASET_BAG + n++] = sqlite3_column_int(q, 0);
        while (n < DATASET_BAG)
            bag[v * DATASET_BAG + n++] = *n_categories;
    }
    *bags = xcalloc((size_t)d->n * DATASET_BAG, sizeof **bags);
    for (int i = 0; i < d->n; i++)
        for (int k = 0; k < DATASET_BAG; k++) {
            int v = d->view[DATASET_BUSINESS][i];
            (*bags)[(size_t)i * DATASET_BAG + (size_t)k] =
                v < 0 ? *n_categories : bag[v * DATASET_BAG + k];
        }
    free(bag);
}
