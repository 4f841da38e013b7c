/* SPDX-License-Identifier: MIT */
#include "db/db.h"
#include "report/doc.h"
#include "report/report.h"
#include "report/rows.h"
#include <math.h>

#define SHOWN 4 /* metrics a line */

static void write_cell(struct doc *d, double diff, double lo, double hi)
{
    if (isnan(lo))
        doc_cell(d, "undefined");
    else
        doc_cell(d, "%+.3f (%+.3f to %+.3f)%s", diff, lo, hi, lo > 0 || hi < 0 ? " *" : "");
}

void report_compared(struct doc *d, struct db *db)
{
    static const char sql_all[] =
        "SELECT protocol, CASE question WHEN 'best' THEN 'best runs'\n"
        "WHEN 'claim' THEN 'claim'\n"
        "WHEN 'ranking' THEN 'best runs by AUC' ELSE 'same setting' END,\n"
        "a, b, setting_a, setting_b, max(seeds),\n"
        "max(CASE metric WHEN 'auc' THEN diff END), max(CASE metric WHEN 'auc' THEN lo END),\n"
        "max(CASE metric WHEN 'auc' THEN hi END), max(CASE metric WHEN 'fpr' THEN diff END),\n"
        "max(CASE metric WHEN 'fpr' THEN lo END), max(CASE metric WHEN 'fpr' THEN hi END),\n"
        "max(CASE metric WHEN 'fpr_at_tpr90' THEN diff END),\n"
        "max(CASE metric WHEN 'fpr_at_tpr90' THEN lo END),\n"
        "max(CASE metric WHEN 'fpr_at_tpr90' THEN hi END),\n"
        "max(CASE metric WHEN 'accuracy' THEN diff END),\n"
        "max(CASE metric WHEN 'accuracy' THEN lo END),\n"
        "max(CASE metric WHEN 'accuracy' THEN hi END) FROM comparison\n"
        "GROUP BY protocol, question, a, b, setting_a, setting_b\n"
        "ORDER BY protocol, question, a = 'proposed' DESC, a, b, setting_a, setting_b";
    int n = 0, told = 0;
    doc_heading(d, "Models against each other");
    sqlite3_stmt *q = db_use(db, sql_all);
    for (; db_step(q); n++) {
        if (n == 0)
            doc_table(d, "protocol|compared|a|b|setting of a|setting of b|seeds:|AUC, a - b|"
                         "FPR at 0.5|FPR at TPR 0.9|accuracy");
        for (int c = 0; c < 7; c++)
            doc_cell(d, "%s", db_col_text(q, c));
        for (int m = 0; m < SHOWN; m++) {
            double lo = rows_number(q, 8 + 3 * m), hi = rows_number(q, 9 + 3 * m);
            write_cell(d, rows_number(q, 7 + 3 * m), lo, hi);
            told += lo > 0 || hi < 0;
        }
    }
    if (n == 0) {
        doc_para(d, "There are no two models to compare.");
        return;
    }
    doc_table_end(d);
    doc_para(d, "Differences a - b on the same test rows, with the middle 95 %% over "
             "1,000 resamples of users. A star: the interval leaves out 0. %d of %d do; "
             "where there is no difference at all about 5 %% would, so a single star "
             "among many proves little. proposed is compared with every other DLRM of "
             "the same setting over the seeds both have, and every DLRM with the models "
             "that are none. Table comparison also has false positive rates at other "
             "true positive rates, PR-AUC and PR-AUC of the negatives.", told, n * SHOWN);
}
