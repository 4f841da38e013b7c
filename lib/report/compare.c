/* SPDX-License-Identifier: MIT */
#include "report/compare.h"
#include "base/util.h"
#include "db/db.h"
#include <stdlib.h>

#define RESAMPLES 1000
#define SEED 1

int64_t compare_best_run(struct db *db, const char *model)
{
    static const char sql_best[] =
        "SELECT r.id FROM run r JOIN experiment x ON x.id = r.experiment_id\n"
        "LEFT JOIN metric f ON f.run_id = r.id AND f.split = 'val' AND f.name = 'fpr'\n"
        "LEFT JOIN metric l ON l.run_id = r.id AND l.split = 'val' AND l.name = 'loss'\n"
        "WHERE x.model = :model AND r.stale = 0 AND r.state = 'done'\n"
        "ORDER BY f.value IS NULL, f.value, l.value, x.seed LIMIT 1";
    sqlite3_stmt *q = db_use(db, sql_best);
    db_text(q, ":model", model);
    return db_one_int(q, 0);
}

int compare_models(struct bootstrap *out, struct db *db, const char *a, const char *b, int kind,
                   struct err *e)
{
    static const char sql_rows[] =
        "SELECT r.positive, r.user_id, x.p, y.p FROM prediction x\n"
        "JOIN prediction y ON y.review_id = x.review_id AND y.run_id = :b\n"
        "JOIN review r ON r.id = x.review_id WHERE x.run_id = :a AND r.split = 'test'\n"
        "ORDER BY x.review_id";
    int64_t run_a = compare_best_run(db, a), run_b = compare_best_run(db, b);
    if (!run_a || !run_b)
        return err_set(e, "no finished run of '%s'", run_a ? b : a);
    unsigned char *label = NULL;
    float *pa = NULL, *pb = NULL;
    int64_t *user = NULL;
    int n = 0, cap = 0;
    sqlite3_stmt *q = db_use(db, sql_rows);
    db_int(q, ":a", run_a);
    db_int(q, ":b", run_b);
    while (db_step(q)) {
        if (n == cap) {
            cap = cap * 2 + 1024;
            label = xrealloc(label, (size_t)cap, 1);
            pa = xrealloc(pa, (size_t)cap, sizeof *pa);
            pb = xrealloc(pb, (size_t)cap, sizeof *pb);
            user = xrealloc(user, (size_t)cap, sizeof *user);
        }
        label[n] = (unsigned char)sqlite3_column_int(q, 0);
        user[n] = sqlite3_column_int64(q, 1);
        pa[n] = (float)sqlite3_column_double(q, 2);
        pb[n] = (float)sqlite3_column_double(q, 3);
        n++;
    }
    int rc = bootstrap_compare(out, kind, label, pa, pb, user, n, RESAMPLES, SEED, e);
    free(label);
    free(pa);
    free(pb);
    free(user);
    return rc;
}
