/* SPDX-License-Identifier: MIT */
#include "train/features.h"
#include "base/sha256.h"
#include "base/util.h"
#include "db/db.h"
#include "db/vec.h"
#include <stdlib.h>
#include <string.h>

#define DIM 32

/* Reduced vectors of one block, by review. -1: a review without one. */
static int read_block(struct features *f, const struct dataset *d, struct db *db,
                      const char *name, float *known, struct err *e)
{
    static const char sql_one[] =
        "SELECT x.known, x.vec FROM reduced x WHERE x.review_id = :review AND x.reducer_id =\n"
        "(SELECT id FROM reducer WHERE name = :name AND current = 1)";
    float *rows = xcalloc((size_t)d->n * DIM, sizeof *rows);
    f->rows[f->n_blocks] = rows;
    f->block[f->n_blocks++] = (struct samples_block){.rows = rows, .n_rows = d->n, .dim = DIM};
    for (int i = 0; i < d->n; i++) {
        sqlite3_stmt *q = db_use(db, sql_one);
        db_int(q, ":review", d->review[i]);
        db_text(q, ":name", name);
        if (!db_step(q))
            return err_set(e, "block '%s': review %lld has no reduced vector; run mm-reduce",
                           name, (long long)d->review[i]);
        known[i] = (float)sqlite3_column_int(q, 0);
        f->any_block |= known[i] > 0;
        int rc = vec_column(rows + (size_t)i * DIM, q, 1, DIM, e);
        sqlite3_reset(q);
        if (rc < 0)
            return -1;
    }
    return 0;
}

/* The blocks, and one more dense column each: whether anything was known. */
static int read_blocks(struct features *f, const struct dataset *d, struct db *db,
                       const char *names, struct err *e)
{
    char *copy = xstrdup(names), *save = NULL;
    float *known[FEATURES_BLOCKS] = {NULL};
    int rc = 0, first = f->samples.n_dense;
    for (char *w = strtok_r(copy, " ", &save); w && rc == 0; w = strtok_r(NULL, " ", &save)) {
        if (f->n_blocks == FEATURES_BLOCKS) {
            rc = err_set(e, "more than %d blocks", FEATURES_BLOCKS);
            break;
        }
        known[f->n_blocks] = xcalloc((size_t)d->n, sizeof(float));
        rc = read_block(f, d, db, w, known[f->n_blocks], e);
    }
    int cols = first + f->n_blocks;
    float *wide = xcalloc((size_t)d->n * (size_t)(cols ? cols : 1), sizeof *wide);
    for (int i = 0; i < d->n; i++) {
        for (int c = 0; c < first; c++)
            wide[(size_t)i * (size_t)cols + (size_t)c] =
                f->dense[(size_t)i * (size_t)first + (size_t)c];
        for (int b = 0; b < f->n_blocks; b++)
            wide[(size_t)i * (size_t)cols + (size_t)(first + b)] = known[b][i];
    }
    free(f->dense);
    f->dense = wide;
    f->samples.n_dense = cols;
    for (int b = 0; b < FEATURES_BLOCKS; b++)
        free(known[b]);
    free(copy);
    return rc;
}

static void digest(struct features *f, const struct dataset *d, const char *row)
{
    struct sha256 *h = sha256_new();
    const struct samples *s = &f->samples;
    sha256_add_field(h, row, strlen(row));
    sha256_add_field(h, d->label, (size_t)d->n);
    sha256_add_field(h, d->split, (size_t)d->n);
    sha256_add_field(h, s->dense, (size_t)d->n * (size_t)s->n_dense * sizeof(float));
    if (s->bags)
        sha256_add_field(h, s->bags, (size_t)d->n * DATASET_BAG * sizeof(int));
    for (int b = 0; b < f->n_blocks; b++)
        sha256_add_field(h, f->rows[b], (size_t)d->n * DIM * sizeof(float));
    sha256_end(f->digest, h);
    sha256_free(h);
}

struct row {
    char *dense, *blocks, *text;
    int sparse;
};

static int read_row(struct row *r, struct features *f, struct db *db, const char *model,
                    struct err *e)
{
    static const char sql_model[] =
        "SELECT kind, dense, sparse, blocks, interaction FROM model WHERE name = :name";
    sqlite3_stmt *q = db_use(db, sql_model);
    db_text(q, ":name", model);
    if (!db_step(q))
        return err_set(e, "no model '%s' in table model", model);
    snprintf(f->kind, sizeof f->kind, "%s", db_col_text(q, 0));
    r->dense = xstrdup(db_col_text(q, 1));
    r->sparse = sqlite3_column_int(q, 2);
    r->blocks = xstrdup(db_col_text(q, 3));
    f->interaction_cat = strcmp(db_col_text(q, 4), "cat") == 0;
    r->text = xasprintf("%s|%s|%d|%s|%s", f->kind, r->dense, r->sparse, r->blocks,
                        db_col_text(q, 4));
    sqlite3_reset(q);
    return 0;
}

int features_read(struct features *f, const struct dataset *d, struct db *db, const char *model,
                  struct err *e)
{
    struct row r = {0};
    *f = (struct features){0};
    snprintf(f->model, sizeof f->model, "%s", model);
    int rc = read_row(&r, f, db, model, e), n_dense;
    if (rc == 0) {
        n_dense = dataset_dense(&f->dense, d, db, r.dense, e);
        f->samples = (struct samples){.n = d->n, .label = d->label, .n_dense = n_dense};
        rc = n_dense < 0 ? -1 : read_blocks(f, d, db, r.blocks, e);
    }
    if (rc == 0 && r.sparse) {
        dataset_categories(&f->bags, &f->samples.n_categories, d, db);
        if (f->samples.n_categories > 0) {
            f->samples.bag = DATASET_BAG;
            f->samples.bags = f->bags;
        }
    }
    if (rc == 0 && f->n_blocks && !f->any_block && !strchr(r.blocks, ' '))
        rc = err_set(e, "not testable on this data: nothing is known for block '%s' in any row",
                     r.blocks);
    if (rc == 0) {
        f->samples.dense = f->dense;
        f->samples.n_blocks = f->n_blocks;
        f->samples.blocks = f->block;
        rc = samples_check(&f->samples, e);
        digest(f, d, r.text);
    }
    free(r.dense);
    free(r.blocks);
    free(r.text);
    return rc;
}

void features_release(struct features *f)
{
    free(f->dense);
    free(f->bags);
    for (int b = 0; b < f->n_blocks; b++)
        free(f->rows[b]);
    *f = (struct features){0};
}

int features_matrix(float **x, const struct features *f)
{
    const struct samples *s = &f->samples;
    int cats = s->bag ? s->n_categories : 0, p = s->n_dense + cats + f->n_blocks * DIM;
    *x = xcalloc((size_t)s->n * (size_t)(p ? p : 1), sizeof **x);
    for (int i = 0; i < s->n; i++) {
        float *row = *x + (size_t)i * (size_t)p;
        memcpy(row, s->dense + (size_t)i * (size_t)s->n_dense, (size_t)s->n_dense * sizeof *row);
        row += s->n_dense;
        for (int k = 0; k < s->bag; k++) {
            int c = s->bags[(size_t)i * DATASET_BAG + (size_t)k];
            if (c < cats)
                row[c] = 1;
        }
        row += cats;
        for (int b = 0; b < f->n_blocks; b++, row += DIM)
            memcpy(row, f->rows[b] + (size_t)i * DIM, DIM * sizeof *row);
    }
    return p;
}
