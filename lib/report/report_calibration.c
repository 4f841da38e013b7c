/* SPDX-License-Identifier: MIT */
#include "base/util.h"
#include "db/db.h"
#include "report/doc.h"
#include "report/report.h"
#include "report/rows.h"
#include "train/compare.h"
#include <stdlib.h>

static void write_bins(struct doc *d, struct db *db, const char *protocol, const char *model)
{
    static const char sql_bins[] =
        "SELECT format('%.3f to %.3f', bin / 15.0, (bin + 1) / 15.0), n, p, positive,\n"
        "positive - p FROM reliability WHERE run_id = :run AND split = 'test' ORDER BY bin";
    int64_t run = compare_best_run(db, protocol, model);
    if (!run)
        return;
    doc_para(d, "Protocol %s, best run of %s, test rows by predicted probability:",
             protocol, model);
    sqlite3_stmt *q = db_use(db, sql_bins);
    db_int(q, ":run", run);
    if (!rows_table(d, q, "predicted|rows:|mean prediction:|share of positives:|difference:"))
        doc_para(d, "Not recorded: the run is of an older version.");
}

static void write_scores(struct doc *d, struct db *db, const char *protocol, const char *model)
{
    static const char sql_scores[] =
        "SELECT max(CASE name WHEN 'ece' THEN value END),\n"
        "max(CASE name WHEN 'loss' THEN value END),\n"
        "max(CASE name WHEN 'pr_auc' THEN value END),\n"
        "max(CASE name WHEN 'pr_auc_negative' THEN value END),\n"
        "max(CASE name WHEN 'accuracy_at_threshold' THEN value END),\n"
        "max(CASE name WHEN 'fpr_at_threshold' THEN value END)\n"
        "FROM metric WHERE run_id = :run AND split = 'test'";
    int64_t run = compare_best_run(db, protocol, model);
    sqlite3_stmt *q = db_use(db, sql_scores);
    db_int(q, ":run", run);
    doc_cell(d, "%s", protocol);
    doc_cell(d, "%s", model);
    int have = db_step(q);
    for (int c = 0; have && c < 6; c++)
        doc_number(d, "%.3f", rows_number(q, c));
    sqlite3_reset(q);
}

static void write_protocol(struct doc *d, struct db *db, const char *protocol)
{
    static const char *const model[] = {"proposed", "baseline"};
    for (size_t i = 0; i < ARRAY_LEN(model); i++)
        write_bins(d, db, protocol, model[i]);
}

void report_calibration(struct doc *d, struct db *db)
{
    static const char sql_models[] =
        "SELECT protocol, model FROM v_table2 GROUP BY 1, 2 ORDER BY 1, 2";
    static const char sql_protocols[] = "SELECT DISTINCT protocol FROM v_table2 ORDER BY 1";
    int n = 0;
    doc_heading(d, "Are the probabilities rates?");
    sqlite3_stmt *q = db_use(db, sql_models);
    for (; db_step(q); n++) {
        if (n == 0)
            doc_table(d, "protocol|best run of|ECE:|loss:|PR-AUC:|PR-AUC of negatives:|"
                         "accuracy, chosen threshold:|FPR, chosen threshold:");
        write_scores(d, db, db_col_text(q, 0), db_col_text(q, 1));
    }
    if (n == 0) {
        doc_para(d, "No run is done yet.");
        return;
    }
    doc_table_end(d);
    doc_para(d, "On the test rows. ECE: mean distance of predicted and real share of "
             "positives over 15 bins; class weights bend it on purpose. PR-AUC of "
             "negatives: how well bad visits are found; chance gives their share. The "
             "threshold was chosen on validation for accuracy.");
    for (q = db_use(db, sql_protocols); db_step(q);)
        write_protocol(d, db, db_col_text(q, 0));
}

void report_odd_runs(struct doc *d, struct db *db)
{
    static const char sql_odd[] =
        "SELECT x.protocol, x.model, x.weighting, format('%g', x.dropout), x.seed, x.stopping,\n"
        "CASE r.state WHEN 'failed' THEN 'failed' ELSE 'one class only' END,\n"
        "coalesce(r.reason, CASE m.kind WHEN 'majority' THEN 'by design'\n"
        "ELSE 'every validation row is predicted alike' END)\n"
        "FROM run r JOIN experiment x ON x.id = r.experiment_id JOIN model m ON m.name = x.model\n"
        "WHERE r.stale = 0 AND (r.state = 'failed' OR r.degenerate = 1)\n"
        "ORDER BY 1, 2, 3, 4, 5, 6";
    doc_heading(d, "Runs that failed or say one thing only");
    if (!rows_table(d, db_use(db, sql_odd),
                    "protocol|model|weighting|dropout:|seed:|stopping|what|because"))
        doc_para(d, "None.");
}
