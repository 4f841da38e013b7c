/* SPDX-License-Identifier: MIT */
/* What a model row asks for, and the file that keeps it: built, used, built again when a table
 * changes or the file is damaged, and removed when nothing reads it. */
#include "db/vec.h"
#include "small_db.h"
#include "train/features.h"
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

static struct db *db;
static struct dataset *d;

static void read_set(void)
{
    struct err e;
    dataset_free(d);
    if (!(d = dataset_new(db, DATASET_CROSSFIT, &e)))
        die("%s", e.text);
}

/* As a stage does when it ends: the tokens count again. */
static void settle(void)
{
    db_exec(db, "UPDATE generation SET clean = 1");
}

static int files(const char *end)
{
    char *dir = features_dir(db);
    DIR *list = opendir(dir);
    int n = 0;
    for (struct dirent *f; (f = readdir(list)) != NULL;) {
        size_t len = strlen(f->d_name);
        n += f->d_name[0] != '.' && len >= strlen(end) &&
             strcmp(f->d_name + len - strlen(end), end) == 0;
    }
    closedir(list);
    free(dir);
    return n;
}

static void get(struct features *f, const char *model, const char *stopping)
{
    struct err e;
    if (features_read(f, d, db, model, stopping, &e) < 0)
        die("%s: %s", model, e.text);
}

static void vector_of(float v[BLOCK_DIM], int64_t reducer, int64_t review)
{
    struct rng g;
    rng_seed(&g, (uint64_t)reducer, (uint64_t)review);
    for (int k = 0; k < BLOCK_DIM; k++)
        v[k] = review % 7 == 0 ? 0 : rng_normal(&g);
}

static void put_reduced(int64_t reducer, const char *name, const char *mode)
{
    static const char sql_put[] =
        "INSERT INTO reduced (reducer_id, review_id, known, vec) VALUES (:r, :i, :known, :vec)";
    small_sql(db, "INSERT INTO reducer (id, name, feature_digest, mode, inputs, n_in, n_out,\n"
                  "weights, epochs, current) VALUES (%lld, '%s', x'', '%s', '', 1, 32, x'', 1, 1)",
              (long long)reducer, name, mode);
    db_begin(db);
    for (int i = 0; i < d->n; i++) {
        float v[BLOCK_DIM];
        sqlite3_stmt *q = db_use(db, sql_put);
        vector_of(v, reducer, d->review[i]);
        db_int(q, ":r", reducer);
        db_int(q, ":i", d->review[i]);
        db_int(q, ":known", d->review[i] % 7 != 0 && reducer < 4);
        vec_bind(q, ":vec", v, BLOCK_DIM);
        db_run(q);
    }
    db_commit(db);
}

enum { TEXT_SINGLE = 1, TEXT_FOLDS, IMAGE_SINGLE, NOTHING };

static void make(void)
{
    struct small_spec s = {.users = 30, .businesses = 9, .rows = 250, .folds = 3, .seed = 2};
    db = small_open("a.db");
    small_fill(db, &s);
    read_set();
    put_reduced(TEXT_SINGLE, "text", "single");
    put_reduced(TEXT_FOLDS, "text", "folds");
    put_reduced(IMAGE_SINGLE, "image", "single");
    put_reduced(NOTHING, "nothing", "single");
    db_exec(db, "INSERT INTO method (id, task, name, version, params, current) VALUES\n"
                "(7, 'category', 'lexicon', 1, '', 1), (8, 'price', 'lexicon', 1, '', 1);"
                "INSERT INTO category (visible_id, method_id, set_digest, position, name)\n"
                "SELECT id, 7, x'', 0, CASE id % 3 WHEN 0 THEN 'Thai' ELSE 'Bar' END FROM visible\n"
                "WHERE kind = 'business' AND id % 5 > 0");
    db_exec(db, "INSERT INTO model (name, kind, dense, sparse, blocks, reduction, tags) VALUES\n"
                "('full', 'dlrm', 'user_mean business_count', 1, 'text image', 'single', NULL),\n"
                "('auto', 'dlrm', 'user_mean', 0, 'text', 'auto', NULL),\n"
                "('line', 'logistic', 'user_mean business_count', 1, 'text image', 'single',\n"
                "NULL), ('means', 'means', '', 0, '', 'auto', NULL),\n"
                "('blind', 'dlrm', '', 0, 'nothing', 'single', NULL),\n"
                "('half', 'dlrm', '', 0, 'nothing text', 'single', NULL),\n"
                "('typo', 'dlrm', 'user_maen', 0, '', 'auto', NULL),\n"
                "('wild', 'dlrm', '', 0, 'unheard', 'auto', NULL),\n"
                "('tags', 'dlrm', 'price', 0, '', 'auto', 'gpt'),\n"
                "('many', 'dlrm', '', 0, 'a b c d e f g h i', 'auto', NULL)");
}

/* ---- values ---- */

static int same_as_tables(const struct features *f, const char *columns, const int *reducer)
{
    struct dense_columns c;
    struct err e;
    const struct samples *s = &f->samples;
    if (dense_parse(&c, columns, &e) < 0)
        die("%s", e.text);
    float *x = xcalloc((size_t)d->n * (size_t)(c.n + 1), sizeof *x), v[BLOCK_DIM];
    dense_fill(x, c.n, &c, d, db, 0);
    int same = s->n == d->n && s->n_dense == c.n + s->n_blocks && s->label == d->label;
    for (int i = 0; i < d->n && same; i++) {
        const float *row = s->dense + i * s->n_dense;
        same &= memcmp(row, x + i * c.n, (size_t)c.n * sizeof *x) == 0;
        for (int b = 0; b < s->n_blocks; b++) {
            vector_of(v, reducer[b], d->review[i]);
            same &= memcmp(samples_vector(s, b, i), v, sizeof v) == 0 &&
                    row[c.n + b] == (d->review[i] % 7 != 0);
        }
    }
    free(x);
    return same;
}

static void test_values(void)
{
    static const int single[] = {TEXT_SINGLE, IMAGE_SINGLE}, folds[] = {TEXT_FOLDS};
    struct features f, g;
    get(&f, "full", "fpr");
    ok(same_as_tables(&f, "user_mean business_count", single), "values are those of the tables");
    ok(f.samples.n_categories == 2 && f.samples.bag == DENSE_BAG && f.any_block &&
       f.interaction_cat == 0 && strcmp(f.kind, "dlrm") == 0, "categories, kind, interaction");
    int width = features_width(&f), right = width == 4 + 2 + 2 * BLOCK_DIM, bags = 0;
    float x[6 + 2 * BLOCK_DIM];
    for (int i = 0; i < d->n && right; i++) {
        const int *bag = f.samples.bags + i * DENSE_BAG;
        features_row(x, &f, i);
        right &= memcmp(x, f.samples.dense + i * 4, 4 * sizeof *x) == 0 &&
                 x[4] == (bag[0] == 0) && x[5] == (bag[0] == 1) &&
                 memcmp(x + 6, samples_vector(&f.samples, 0, i), BLOCK_DIM * sizeof *x) == 0 &&
                 memcmp(x + 6 + BLOCK_DIM, samples_vector(&f.samples, 1, i),
                        BLOCK_DIM * sizeof *x) == 0;
        bags |= 1 << bag[0];
    }
    ok(right && bags == 7, "side by side: dense, categories as 0 and 1, blocks");
    get(&g, "auto", "fpr");
    ok(same_as_tables(&g, "user_mean", single), "auto, stopped as the paper: one reducer for all");
    unsigned char was[32];
    memcpy(was, g.digest, 32);
    features_release(&g);
    get(&g, "auto", "loss");
    ok(same_as_tables(&g, "user_mean", folds) && memcmp(was, g.digest, 32) != 0,
       "stopped on the loss: those of folds, another digest");
    features_release(&g);
    features_release(&f);
}

/* ---- the file ---- */

static void write_at(const char *path, const void *p, size_t n, off_t at)
{
    int fd = open(path, O_WRONLY);
    if (fd < 0 || pwrite(fd, p, n, at) != (ssize_t)n || close(fd) != 0)
        die("%s", path);
}

static void test_cache(void)
{
    static const int single[] = {TEXT_SINGLE, IMAGE_SINGLE};
    unsigned char digest[32];
    struct features f, g;
    get(&f, "full", "fpr");
    ok(!f.file.path && files(".feat") == 0, "while tables change nothing is kept");
    memcpy(digest, f.digest, 32);
    features_release(&f);
    settle();
    get(&f, "full", "fpr");
    ok(files("") == 1 && memcmp(digest, f.digest, 32) == 0, "kept, with the same digest");
    get(&g, "line", "fpr");
    ok(files("") == 1 && memcmp(digest, g.digest, 32) != 0,
       "another kind on the same values: the same file, another digest");
    features_release(&g);

    /* A value changed inside is noticed, and the file built again. */
    char *path = xstrdup(f.file.path);
    float seven = 7;
    off_t at = (const char *)f.samples.dense - (const char *)f.file.data;
    features_release(&f);
    write_at(path, &seven, sizeof seven, at);
    get(&f, "full", "fpr");
    ok(f.samples.dense[0] != 7 && memcmp(digest, f.digest, 32) == 0, "a changed value is not read");
    features_release(&f);

    db_exec(db, "UPDATE visible SET n_text = n_text + 1 WHERE id = 1;"
                "UPDATE visible SET n_text = n_text - 1 WHERE id = 1");
    get(&f, "full", "fpr");
    ok(!f.file.path && same_as_tables(&f, "user_mean business_count", single),
       "a table changes: not read");
    features_release(&f);
    settle();
    get(&f, "full", "fpr");
    ok(files("") == 2 && f.file.path && strcmp(path, f.file.path) != 0 &&
       same_as_tables(&f, "user_mean business_count", single) &&
       memcmp(digest, f.digest, 32) == 0, "and another file is built, of the same digest");
    free(path);
    features_release(&f);
}

/* Writes n bytes over the header, and 7 over the first value: a file that was built again has
 * another there. */
static void damage(const char *what, off_t at, const void *p, size_t n, off_t longer)
{
    struct features f;
    get(&f, "full", "fpr");
    unsigned char digest[32];
    struct stat st;
    float seven = 7;
    char *path = xstrdup(f.file.path);
    off_t dense = (const char *)f.samples.dense - (const char *)f.file.data;
    memcpy(digest, f.digest, 32);
    features_release(&f);
    write_at(path, &seven, sizeof seven, dense);
    write_at(path, p, n, at);
    if (longer && (stat(path, &st) != 0 || truncate(path, st.st_size + longer) != 0))
        die("%s", path);
    get(&f, "full", "fpr");
    ok(memcmp(digest, f.digest, 32) == 0 && f.samples.dense[0] != 7, "built again: %s", what);
    features_release(&f);
    free(path);
}

static void test_damage(void)
{
    /* Offsets of struct header in features.c: n 8, n_dense 16, bag 20, n_categories 24,
     * n_blocks 28, any_block 32, version 36. */
    int minus = -1, most = INT32_MAX, two[2] = {INT32_MAX, INT32_MAX}, many = 9;
    int64_t n = d->n + 1;
    damage("no magic", 0, "\0", 1, 0);
    damage("other rows", 8, &n, sizeof n, 0);
    damage("no number of columns", 16, &minus, sizeof minus, 0);
    damage("too many columns", 16, &most, sizeof most, 0);
    damage("a sum that overflows", 16, two, sizeof two, 0);
    damage("a bag below zero", 20, &minus, sizeof minus, 0);
    damage("too many blocks", 28, &many, sizeof many, 0);
    damage("blocks below zero", 28, &minus, sizeof minus, 0);
    damage("another version", 36, &many, sizeof many, 0);
    damage("cut", 8, &(int64_t){d->n}, sizeof n, -1);
    damage("cut to a page", 8, &(int64_t){d->n}, sizeof n, -4096);
    damage("longer", 8, &(int64_t){d->n}, sizeof n, 1);
}

static void test_rows(void)
{
    static const int single[] = {TEXT_SINGLE, IMAGE_SINGLE};
    db_set_setting(db, "IMBALANCE", "0.2");
    int n = 0;
    for (int seed = 1; seed < 4; seed++) {
        char text[2] = {(char)('0' + seed), 0};
        db_set_setting(db, "SPLIT_SEED", text);
        read_set();
        struct features f;
        get(&f, "full", "fpr");
        n += same_as_tables(&f, "user_mean business_count", single);
        features_release(&f);
    }
    ok(n == 3, "other rows of the same tables have files of their own");
    db_exec(db, "DELETE FROM setting WHERE name IN ('IMBALANCE', 'SPLIT_SEED')");
    read_set();
}

static void test_tidy(void)
{
    struct features f[2];
    char *dir = features_dir(db), *other = xasprintf("%s/notes.txt", dir);
    char *dead = xasprintf("%s/0123.feat.%d.part", dir, INT32_MAX);
    char *alive = xasprintf("%s/0123.feat.%ld.part", dir, (long)getpid());
    char *const made[] = {other, dead, alive};
    get(&f[0], "full", "fpr");
    get(&f[1], "auto", "fpr");
    for (int k = 0; k < 3; k++) {
        FILE *one = fopen(made[k], "w");
        if (!one || fclose(one) != 0)
            die("%s", made[k]);
    }
    ok(files(".feat") > 2, "%d files, 2 in use", files(".feat"));
    features_tidy(db, f, 2);
    ok(files(".feat") == 2 && access(f[0].file.path, F_OK) == 0 &&
       access(f[1].file.path, F_OK) == 0, "what nothing reads is gone");
    ok(access(other, F_OK) == 0 && access(alive, F_OK) == 0,
       "what is not its own, or being built, stays");
    ok(access(dead, F_OK) != 0, "what a process that is no more has begun is gone");
    features_tidy(db, f + 1, 1);
    ok(files(".feat") == 1 && f[0].samples.dense[0] == f[0].samples.dense[0],
       "a reader keeps what it has open");
    for (int k = 0; k < 3; k++) {
        unlink(made[k]);
        free(made[k]);
    }
    free(dir);
    features_release(&f[0]);
    features_release(&f[1]);
}

static void test_digest(void)
{
    struct features f, m;
    get(&f, "auto", "fpr");
    get(&m, "means", "fpr");
    unsigned char was[2][32];
    memcpy(was[0], f.digest, 32);
    memcpy(was[1], m.digest, 32);
    features_release(&f);
    features_release(&m);
    d->views[DATASET_USER][0].rating_sum += 1;
    get(&m, "means", "fpr");
    ok(memcmp(was[1], m.digest, 32) != 0, "means: the digest covers the sums of ratings");
    features_release(&m);
    d->views[DATASET_USER][0].rating_sum -= 1;
    d->label[0] ^= 1;
    get(&f, "auto", "fpr");
    ok(memcmp(was[0], f.digest, 32) != 0, "and the labels");
    features_release(&f);
    d->label[0] ^= 1;
    get(&f, "auto", "fpr");
    ok(memcmp(was[0], f.digest, 32) == 0, "back again");
    features_release(&f);
}

static void refused(const char *model, const char *word)
{
    struct features f;
    struct err e = {""};
    int n = files("");
    ok(features_read(&f, d, db, model, "fpr", &e) < 0 && strstr(e.text, word), "refused: %s",
       e.text);
    features_release(&f);
    ok(files(".part") == 0 && files("") <= n + 1, "and nothing half-done is left");
}

static void test_refused(void)
{
    refused("unknown", "no model 'unknown'");
    refused("typo", "'user_maen'");
    refused("wild", "run mm-reduce");
    refused("tags", "no tags by 'gpt'");
    refused("many", "more than 8 blocks");
    refused("blind", "not testable");
    struct features f;
    get(&f, "half", "fpr");
    ok(f.samples.n_blocks == 2, "a block without anything beside one with something is no failure");
    features_release(&f);
    db_exec(db, "UPDATE reduced SET vec = zeroblob(8) WHERE id = 5");
    refused("auto", "block 'text'");
}

int main(void)
{
    make();
    test_values();
    test_cache();
    test_damage();
    test_rows();
    test_tidy();
    test_digest();
    test_refused();
    dataset_free(d);
    db_close(db);
    return small_end();
}
