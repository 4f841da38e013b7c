/* SPDX-License-Identifier: MIT */
#include "db/db.h"
#include "report/doc.h"
#include "report/report.h"
#include "report/rows.h"

static int64_t count(struct db *db, const char *sql)
{
    return db_one_int(db_use(db, sql), 0);
}

static void write_best(struct doc *d, struct db *db)
{
    static const char sql_best[] =
        "SELECT protocol, model, max(auc), weighting, dropout, setting, runs FROM v_table2\n"
        "GROUP BY protocol HAVING max(auc) IS NOT NULL ORDER BY protocol";
    int n = 0;
    sqlite3_stmt *q = db_use(db, sql_best);
    for (; db_step(q); n++)
        doc_para(d, "Protocol %s: of all models and settings, %s (%s, dropout %g, %s) "
                 "ranks the test reviews best: AUC %.3f, mean over %d run%s. The best of "
                 "many is flattered by the choice; intervals are below.",
                 db_col_text(q, 0), db_col_text(q, 1), db_col_text(q, 3),
                 sqlite3_column_double(q, 4), db_col_text(q, 5), sqlite3_column_double(q, 2),
                 sqlite3_column_int(q, 6), sqlite3_column_int(q, 6) == 1 ? "" : "s");
    if (n == 0)
        doc_para(d, "No run is done yet: there are no results.");
}

/* Does the deep model earn its keep? The runs with the best validation AUC. */
static void write_trivial(struct doc *d, struct db *db)
{
    static const char sql_trivial[] =
        "SELECT protocol, b, value_a, value_b, diff, lo, hi, a, setting_a FROM comparison\n"
        "WHERE question = 'ranking' AND metric = 'auc' AND a IN ('proposed', 'baseline')\n"
        "AND (b IN ('means', 'logistic') OR (a <> b AND b = 'baseline'))\n"
        "ORDER BY protocol, a DESC, b";
    sqlite3_stmt *q = db_use(db, sql_trivial);
    while (db_step(q)) {
        double lo = rows_number(q, 5), hi = rows_number(q, 6);
        doc_item(d, "Protocol %s: %s (%s) against %s, AUC %.3f against %.3f, difference %+.3f "
                 "(95 %% interval %+.3f to %+.3f): %s.", db_col_text(q, 0), db_col_text(q, 7),
                 db_col_text(q, 8), db_col_text(q, 1),
                 rows_number(q, 2), rows_number(q, 3), rows_number(q, 4), lo, hi,
                 lo > 0 ? "better" : hi < 0 ? "worse" : "no difference could be shown");
    }
}

static void write_leaks(struct doc *d, struct db *db)
{
    static const char sql_leaks[] = "SELECT count(*) FROM v_leak";
    static const char sql_copies[] =
        "SELECT count(*) FROM review t WHERE t.split = 'test' AND t.labelled = 1 AND EXISTS\n"
        "(SELECT 1 FROM review r WHERE r.content_id = t.content_id AND r.user_id = t.user_id\n"
        "AND r.split = 'train')";
    static const char sql_paper[] =
        "SELECT count(*) FROM run r JOIN experiment x ON x.id = r.experiment_id\n"
        "WHERE r.stale = 0 AND x.protocol = 'paper'";
    int64_t leaks = count(db, sql_leaks), copies = count(db, sql_copies);
    doc_para(d, leaks
             ? "LEAK: view v_leak holds %lld rows; features have read what they must not, "
               "and the numbers here cannot be trusted."
             : "View v_leak is empty (%lld rows): no feature has read a label it predicts.",
             (long long)leaks);
    if (count(db, sql_paper) > 0)
        doc_para(d, "That is said of protocol crossfit. Protocol paper, which has also "
                 "been run, lets a row's own review be read, as the paper may have done.");
    if (copies > 0)
        doc_para(d, "%lld test reviews have the very text that their user also wrote "
                 "about another business in the train split (copies of one review, or a "
                 "habit): they make every model look better than it is. SPLIT=user keeps "
                 "them together.",
                 (long long)copies);
}

static void write_odd(struct doc *d, struct db *db)
{
    static const char sql_done[] =
        "SELECT count(*) FROM run WHERE stale = 0";
    static const char sql_degenerate[] =
        "SELECT count(*) FROM run r JOIN experiment x ON x.id = r.experiment_id\n"
        "JOIN model m ON m.name = x.model\n"
        "WHERE r.stale = 0 AND r.state = 'done' AND r.degenerate = 1 AND m.kind <> 'majority'";
    static const char sql_failed[] =
        "SELECT x.model, r.reason, count(*) FROM run r JOIN experiment x\n"
        "ON x.id = r.experiment_id WHERE r.state = 'failed' AND r.stale = 0\n"
        "GROUP BY x.model, r.reason ORDER BY 1, 2";
    int64_t degenerate = count(db, sql_degenerate);
    if (degenerate > 0)
        doc_para(d, "%lld of %lld runs predict one class only (degenerate); they count "
                 "in the means and are named below.",
                 (long long)degenerate, (long long)count(db, sql_done));
    sqlite3_stmt *q = db_use(db, sql_failed);
    while (db_step(q))
        doc_para(d, "%s, failed runs: %d. %s.", db_col_text(q, 0), sqlite3_column_int(q, 2),
                 db_col_text(q, 1));
}

void report_found(struct doc *d, struct db *db)
{
    doc_heading(d, "What was found");
    write_best(d, db);
    report_verdicts(d, db);
    write_trivial(d, db);
    write_leaks(d, db);
    write_odd(d, db);
}
