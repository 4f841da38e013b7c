/* SPDX-License-Identifier: MIT */
#include "db/db.h"
#include "db/setting.h"
#include "report/doc.h"
#include "report/report.h"
#include "report/rows.h"
#include <stdlib.h>

/* Cells that both protocols have, averaged over a model's settings: train and test. */
#define SQL_BOTH \
    "WITH both AS (SELECT p.model, p.split, p.auc AS auc_p, c.auc AS auc_c, p.fpr AS fpr_p,\n" \
    "    c.fpr AS fpr_c FROM v_cell p JOIN v_cell c ON c.split = p.split\n" \
    "    AND c.model = p.model AND c.weighting = p.weighting AND c.dropout = p.dropout\n" \
    "    AND c.setting = p.setting WHERE p.protocol = 'paper' AND c.protocol = 'crossfit'),\n" \
    "wide AS (SELECT model, count(*) / 2 AS cells,\n" \
    "    avg(CASE split WHEN 'train' THEN auc_p END) AS tr_p,\n" \
    "    avg(CASE split WHEN 'test' THEN auc_p END) AS te_p,\n" \
    "    avg(CASE split WHEN 'train' THEN auc_c END) AS tr_c,\n" \
    "    avg(CASE split WHEN 'test' THEN auc_c END) AS te_c,\n" \
    "    avg(CASE split WHEN 'train' THEN fpr_p END) AS ftr_p,\n" \
    "    avg(CASE split WHEN 'test' THEN fpr_p END) AS fte_p,\n" \
    "    avg(CASE split WHEN 'train' THEN fpr_c END) AS ftr_c,\n" \
    "    avg(CASE split WHEN 'test' THEN fpr_c END) AS fte_c FROM both\n" \
    "    WHERE split <> 'val' GROUP BY model)\n"

static void write_sentences(struct doc *d, struct db *db)
{
    static const char sql_gap[] =
        SQL_BOTH "SELECT model, tr_p - te_p, tr_c - te_c, te_p, te_c, fte_p, fte_c FROM wide\n"
        "WHERE model IN (SELECT name FROM model WHERE kind = 'dlrm')\n"
        "AND tr_p - te_p + tr_c - te_c IS NOT NULL ORDER BY model";
    sqlite3_stmt *q = db_use(db, sql_gap);
    while (db_step(q)) {
        double gap_p = rows_number(q, 1), gap_c = rows_number(q, 2), leak = gap_p - gap_c;
        doc_item(d, "%s: AUC falls by %.3f from train to test under protocol paper and "
                 "by %.3f under crossfit. %s On test rows AUC is %.3f under paper and "
                 "%.3f under crossfit, FPR %.3f and %.3f.", db_col_text(q, 0), gap_p, gap_c,
                 leak > 0 ? "The difference is leakage: train rows had seen their own label."
                          : "No part of the fall can be laid to leakage.",
                 rows_number(q, 3), rows_number(q, 4), rows_number(q, 5), rows_number(q, 6));
        if (leak > 0 && gap_p > 0)
            doc_item(d, "%s: so %.3f of the fall of %.3f, %.0f %%, was leakage.",
                     db_col_text(q, 0), leak, gap_p, 100 * (leak < gap_p ? leak / gap_p : 1));
    }
}

static void write_both(struct doc *d, struct db *db)
{
    static const char sql_both[] =
        SQL_BOTH "SELECT model, cells, tr_p, te_p, tr_c, te_c, ftr_p, fte_p, ftr_c, fte_c\n"
        "FROM wide ORDER BY model";
    static const char sql_have[] =
        "SELECT group_concat(protocol, ' and ') FROM (SELECT DISTINCT protocol FROM v_cell\n"
        "ORDER BY 1)";
    if (rows_table(d, db_use(db, sql_both), "model|cells:|AUC train, paper:|AUC test, paper:|"
                   "AUC train, crossfit:|AUC test, crossfit:|FPR train, paper:|FPR test, paper:|"
                   "FPR train, crossfit:|FPR test, crossfit:")) {
        doc_para(d, "Means over the settings that both protocols were run with. Under "
                 "protocol paper a train row's features may have read its own review; "
                 "under crossfit they have not. What is lost from train to test under "
                 "paper, beyond what is lost under crossfit, had not been learnt but "
                 "told.");
        write_sentences(d, db);
        return;
    }
    sqlite3_stmt *q = db_use(db, sql_have);
    doc_para(d, "Run so far: %s. How much leakage is worth can be said when the same "
             "settings have been run under both (PROTOCOL=paper, PROTOCOL=crossfit): not "
             "measured.",
             db_step(q) && *db_col_text(q, 0) ? db_col_text(q, 0) : "none");
    sqlite3_reset(q);
}

static void write_probe(struct doc *d, struct db *db)
{
    static const char sql_probe[] =
        "SELECT protocol, folds, permutations, auc, sd FROM probe ORDER BY protocol";
    doc_para(d, "What remains: one who knows the business guesses permuted ratings of "
             "the train rows from the mean rating that each row is shown. An AUC of 0.5 "
             "is no leak; more folds leak more.");
    if (!rows_table(d, db_use(db, sql_probe),
                    "protocol|folds:|permutations:|AUC of the probe:|sd:"))
        doc_para(d, "Residual leak: not measured.");
}

void report_protocols(struct doc *d, struct db *db)
{
    doc_heading(d, "Two protocols, and what leaks");
    char *now = setting_value(db, "PROTOCOL");
    doc_para(d, "Protocol of the settings: %s. crossfit: a train row's features come "
             "from the other folds; paper: as printed.", now);
    free(now);
    write_both(d, db);
    write_probe(d, db);
}
