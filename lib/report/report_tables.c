/* SPDX-License-Identifier: MIT */
#include "base/buf.h"
#include "db/db.h"
#include "report/doc.h"
#include "report/report.h"
#include "report/rows.h"

/* The printed rows come first, in the order of the paper; those not run here too. rules: whose
 * way of training. */
static const char sql_table[] =
    "WITH ours AS (SELECT c.*, p.accuracy AS pa, p.fpr AS pf, p.loss AS pl, CASE\n"
    "    WHEN c.kind <> 'dlrm' THEN '-'\n"
    "    WHEN c.stopping = 'fpr' AND c.decay = 0 AND c.reduction <> 'folds' THEN 'paper'\n"
    "    ELSE 'ours' END AS rules\n"
    "    FROM v_cell c LEFT JOIN v_printed p ON p.split = c.split AND p.model = c.model\n"
    "    AND p.weighting = c.weighting AND p.dropout = c.dropout WHERE c.split = :split),\n"
    "line AS (SELECT model, weighting, dropout, protocol, rules, setting, runs, accuracy,\n"
    "    accuracy_sd, fpr, fpr_sd, loss, auc, auc_sd, fpr_at_tpr90, best_accuracy, best_fpr,\n"
    "    pa, pf, pl FROM ours\n"
    "UNION ALL SELECT model, weighting, dropout, 'not run', NULL, NULL, 0, NULL, NULL, NULL,\n"
    "    NULL, NULL, NULL, NULL, NULL, NULL, NULL, accuracy, fpr, loss FROM v_printed p\n"
    "    WHERE split = :split AND NOT EXISTS (SELECT 1 FROM ours o WHERE o.model = p.model\n"
    "    AND o.weighting = p.weighting AND o.dropout = p.dropout))\n"
    "SELECT * FROM line ORDER BY CASE model WHEN 'proposed' THEN 1 WHEN 'baseline' THEN 2\n"
    "WHEN 'proposed-text' THEN 3 WHEN 'proposed-image' THEN 4 ELSE 5 END, pa IS NULL, model,\n"
    "weighting, dropout, protocol, setting";

static void write_table(struct doc *d, struct db *db, const char *split, const char *title,
                        const char *whose)
{
    struct buf columns = {0};
    doc_heading(d, title);
    buf_adds(&columns, "model|weighting|dropout:|protocol|rules|setting|runs:|accuracy:|sd:|"
                       "FPR:|sd:|loss:|AUC:|sd:|FPR at TPR 0.9:|best run, accuracy:|"
                       "best run, FPR:|");
    buf_addf(&columns, "%s: accuracy %%:|%s: FPR %%:|%s: loss:", whose, whose, whose);
    doc_table(d, buf_str(&columns));
    sqlite3_stmt *q = db_use(db, sql_table);
    db_text(q, ":split", split);
    while (db_step(q)) {
        doc_cell(d, "%s", db_col_text(q, 0));
        doc_cell(d, "%s", db_col_text(q, 1));
        doc_number(d, "%g", rows_number(q, 2));
        for (int c = 3; c < 6; c++)
            doc_cell(d, "%s", db_col_text(q, c));
        doc_number(d, "%.0f", rows_number(q, 6));
        for (int c = 7; c < 17; c++)
            doc_number(d, "%.3f", rows_number(q, c));
        for (int c = 17; c < 20; c++)
            doc_number(d, "%g", rows_number(q, c));
    }
    doc_table_end(d);
    buf_release(&columns);
}

static void write_rules(struct doc *d, struct db *db)
{
    static const char sql_settings[] =
        "SELECT setting, stopping = 'fpr' AND decay = 0 AND reduction <> 'folds', sum(runs)\n"
        "FROM v_cell WHERE split = 'test' AND kind = 'dlrm' GROUP BY 1, 2 ORDER BY 2 DESC, 1";
    doc_para(d, "Rules \"paper\": early stopping on the lowest validation false positive "
             "rate from epoch 300 on, one reducer for all rows, no weight decay. Rules "
             "\"ours\": what the setting names of stopping, decay and reduction; stopping on "
             "the validation loss goes with reducers that have not seen a row's fold, unless the "
             "model says otherwise. "
             "Protocol crossfit, the models that are no DLRM, AUC, intervals and false "
             "positive rates at an equal true positive rate are ours throughout.");
    sqlite3_stmt *q = db_use(db, sql_settings);
    while (db_step(q))
        doc_item(d, "%s: %s, %d runs.", db_col_text(q, 0),
                 sqlite3_column_int(q, 1) ? "the paper's rules" : "ours, not the paper's",
                 sqlite3_column_int(q, 2));
}

void report_tables(struct doc *d, struct db *db)
{
    static const char sql_same[] =
        "SELECT count(*) FROM source WHERE format = 'google-restaurants'";
    int same = db_one_int(db_use(db, sql_same), 0) > 0;
    const char *whose = same ? "the paper" : "the paper, on its own data";
    write_table(d, db, "train", "Table I: train", whose);
    write_table(d, db, "test", "Table II: test", whose);
    doc_para(d, "Means and standard deviations over training seeds, rates as fractions, "
             "threshold 0.5; best run: the one that validation chose. The last three "
             "columns are the 48 rows that the paper prints for its best models, in per "
             "cent%s; the scale of its loss is not explained there: shown, not compared.",
             same ? "" : ", on another data set than this one: no row is a target for its "
                         "neighbour");
    write_rules(d, db);
}

void report_seeds(struct doc *d, struct db *db)
{
    static const char sql_seeds[] =
        "SELECT model, weighting, format('%g', dropout), protocol, format('lr %g, batch %d', lr,\n"
        "batch) || CASE stopping WHEN 'fpr' THEN '' ELSE ', stopping ' || stopping END\n"
        "|| CASE decay WHEN 0 THEN '' ELSE format(', decay %g', decay) END, metric, seeds, mean,\n"
        "sd, lo, hi FROM v_seed_interval WHERE split = 'test' AND seeds > 1\n"
        "AND metric IN ('accuracy', 'auc', 'fpr', 'fpr_at_tpr90') ORDER BY 1, 2, 3, 4, 5, 6";
    doc_heading(d, "Over training seeds");
    if (rows_table(d, db_use(db, sql_seeds), "model|weighting|dropout:|protocol|setting|metric|"
                   "seeds:|mean:|sd:|from:|to:"))
        doc_para(d, "The 95 %% interval of the mean over seeds, by Student's t, on this "
                 "split: how much of a difference training's own chance can make. Rates "
                 "are no normal variables; an interval may leave 0 to 1.");
    else
        doc_para(d, "No cell has two runs: there is no interval over seeds.");
}
