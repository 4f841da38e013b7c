/* SPDX-License-Identifier: MIT */
#include "base/util.h"
#include "db/db.h"
#include "db/setting.h"
#include "report/doc.h"
#include "report/report.h"
#include "report/rows.h"
#include <stdlib.h>

void report_assumptions(struct doc *d, struct db *db)
{
    static const char *const row[][2] = {
        {"Which reviews feed a summary", "Those of the other folds for a train row, the whole "
         "train split for others; never the row's own (the paper does not say)."},
        {"Own photos", "Never an input: they are made after the visit."},
        {"Average ratings", "Damped towards the train mean with weight 5."},
        {"Price as a number", "Over-priced +1, fair 0, cheap -1; none is 0 with an indicator."},
        {"Dense features of the baseline", "User mean, business mean, business count."},
        {"The 32 numbers",
         "Last hidden layer (tanh) of an MLP with 128 hidden units, stopped on "
         "validation loss. Reduction single: one for all rows; folds: one a fold, turned onto "
         "common axes."},
        {"Mean of vectors", "A plain mean, not scaled to unit length again."},
        {"DLRM", "Bottom 64-32, top 64-32-1, ReLU, dot interaction; the vectors themselves also "
         "go to the top. Embedding bag sums, padding index, at most 11 categories."},
        {"Dropout", "After the hidden layers of both MLPs, not on the vectors."},
        {"Optimiser", "Adam, learning rate 0.01, batches of 2,048."},
        {"Early stopping", "Stopping fpr: epochs from 300 on; strictly lower validation false "
         "positive rate, ties by loss; patience 50; at most 2,000. Stopping loss (ours): the "
         "lowest validation loss of any epoch."},
        {"Best run",
         "Lowest validation false positive rate at 0.5, ties by loss, then seed; one "
         "that predicts a single class only when there is no other."},
        {"Class weights", "W = 1 - n_label / n (basic), its root (sqrt)."}};
    (void)db;
    doc_heading(d, "Assumptions where the paper is silent");
    doc_table(d, "question|here");
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        doc_cell(d, "%s", row[i][0]);
        doc_cell(d, "%s", row[i][1]);
    }
    doc_table_end(d);
}

void report_settings(struct doc *d, struct db *db)
{
    static const char sql_runs[] =
        "SELECT x.protocol, x.model, x.weighting, format('%g', x.dropout), x.seed, x.stopping,\n"
        "format('%g', x.decay), r.best_epoch, r.epochs, r.threshold,\n"
        "CASE r.degenerate WHEN 1 THEN 'one class only' ELSE '' END, r.seconds,\n"
        "substr(hex(r.feature_digest), 1, 16) FROM run r\n"
        "JOIN experiment x ON x.id = r.experiment_id WHERE r.stale = 0 AND r.state = 'done'\n"
        "ORDER BY 1, 2, 3, 4, 5, 6, 7 LIMIT 1000";
    static const char sql_all[] =
        "SELECT count(*) FROM run WHERE stale = 0 AND state = 'done'";
    static const char *const note[] = {"split_rule", "fold_unit"};
    doc_heading(d, "What produced it");
    doc_para(d, "mmrec %s, SQLite %s.", MM_VERSION, sqlite3_libversion());
    doc_table(d, "setting|value");
    for (const struct setting_def *s = setting_defs; s->name; s++) {
        char *v = setting_value(db, s->name);
        doc_cell(d, "%s", s->name);
        rows_text(d, v);
        free(v);
    }
    for (size_t i = 0; i < ARRAY_LEN(note); i++) {
        char *v = db_setting(db, note[i]);
        doc_cell(d, "%s", note[i]);
        doc_cell(d, "%s", v ? v : "");
        free(v);
    }
    doc_table_end(d);
    int n = rows_table(d, db_use(db, sql_runs),
                       "protocol|model|weighting|dropout:|seed:|stopping|decay:|best epoch:|"
                       "epochs:|threshold:|note|seconds:|features");
    int64_t all = db_one_int(db_use(db, sql_all), 0);
    if (n < all)
        doc_para(d, "The first %d of %lld runs.", n, (long long)all);
}
