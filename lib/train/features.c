/* SPDX-License-Identifier: MIT */
#include "train/features.h"
#include "base/quick.h"
#include "base/sha256.h"
#include "base/util.h"
#include "db/db.h"
#include "db/method.h"
#include "db/vec.h"
#include "train/reduce.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FEATURES_VERSION 3
#define DIM BLOCK_DIM
#define SUFFIX ".feat"

/* The model row. */
struct row {
    char *dense, *blocks, *tags;
    int sparse;
    enum reduce_mode mode;
    char *values; /* what decides the values of the set */
};

/* Start of the file; then dense [n, n_dense], bags [n, bag], blocks [n_blocks] of [n, DIM], each
 * from a cache line's start on: a block's row is then two lines, not three. */
struct header {
    char magic[8];
    int64_t n;
    int n_dense, bag, n_categories, n_blocks, any_block, version;
    unsigned char digest[SHA256_BYTES]; /* of the values */
    int64_t quick;                      /* of the same: is the file still what was written? */
};

static const char magic[8] = "mmFEAT1";

/* ---- the model row ---- */

static int read_row(struct row *r, struct features *f, const struct dataset *d, struct db *db,
                    const char *stopping, struct err *e)
{
    static const char sql_model[] =
        "SELECT kind, dense, sparse, blocks, interaction, reduction, tags FROM model\n"
        "WHERE name = :name";
    sqlite3_stmt *q = db_use(db, sql_model);
    db_text(q, ":name", f->model);
    if (!db_step(q))
        return err_set(e, "no model '%s' in table model", f->model);
    snprintf(f->kind, sizeof f->kind, "%s", db_col_text(q, 0));
    r->dense = xstrdup(db_col_text(q, 1));
    r->sparse = sqlite3_column_int(q, 2);
    r->blocks = xstrdup(db_col_text(q, 3));
    f->interaction_cat = strcmp(db_col_text(q, 4), "cat") == 0;
    r->mode = reduce_mode_for(d->protocol, db_col_text(q, 5), f->kind, stopping);
    r->tags = sqlite3_column_type(q, 6) == SQLITE_NULL ? NULL : xstrdup(db_col_text(q, 6));
    sqlite3_reset(q);
    r->values = xasprintf("%d|%s|%d|%s|%s|%s|%s", FEATURES_VERSION, r->dense, r->sparse,
                          r->blocks, reduce_mode_name[r->mode], r->tags ? r->tags : "",
                          dataset_protocol_name[d->protocol]);
    return 0;
}

static void release_row(struct row *r)
{
    free(r->dense);
    free(r->blocks);
    free(r->tags);
    free(r->values);
}

/* ---- the file's place ---- */

static char *join(struct db *db, const char *rest)
{
    return xasprintf("%s.d%s", db_path(db), rest);
}

char *features_dir(struct db *db)
{
    char *outer = join(db, ""), *inner = join(db, "/features");
    if ((mkdir(outer, 0777) != 0 && errno != EEXIST) ||
        (mkdir(inner, 0777) != 0 && errno != EEXIST))
        die("%s: %s", inner, strerror(errno));
    free(outer);
    return inner;
}

/* NULL when the tables are being changed: their tokens then say nothing. The rows are part of
 * it: IMBALANCE and SPLIT_SEED choose them from the same tables. */
static char *file_name(const struct row *r, const struct dataset *d, struct db *db)
{
    static const char sql_tokens[] =
        "SELECT group_concat(tbl || '=' || token), min(clean) FROM (SELECT * FROM generation\n"
        "WHERE tbl IN ('review', 'visible', 'price_tag', 'category', 'reducer', 'reduced')\n"
        "ORDER BY tbl)";
    unsigned char digest[SHA256_BYTES];
    char hex[SHA256_HEX];
    sqlite3_stmt *q = db_use(db, sql_tokens);
    if (!db_step(q) || sqlite3_column_int(q, 1) == 0) {
        sqlite3_reset(q);
        return NULL;
    }
    char *all = xasprintf("%s|%s|%lld|%lld", r->values, db_col_text(q, 0),
                          (long long)method_named(db, "price", r->tags, NULL),
                          (long long)method_named(db, "category", r->tags, NULL));
    sqlite3_reset(q);
    struct sha256 *h = sha256_new();
    sha256_add_field(h, all, strlen(all));
    sha256_add_field(h, d->review, (size_t)d->n * sizeof *d->review);
    sha256_end(digest, h);
    sha256_free(h);
    sha256_hex(hex, digest);
    free(all);
    char *dir = features_dir(db);
    char *path = xasprintf("%s/%.32s" SUFFIX, dir, hex);
    free(dir);
    return path;
}

/* ---- layout ---- */

static size_t lines(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

/* Bytes of an array of so many numbers a row. */
static size_t array_bytes(const struct header *h, size_t values)
{
    return lines((size_t)h->n * values * sizeof(float));
}

static size_t file_bytes(const struct header *h)
{
    return lines(sizeof *h) + array_bytes(h, (size_t)h->n_dense) + array_bytes(h, (size_t)h->bag) +
           (size_t)h->n_blocks * array_bytes(h, DIM);
}

static float *dense_of(const struct features *f)
{
    return (float *)((char *)f->file.data + lines(sizeof(struct header)));
}

static int64_t quick_of(const struct features *f)
{
    const struct header *h = f->file.data;
    struct quick *q = quick_new();
    quick_add(q, h + 1, f->file.bytes - sizeof *h);
    int64_t digest = quick_end(q);
    quick_free(q);
    return digest;
}

/* Points f at what lies in its file. */
static void lay_out(struct features *f, const struct dataset *d)
{
    const struct header *h = f->file.data;
    float *dense = dense_of(f);
    char *bags = (char *)dense + array_bytes(h, (size_t)h->n_dense);
    char *rows = bags + array_bytes(h, (size_t)h->bag);
    f->samples = (struct samples){.n = d->n, .label = d->label, .n_dense = h->n_dense,
                                  .dense = dense, .bag = h->bag, .n_categories = h->n_categories,
                                  .bags = h->bag ? (int *)bags : NULL, .n_blocks = h->n_blocks,
                                  .blocks = f->block};
    for (int b = 0; b < h->n_blocks; b++)
        f->block[b] = (struct samples_block){
            .rows = (float *)(rows + (size_t)b * array_bytes(h, DIM)), .n_rows = d->n, .dim = DIM};
    f->any_block = h->any_block;
}

/* 1: the cached file is there and whole. */
static int open_file(struct features *f, const char *path, const struct dataset *d)
{
    struct err e;
    if (!path || mapped_open(&f->file, path, &e) < 0)
        return 0;
    const struct header *h = f->file.data;
    if (f->file.bytes < sizeof *h || memcmp(h->magic, magic, sizeof magic) != 0 ||
        h->version != FEATURES_VERSION || h->n != d->n || h->n_dense < 0 || h->bag < 0 ||
        h->n_blocks < 0 || h->n_blocks > FEATURES_BLOCKS || file_bytes(h) != f->file.bytes ||
        quick_of(f) != h->quick) {
        mapped_release(&f->file);
        return 0;
    }
    lay_out(f, d);
    return 1;
}

/* ---- values ---- */

/* Reduced vectors of block b, and column `known` of the dense features. */
static int fill_block(struct features *f, const struct dataset *d, struct db *db, int b,
                      const char *name, const struct row *r, struct err *e)
{
    static const char sql_reducer[] =
        "SELECT id FROM reducer WHERE name = :name AND mode = :mode AND protocol = :protocol\n"
        "AND current = 1";
    static const char sql_one[] =
        "SELECT known, vec FROM reduced WHERE reducer_id = :reducer AND review_id = :review";
    struct header *h = f->file.data;
    float *rows = (float *)f->block[b].rows, *known = dense_of(f) + h->n_dense - h->n_blocks + b;
    sqlite3_stmt *q = db_use(db, sql_reducer);
    db_text(q, ":name", name);
    db_text(q, ":mode", reduce_mode_name[r->mode]);
    db_text(q, ":protocol", dataset_protocol_name[d->protocol]);
    int64_t reducer = db_one_int(q, 0);
    for (int i = 0; i < d->n; i++) {
        q = db_use(db, sql_one);
        db_int(q, ":reducer", reducer);
        db_int(q, ":review", d->review[i]);
        if (!db_step(q))
            return err_set(e, "block '%s': review %lld has no reduced vector; run mm-reduce",
                           name, (long long)d->review[i]);
        known[(size_t)i * (size_t)h->n_dense] = (float)sqlite3_column_int(q, 0);
        h->any_block |= sqlite3_column_int(q, 0);
        struct err why;
        int rc = vec_column(rows + (size_t)i * DIM, q, 1, DIM, &why);
        sqlite3_reset(q);
        if (rc < 0)
            return err_set(e, "block '%s': review %lld: %s", name, (long long)d->review[i],
                           why.text);
    }
    return 0;
}

static int fill(struct features *f, const struct dataset *d, struct db *db, const struct row *r,
                const struct dense_columns *c, struct err *e)
{
    struct header *h = f->file.data;
    char *copy = xstrdup(r->blocks), *save = NULL;
    int rc = 0, b = 0;
    dense_fill(dense_of(f), h->n_dense, c, d, db, method_named(db, "price", r->tags, NULL));
    if (h->bag)
        dense_bags((int *)f->samples.bags, h->n_categories, d, db,
                   method_named(db, "category", r->tags, NULL));
    for (char *w = strtok_r(copy, " ", &save); w && rc == 0; w = strtok_r(NULL, " ", &save))
        rc = fill_block(f, d, db, b++, w, r, e);
    free(copy);
    if (rc < 0 || samples_check(&f->samples, e) < 0)
        return -1;
    sha256_of(h->digest, h + 1, f->file.bytes - sizeof *h);
    h->quick = quick_of(f);
    memcpy(h->magic, magic, sizeof magic); /* last: now it is whole */
    return 0;
}

static int count_words(const char *s)
{
    int n = 0;
    for (const char *p = s; *(p += strspn(p, " ")); p += strcspn(p, " "))
        n++;
    return n;
}

/* path NULL: a file without a name. */
static int build(struct features *f, const struct dataset *d, struct db *db, const struct row *r,
                 const char *path, struct err *e)
{
    struct dense_columns c;
    struct header h = {.n = d->n, .version = FEATURES_VERSION, .n_blocks = count_words(r->blocks)};
    if (dense_parse(&c, r->dense, e) < 0)
        return -1;
    if (h.n_blocks > FEATURES_BLOCKS)
        return err_set(e, "more than %d blocks", FEATURES_BLOCKS);
    if (r->tags && !method_named(db, "price", r->tags, NULL))
        return err_set(e, "no tags by '%s' in this database", r->tags);
    h.n_dense = c.n + h.n_blocks;
    if (r->sparse)
        h.n_categories = dense_vocabulary(d, db, method_named(db, "category", r->tags, NULL));
    h.bag = h.n_categories ? DENSE_BAG : 0;
    char *dir = features_dir(db);
    int rc = path ? mapped_new(&f->file, path, file_bytes(&h), e)
                  : mapped_temp(&f->file, dir, file_bytes(&h), e);
    free(dir);
    if (rc < 0)
        return -1;
    memcpy(f->file.data, &h, sizeof h);
    lay_out(f, d);
    if (fill(f, d, db, r, &c, e) < 0 || (path && mapped_keep(&f->file, e) < 0))
        return -1;
    lay_out(f, d);
    return 0;
}

static void digest(struct features *f, const struct dataset *d, const struct row *r)
{
    struct sha256 *h = sha256_new();
    const struct header *head = f->file.data;
    sha256_add_field(h, f->kind, strlen(f->kind));
    sha256_add_field(h, r->values, strlen(r->values));
    sha256_add_field(h, &f->interaction_cat, sizeof f->interaction_cat);
    sha256_add_field(h, d->label, (size_t)d->n);
    sha256_add_field(h, d->split, (size_t)d->n);
    sha256_add_field(h, head->digest, sizeof head->digest);
    /* The trivial model of means reads these and nothing else. */
    sha256_add_field(h, &d->mean_rating, sizeof d->mean_rating);
    for (int side = 0; side < 2 && strcmp(f->kind, "means") == 0; side++)
        for (int i = 0; i < d->n; i++) {
            int v = d->view[side][i];
            double sum = v < 0 ? 0 : d->views[side][v].rating_sum;
            sha256_add_field(h, &sum, sizeof sum);
        }
    sha256_end(f->digest, h);
    sha256_free(h);
}

int features_read(struct features *f, const struct dataset *d, struct db *db, const char *model,
                  const char *stopping, struct err *e)
{
    struct row r = {0};
    *f = (struct features){.file.fd = -1};
    snprintf(f->model, sizeof f->model, "%s", model);
    int rc = read_row(&r, f, d, db, stopping, e);
    if (rc == 0) {
        char *path = file_name(&r, d, db);
        rc = open_file(f, path, d) ? 0 : build(f, d, db, &r, path, e);
        free(path);
    }
    int blocks = f->samples.n_blocks;
    if (rc == 0 && blocks == 1 && !f->any_block)
        rc = err_set(e, "not testable on this data: nothing is known for block '%s' in any row",
                     r.blocks);
    if (rc == 0)
        digest(f, d, &r);
    release_row(&r);
    return rc;
}

void features_release(struct features *f)
{
    mapped_release(&f->file);
    *f = (struct features){.file.fd = -1};
}

int features_width(const struct features *f)
{
    const struct samples *s = &f->samples;
    return s->n_dense + (s->bag ? s->n_categories : 0) + s->n_blocks * DIM;
}

void features_row(float *x, const struct features *f, int row)
{
    const struct samples *s = &f->samples;
    int cats = s->bag ? s->n_categories : 0;
    memset(x, 0, (size_t)features_width(f) * sizeof *x);
    memcpy(x, s->dense + (size_t)row * (size_t)s->n_dense, (size_t)s->n_dense * sizeof *x);
    x += s->n_dense;
    for (int k = 0; k < s->bag; k++) {
        int c = s->bags[(size_t)row * DENSE_BAG + (size_t)k];
        if (c < cats)
            x[c] = 1;
    }
    x += cats;
    for (int b = 0; b < s->n_blocks; b++, x += DIM)
        memcpy(x, samples_vector(s, b, row), DIM * sizeof *x);
}

void features_tidy(struct db *db, const struct features *f, int n)
{
    char *dir = features_dir(db);
    DIR *list = opendir(dir);
    struct dirent *one;
    while (list && (one = readdir(list)) != NULL) {
        size_t len = strlen(one->d_name), end = strlen(SUFFIX);
        int used = len <= end || strcmp(one->d_name + len - end, SUFFIX) != 0;
        for (int i = 0; i < n && !used; i++) {
            const char *slash = f[i].file.path ? strrchr(f[i].file.path, '/') : NULL;
            used = slash && strcmp(slash + 1, one->d_name) == 0;
        }
        if (!used)
            unlinkat(dirfd(list), one->d_name, 0);
    }
    if (list)
        closedir(list);
    mapped_sweep(dir, SUFFIX);
    free(dir);
}
