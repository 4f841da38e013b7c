/* SPDX-License-Identifier: MIT */
#include "train/grid.h"
#include "base/buf.h"
#include "base/util.h"
#include "db/db.h"
#include "db/setting.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the paper leaves open is in the notes. Its baseline has three dense features, no price
 * and no categories. */
#define DENSE "user_mean user_count business_mean business_count user_cold business_cold"
static const struct {
    const char *name, *kind, *dense;
    int sparse;
    const char *blocks, *note;
} model_rows[] = {
    {"proposed", "dlrm", DENSE " price price_known photo_count", 1, "text image",
     "summaries and captions in one text space"},
    {"baseline", "dlrm", "user_mean business_mean business_count", 0, "average",
     "averaged review vectors and photo vectors"},
    {"proposed-text", "dlrm", DENSE " price price_known", 1, "text", "without photos"},
    {"proposed-image", "dlrm", "", 0, "image", "photos only"},
    {"logistic", "logistic", DENSE " price price_known photo_count", 1, "text image",
     "logistic regression on the inputs of proposed"},
    {"means", "means", "", 0, "", "damped user mean + damped business mean"},
    {"majority", "majority", "", 0, "", "always the more frequent label"}};

static void put_models(struct db *db)
{
    static const char sql_put[] =
        "INSERT OR IGNORE INTO model (name, kind, dense, sparse, blocks, interaction, note)\n"
        "VALUES (:name, :kind, :dense, :sparse, :blocks, 'cat', :note)";
    for (size_t i = 0; i < ARRAY_LEN(model_rows); i++) {
        sqlite3_stmt *q = db_use(db, sql_put);
        db_text(q, ":name", model_rows[i].name);
        db_text(q, ":kind", model_rows[i].kind);
        db_text(q, ":dense", model_rows[i].dense);
        db_int(q, ":sparse", model_rows[i].sparse);
        db_text(q, ":blocks", model_rows[i].blocks);
        db_text(q, ":note", model_rows[i].note);
        db_run(q);
    }
}

static void put_row(struct db *db, const char *model, const char *weighting, double dropout,
                    int64_t seed, const char *asked_by)
{
    static const char sql_put[] =
        "INSERT OR IGNORE INTO experiment (model, weighting, dropout, seed, asked_by)\n"
        "VALUES (:model, :weighting, :dropout, :seed, :by)";
    sqlite3_stmt *q = db_use(db, sql_put);
    db_text(q, ":model", model);
    db_text(q, ":weighting", weighting);
    db_real(q, ":dropout", dropout);
    db_int(q, ":seed", seed);
    db_text(q, ":by", asked_by);
    db_run(q);
}

static int has_model(struct db *db, const char *name)
{
    static const char sql_has[] = "SELECT EXISTS (SELECT 1 FROM model WHERE name = :name)";
    sqlite3_stmt *q = db_use(db, sql_has);
    db_text(q, ":name", name);
    return (int)db_one_int(q, 0);
}

static int file_line(struct db *db, const char *path, int number, const char *line, struct err *e)
{
    char model[64], weighting[16], extra[2];
    double dropout;
    long long seed;
    int n = sscanf(line, "%63s %15s %lf %lld %1s", model, weighting, &dropout, &seed, extra);
    if (n != 4)
        return err_set(e, "%s:%d: expected 'model weighting dropout seed'", path, number);
    if (!has_model(db, model))
        return err_set(e, "%s:%d: no model '%s' in table model", path, number, model);
    if (strcmp(weighting, "basic") && strcmp(weighting, "sqrt") && strcmp(weighting, "none"))
        return err_set(e, "%s:%d: weighting '%s' is not basic, sqrt or none", path, number,
                       weighting);
    if (!(dropout >= 0 && dropout < 1))
        return err_set(e, "%s:%d: dropout %g is outside 0..1", path, number, dropout);
    put_row(db, model, weighting, dropout, seed, path);
    return 0;
}

static int from_file(struct db *db, const char *path, struct err *e)
{
    struct buf b = {0};
    if (buf_read_file(&b, path, 16 << 20, e) < 0)
        return -1;
    int rc = 0, number = 1;
    for (char *p = b.data; *p && rc == 0; number++) {
        size_t n = strcspn(p, "\n");
        char *next = p + n + (p[n] == '\n');
        p[n] = 0;
        if (*p && *p != '#' && p[strspn(p, " \t\r")])
            rc = file_line(db, path, number, p, e);
        p = next;
    }
    buf_release(&b);
    return rc;
}

static void from_grid(struct db *db, int paper, int seeds, const char *asked_by)
{
    static const char *const weighting[] = {"basic", "sqrt"};
    static const double dropout[] = {0.1, 0.3, 0.5};
    for (size_t m = 0; m < ARRAY_LEN(model_rows); m++)
        for (int w = 0; w < (paper ? 2 : 1); w++)
            for (int k = 0; k < 3; k++)
                for (int seed = 1; seed <= seeds; seed++)
                    if (strcmp(model_rows[m].kind, "dlrm") == 0 && (paper || k == 1))
                        put_row(db, model_rows[m].name, weighting[w], dropout[k], seed, asked_by);
}

int grid_rows(struct db *db, struct err *e)
{
    char *name = setting_value(db, "EXPERIMENT"), *given = db_setting(db, "SEEDS");
    int paper = strcmp(name, "paper") == 0, rc = 0;
    db_begin(db);
    put_models(db);
    if (paper || strcmp(name, "quick") == 0)
        from_grid(db, paper, given ? setting_int(db, "SEEDS") : paper ? 5 : 3, name);
    else
        rc = from_file(db, name, e);
    for (size_t m = 0; m < ARRAY_LEN(model_rows) && rc == 0; m++)
        if (strcmp(model_rows[m].kind, "dlrm") != 0)
            put_row(db, model_rows[m].name, "none", 0, 1, name);
    if (rc == 0)
        db_commit(db);
    else
        db_rollback(db);
    free(name);
    free(given);
    return rc;
}
