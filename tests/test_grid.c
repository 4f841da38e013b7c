/* SPDX-License-Identifier: MIT */
/* The rows of experiment that settings ask for: the two grids, files of lines, what is refused
 * and what is forgotten. */
#include "db/setting.h"
#include "small_db.h"
#include "train/grid.h"

static void set(struct db *db, const char *name, const char *value)
{
    struct err e;
    if (setting_change(db, name, value, &e) < 0)
        die("%s", e.text);
}

static void rows(struct db *db)
{
    struct err e;
    if (grid_rows(db, &e) < 0)
        die("%s", e.text);
}

static int count(struct db *db, const char *where)
{
    return (int)small_get(db, "SELECT count(*) FROM experiment WHERE %s", where);
}

static struct db *fresh(const char *name, const char *experiment)
{
    struct db *db = small_open(name);
    set(db, "EXPERIMENT", experiment);
    return db;
}

static void test_quick(void)
{
    struct db *db = fresh("quick.db", "quick");
    rows(db);
    ok(count(db, "1") == 4 * 2 * 3 + 3, "quick: 27 rows");
    ok(count(db, "model IN ('proposed', 'baseline', 'proposed-text', 'proposed-image') AND\n"
                 "weighting = 'basic' AND dropout = 0.3 AND seed BETWEEN 1 AND 3 AND\n"
                 "stopping = 'fpr' AND decay = 0 AND lr = 0.01 AND batch = 2048") == 12,
       "four models as the paper trains, 3 seeds");
    ok(count(db, "model IN ('proposed', 'baseline', 'proposed-text', 'proposed-image') AND\n"
                 "weighting = 'basic' AND dropout = 0.3 AND seed BETWEEN 1 AND 3 AND\n"
                 "stopping = 'loss' AND decay = 5 AND lr = 0.01 AND batch = 2048") == 12,
       "and our way");
    ok(count(db, "model IN ('logistic', 'means', 'majority') AND seed = 1 AND weighting = 'none'\n"
                 "AND dropout = 0") == 3, "the three that cost nothing, once");
    ok(count(db, "protocol = 'crossfit' AND asked_by = 'quick'") == 27, "as the settings say");
    ok(small_get(db, "SELECT count(*) FROM model") == 7 &&
       small_get(db, "SELECT count(*) FROM block") == 4, "with their models and blocks");
    rows(db);
    ok(count(db, "1") == 27, "asked again: the same");
    set(db, "SEEDS", "1");
    set(db, "PROTOCOL", "paper");
    rows(db);
    ok(count(db, "protocol = 'paper'") == 4 * 2 * 1 + 3, "SEEDS and PROTOCOL");
    db_close(db);
}

static void test_paper(void)
{
    struct db *db = fresh("paper.db", "paper");
    rows(db);
    ok(count(db, "1") == 4 * 6 * 5 + 3, "paper: 123 rows");
    ok(count(db, "stopping = 'fpr' AND decay = 0 AND lr = 0.01 AND batch = 2048") == 123,
       "all as the paper trains");
    ok(small_get(db, "SELECT count(*) FROM (SELECT 1 FROM experiment WHERE model = 'baseline'\n"
                     "AND weighting IN ('basic', 'sqrt') AND dropout IN (0.1, 0.3, 0.5)\n"
                     "GROUP BY weighting, dropout HAVING count(DISTINCT seed) = 5)") == 6,
       "six cells of five seeds");
    db_exec(db, "UPDATE model SET note = 'mine' WHERE name = 'means'");
    set(db, "SEEDS", "2");
    rows(db);
    ok(small_get(db, "SELECT note = 'mine' FROM model WHERE name = 'means'") == 1,
       "a model that was changed stays");
    db_close(db);
}

/* ---- files ---- */

static char *put_file(const char *text, size_t n)
{
    char *path = small_path("rows.txt");
    FILE *f = fopen(path, "w");
    if (!f || fwrite(text, 1, n, f) != n || fclose(f) != 0)
        die("%s", path);
    return path;
}

static void test_file(void)
{
    static const char text[] =
        "# model weighting dropout seed\n"
        "proposed basic 0.25 7\n"
        "\t proposed \t sqrt  0 9007199254740993  lr=0.001 batch=64 stopping=loss decay=0.5\r\n"
        "\n   \n"
        "mine none 0.9 0 protocol=paper\n"
        "proposed basic 0.25 7\n"
        "means none 0 4 lr=1e-3 lr=0.5"; /* no newline at the end */
    struct db *db = fresh("file.db", "quick");
    char *path = put_file(text, strlen(text));
    db_exec(db, "INSERT INTO model (name, kind, dense, sparse, blocks)\n"
                "VALUES ('mine', 'dlrm', '', 0, '')");
    set(db, "EXPERIMENT", path);
    rows(db);
    ok(count(db, "1") == 4 + 3, "four lines, and the three that come with all");
    ok(count(db, "model = 'proposed' AND weighting = 'basic' AND dropout = 0.25 AND seed = 7 AND\n"
                 "lr = 0.01 AND batch = 2048 AND stopping = 'fpr' AND decay = 0 AND\n"
                 "protocol = 'crossfit'") == 1, "a short line has the usual values");
    ok(count(db, "model = 'proposed' AND weighting = 'sqrt' AND dropout = 0 AND\n"
                 "seed = 9007199254740993 AND lr = 0.001 AND batch = 64 AND stopping = 'loss'\n"
                 "AND decay = 0.5") == 1, "a long one its own");
    ok(count(db, "model = 'mine' AND protocol = 'paper' AND seed = 0") == 1, "a user's model");
    ok(count(db, "model = 'means' AND lr = 0.5") == 1, "the last line, and of two values the last");
    small_sql(db, "UPDATE experiment SET asked_by = 'x' WHERE asked_by <> '%s'", path);
    ok(count(db, "asked_by = 'x'") == 0, "all are asked for by the file");
    db_close(db);
    free(path);
}

static void refused(const char *line, const char *word)
{
    struct err e = {""};
    char *text = xasprintf("# first\nproposed basic 0.1 1\n%s\n", line);
    char *path = put_file(text, strlen(text));
    struct db *db = fresh("bad.db", path);
    int rc = grid_rows(db, &e);
    ok(rc < 0 && strstr(e.text, "rows.txt:3: ") && strstr(e.text, word), "refused: %s", e.text);
    ok(count(db, "1") == 0, "and no row is made");
    db_close(db);
    free(path);
    free(text);
}

static void test_refused(void)
{
    struct err e = {""};
    refused("proposed basic 0.1", "expected 'model weighting");
    refused("proposed basic 0.1 1 a=1 b=2 c=3 d=4 e=5 f=6 g=7 h=8 i=9 j=1 k=2 l=3", "expected");
    refused("propsed basic 0.1 1", "no model 'propsed'");
    refused("proposed bsic 0.1 1", "'bsic'");
    refused("proposed asic 0.1 1", "'asic'");
    refused("proposed basic 1 1", "dropout: 1 ");
    refused("proposed basic -0.1 1", "dropout: -0.1 ");
    refused("proposed basic 0,1 1", "dropout: '0,1'");
    refused("proposed basic nan 1", "dropout: 'nan'");
    refused("proposed basic 0.1 one", "seed: 'one'");
    refused("proposed basic 0.1 -1", "seed: -1 ");
    refused("proposed basic 0.1 1 lr", "name=value");
    refused("proposed basic 0.1 1 lr=0", "lr: 0 ");
    refused("proposed basic 0.1 1 lr=", "lr: ''");
    refused("proposed basic 0.1 1 batch=0", "batch: 0 ");
    refused("proposed basic 0.1 1 batch=2.5", "batch: '2.5'");
    refused("proposed basic 0.1 1 decay=-1", "decay: -1 ");
    refused("proposed basic 0.1 1 stopping=auc", "'auc'");
    refused("proposed basic 0.1 1 stopping=", "''");
    refused("proposed basic 0.1 1 protocol=none", "'none'");
    refused("proposed basic 0.1 1 sed=4", "'sed'");
    struct db *db = fresh("bad.db", "/nowhere/rows.txt");
    ok(grid_rows(db, &e) < 0 && strstr(e.text, "/nowhere/rows.txt"), "no file: %s", e.text);
    char *path = put_file("proposed basic 0.1 1\0proposed", 29);
    set(db, "EXPERIMENT", path);
    ok(grid_rows(db, &e) < 0 && strstr(e.text, "rows.txt"), "a zero byte: %s", e.text);
    ok(count(db, "1") == 0, "and nothing is made of what is before it");
    free(path);
    path = put_file("", 0);
    ok(grid_rows(db, &e) == 0 && count(db, "1") == 3, "an empty file: only what comes with all");
    free(path);
    db_close(db);
}

/* ---- forgetting ---- */

static void test_forget(void)
{
    struct db *db = fresh("forget.db", "paper");
    rows(db);
    db_exec(db, "INSERT INTO experiment (model, seed) VALUES ('proposed', 99);"
                "INSERT INTO run (experiment_id, identity, feature_digest, state, stale, seconds,\n"
                "backend) SELECT id, randomblob(32), x'', 'done', dropout > 0.4, 1, 'x'\n"
                "FROM experiment WHERE model = 'baseline' AND seed = 2");
    set(db, "EXPERIMENT", "quick");
    rows(db);
    ok(count(db, "asked_by = 'user'") == 1, "a user's row stays");
    ok(count(db, "asked_by = 'paper'") == 6, "so do those that have been run, stale or not");
    ok(count(db, "asked_by = 'quick'") == 27 - 1, "the others are those of the new grid");
    ok(small_get(db, "SELECT count(*) FROM run WHERE experiment_id NOT IN\n"
                     "(SELECT id FROM experiment)") == 0, "no run lost its row");
    char *path = put_file("proposed basic 0.3 1 stopping=loss\nbad\n", 39);
    set(db, "EXPERIMENT", path);
    struct err e;
    int n = count(db, "1");
    ok(grid_rows(db, &e) < 0 && count(db, "1") == n, "a bad file forgets nothing: %s", e.text);
    free(path);
    db_close(db);
}

int main(void)
{
    test_quick();
    test_paper();
    test_file();
    test_refused();
    test_forget();
    return small_end();
}
