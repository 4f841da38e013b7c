/* SPDX-License-Identifier: MIT */
#include "train/dataset.h"
#include "base/rng.h"
#include "base/util.h"
#include "db/db.h"
#include "db/pilot.h"
#include "db/setting.h"
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

const char *const dataset_protocol_name[DATASET_PROTOCOLS] = {"crossfit", "paper"};
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
    uint64_t *hash; /* [cap] of a row's keys */
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
    d->has_text = xrealloc(d->has_text, n, 1);
    b->hash = xrealloc(b->hash, n, sizeof *b->hash);
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
    "b.text_digest, b.photo_digest,\n"
    "r.content_id IS NOT NULL, ku.key, kb.key, r.at\n"
    "FROM review r JOIN user ku ON ku.id = r.user_id JOIN business kb ON kb.id = r.business_id\n"
    "LEFT JOIN content c ON c.id = r.content_id\n"
    "LEFT JOIN visible u ON u.kind = 'user' AND u.entity_id = r.user_id\n"
    "AND u.fold = CASE WHEN r.split = 'train' AND :crossfit THEN r.fold ELSE -1 END\n"
    "LEFT JOIN visible b ON b.kind = 'business' AND b.entity_id = r.business_id\n"
    "AND b.fold = CASE WHEN r.split = 'train' AND :crossfit THEN r.fold ELSE -1 END\n"
    "WHERE r.labelled = 1 AND " PILOT_SQL("'business'", "r.business_id") "\n"
    "ORDER BY ku.key, kb.key, r.at, c.digest, r.rating, r.line";

static uint64_t hash_text(uint64_t h, const char *s)
{
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 0x100000001b3u; /* FNV-1a */
    return rng_mix(h);
}

static void read_rows(struct builder *b, struct db *db)
{
    struct dataset *d = b->d;
    uint64_t seed = rng_mix((uint64_t)setting_int(db, "SPLIT_SEED") ^ 0x696d62616c616e63u);
    uint64_t who = 0, twin = 0;
    sqlite3_stmt *q = db_use(db, sql_rows);
    db_int(q, ":crossfit", d->protocol == DATASET_CROSSFIT);
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
        d->has_text[i] = (unsigned char)sqlite3_column_int(q, 23);
        d->folds = d->fold[i] >= d->folds ? d->fold[i] + 1 : d->folds;
        uint64_t h = hash_text(hash_text(seed, db_col_text(q, 24)), db_col_text(q, 25));
        h = rng_mix(h ^ (uint64_t)sqlite3_column_int64(q, 26) * 64);
        /* By place in this order: nth is by arrival. */
        twin = i > 0 && h == who ? twin + 1 : 0;
        who = h;
        b->hash[i] = twin ? rng_mix(h + twin) : h;
    }
}

/* ---- imbalance ---- */

static int by_hash(const void *x, const void *y)
{
    uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;
    return (a > b) - (a < b);
}

/* The hash below which a split's negatives stay, so that `share` of what is left is negative:
 * m = share / (1 - share) * positives. */
static uint64_t limit_of(const struct builder *b, int split, double share)
{
    const struct dataset *d = b->d;
    uint64_t *h = xcalloc((size_t)d->n, sizeof *h);
    size_t n = 0, positives = 0;
    for (int i = 0; i < d->n; i++)
        if (d->split[i] == split && d->label[i])
            positives++;
        else if (d->split[i] == split)
            h[n++] = b->hash[i];
    qsort(h, n, sizeof *h, by_hash);
    double keep = share / (1 - share) * (double)positives;
    uint64_t limit = keep < (double)n ? h[(size_t)keep] : UINT64_MAX;
    free(h);
    return limit;
}

static void move_row(struct dataset *d, int to, int from)
{
    d->review[to] = d->review[from];
    d->label[to] = d->label[from];
    d->split[to] = d->split[from];
    d->fold[to] = d->fold[from];
    d->rating[to] = d->rating[from];
    d->has_text[to] = d->has_text[from];
    for (int s = 0; s < 2; s++)
        d->view[s][to] = d->view[s][from];
}

static void subsample(struct builder *b, struct db *db)
{
    struct dataset *d = b->d;
    char *text = setting_value(db, "IMBALANCE");
    double share = atof(text);
    uint64_t limit[DATASET_SPLITS];
    int n = 0;
    free(text);
    if (!(share > 0))
        return;
    for (int s = 0; s < DATASET_SPLITS; s++)
        limit[s] = limit_of(b, s, share);
    for (int i = 0; i < d->n; i++)
        if (d->label[i] || b->hash[i] < limit[d->split[i]])
            move_row(d, n++, i);
    d->left_out = d->n - n;
    d->n = n;
}

static void list_splits(struct dataset *d)
{
    int at[DATASET_SPLITS] = {0};
    double sum = 0;
    for (int i = 0; i < d->n; i++) {
        d->n_ids[d->split[i]]++;
        sum += d->split[i] == DATASET_TRAIN ? d->rating[i] : 0;
    }
    if (d->n_ids[DATASET_TRAIN])
        d->mean_rating = sum / d->n_ids[DATASET_TRAIN];
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

struct dataset *dataset_new(struct db *db, enum dataset_protocol protocol, struct err *e)
{
    struct builder b = {.d = xcalloc(1, sizeof *b.d)};
    char *by_time = db_setting(db, "split_by_time");
    b.d->protocol = protocol;
    b.d->by_time = by_time && *by_time == '1';
    free(by_time);
    pilot_fill(db, -1);
    read_rows(&b, db);
    subsample(&b, db);
    free_seen(&b);
    free(b.hash);
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
    free(d->has_text);
    for (int s = 0; s < 2; s++) {
        free(d->view[s]);
        free(d->views[s]);
    }
    for (int s = 0; s < DATASET_SPLITS; s++)
        free(d->ids[s]);
    free(d);
}

/* ---- permuted ratings ---- */

/* Adds the train row's rating to, or takes it from, every view of its entity that may see it. */
static void count_row(struct dataset *d, struct dataset_view *v, int row, int sign)
{
#ifdef MM_PLANT_LEAK_VISIBLE /* a test build: every fold sees its own rows too */
    int seen = 1 + 0 * d->by_time;
#else
    int seen = v->fold < 0 || (d->by_time ? d->fold[row] < v->fold : d->fold[row] != v->fold);
#endif
    if (seen) {
        v->rating_sum += sign * (double)d->rating[row];
        v->n_labelled += sign;
    }
}

struct of_entity {
    int64_t entity;
    int index; /* of a view, or of a train row */
};

static int by_entity(const void *x, const void *y)
{
    const struct of_entity *a = x, *b = y;
    if (a->entity != b->entity)
        return a->entity < b->entity ? -1 : 1;
    return (a->index > b->index) - (a->index < b->index);
}

static void count_side(struct dataset *d, int side, int sign)
{
    int n = d->n_ids[DATASET_TRAIN], nv = d->n_views[side], first = 0;
    struct of_entity *rows = xcalloc((size_t)n, sizeof *rows);
    struct of_entity *views = xcalloc((size_t)nv, sizeof *views);
    for (int v = 0; v < nv; v++)
        views[v] = (struct of_entity){d->views[side][v].entity, v};
    for (int i = 0; i < n; i++) {
        int row = d->ids[DATASET_TRAIN][i], v = d->view[side][row];
        rows[i] = (struct of_entity){v < 0 ? -1 : d->views[side][v].entity, row};
    }
    qsort(rows, (size_t)n, sizeof *rows, by_entity);
    qsort(views, (size_t)nv, sizeof *views, by_entity);
    for (int i = 0; i < n; i++) {
        while (first < nv && views[first].entity < rows[i].entity)
            first++;
        for (int v = first; v < nv && views[v].entity == rows[i].entity; v++)
            count_row(d, &d->views[side][views[v].index], rows[i].index, sign);
    }
    free(rows);
    free(views);
}

void dataset_permute(struct dataset *d, uint64_t seed)
{
    int n = d->n_ids[DATASET_TRAIN];
    const int *ids = d->ids[DATASET_TRAIN];
    int *order = xcalloc((size_t)n, sizeof *order);
    float *rating = xcalloc((size_t)n, sizeof *rating);
    unsigned char *label = xcalloc((size_t)n, 1);
    struct rng r;
    rng_seed(&r, seed, 0);
    for (int i = 0; i < n; i++)
        order[i] = i;
    rng_shuffle(&r, order, (size_t)n);
    for (int side = 0; side < 2; side++)
        count_side(d, side, -1);
    for (int i = 0; i < n; i++) {
        rating[i] = d->rating[ids[order[i]]];
        label[i] = d->label[ids[order[i]]];
    }
    for (int i = 0; i < n; i++) {
        d->rating[ids[i]] = rating[i];
        d->label[ids[i]] = label[i];
    }
    for (int side = 0; side < 2; side++)
        count_side(d, side, 1);
    free(order);
    free(rating);
    free(label);
}
