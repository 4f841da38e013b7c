/* SPDX-License-Identifier: MIT */
#include "base/util.h"
#include "db/db.h"
#include "report/doc.h"
#include "report/report.h"
#include "report/rows.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BALANCED 0.25 /* a share of negatives above this is no imbalance */

/* ---- can it be tested on this data? ---- */

/* Why not; an empty string when it can be. The caller frees. */
static char *obstacle(struct db *db)
{
    static const char sql_photos[] = "SELECT count(*) FROM image WHERE state = 'ok'";
    static const char sql_negative[] =
        "SELECT avg(1.0 - positive) FROM review WHERE split = 'test' AND labelled = 1\n"
        "AND (:run = 0 OR id IN (SELECT review_id FROM prediction WHERE run_id = :run))";
    static const char sql_run[] = /* IMBALANCE leaves rows out: those that were predicted count */
        "SELECT max(id) FROM run r WHERE stale = 0 AND state = 'done'\n"
        "AND EXISTS (SELECT 1 FROM prediction p WHERE p.run_id = r.id)";
    int64_t photos = db_one_int(db_use(db, sql_photos), 0);
    int64_t run = db_one_int(db_use(db, sql_run), 0);
    sqlite3_stmt *q = db_use(db, sql_negative);
    db_int(q, ":run", run);
    double negative = db_step(q) ? rows_number(q, 0) : (double)NAN;
    sqlite3_reset(q);
    char *share = xasprintf("no imbalance: %.1f %% of the test reviews are negative, and above "
                            "%.0f %% that is none", 100 * negative, 100 * BALANCED);
    int balanced = !(negative <= BALANCED);
    char *why = xasprintf("%s%s%s", photos ? "" : "no photos", !photos && balanced ? "; " : "",
                          balanced ? isnan(negative) ? "no test reviews" : share : "");
    free(share);
    return why;
}

/* ---- one comparison ---- */

enum { FPR, ACCURACY, AT80, AT90, AT95, METRICS };

static const struct {
    const char *name, *words;
} metric[METRICS] = {
    {"fpr", "false positive rate (FPR) at 0.5"}, {"accuracy", "accuracy at 0.5"},
    {"fpr_at_tpr80", "FPR at true positive rate (TPR) 0.8"},
    {"fpr_at_tpr90", "FPR at TPR 0.9"},
    {"fpr_at_tpr95", "FPR at TPR 0.95"}};

/* -1: below zero, 1: above, 0: cannot be told. */
static int sign(double lo, double hi)
{
    return hi < 0 ? -1 : lo > 0 ? 1 : 0;
}

/* The deciding rate is 0.9; the other two are shown. */
static const char *verdict(const int s[METRICS])
{
    if (s[FPR] < 0 && s[AT90] < 0)
        return "the claim holds here: fewer false positives, also at an equal true "
               "positive rate";
    if (s[FPR] < 0)
        return s[AT90] > 0
            ? "the claim does not hold here: fewer false positives at 0.5, but more at an equal "
              "true positive rate; the threshold has moved, the model is worse"
            : "the claim is not shown: fewer false positives at 0.5, but no difference could be "
              "shown at an equal true positive rate, and a moved threshold does as much";
    if (s[FPR] > 0)
        return s[AT90] < 0
            ? "the claim does not hold here as it was made: more false positives at 0.5, though "
              "fewer at an equal true positive rate"
            : "the claim does not hold here: more false positives";
    return s[AT90] < 0 ? "no difference could be shown at 0.5; fewer false positives at "
                         "an equal true positive rate"
         : s[AT90] > 0 ? "no difference could be shown at 0.5; more false positives at an equal "
                         "true positive rate"
                       : "no difference could be shown";
}

static const char sql_signs[] =
    "SELECT metric, lo, hi FROM comparison WHERE question = :question AND a = 'proposed'\n"
    "AND b = 'baseline' AND protocol = :protocol AND setting_a = :a AND setting_b = :b";

static void read_signs(int s[METRICS], struct db *db, const char *question, const char *protocol,
                       const char *setting_a, const char *setting_b)
{
    memset(s, 0, METRICS * sizeof *s);
    sqlite3_stmt *q = db_use(db, sql_signs);
    db_text(q, ":question", question);
    db_text(q, ":protocol", protocol);
    db_text(q, ":a", setting_a);
    db_text(q, ":b", setting_b);
    while (db_step(q))
        for (int m = 0; m < METRICS; m++)
            if (strcmp(metric[m].name, db_col_text(q, 0)) == 0)
                s[m] = sign(rows_number(q, 1), rows_number(q, 2));
}

/* Pairs of settings under a question. */
static const char sql_pairs[] =
    "SELECT protocol, setting_a, setting_b, max(seeds), max(users), max(rows) FROM comparison\n"
    "WHERE question = :question AND a = 'proposed' AND b = 'baseline'\n"
    "GROUP BY protocol, setting_a, setting_b ORDER BY protocol, setting_a";

static sqlite3_stmt *pairs(struct db *db, const char *question)
{
    sqlite3_stmt *q = db_use(db, sql_pairs);
    db_text(q, ":question", question);
    return q;
}

void report_verdicts(struct doc *d, struct db *db)
{
    static const char *const question[] = {"claim", "best"};
    static const char *const what[] = {"with the two settings behind the printed numbers",
                                       "with the runs that validation chose"};
    char *why = obstacle(db);
    int n = 0;
    for (size_t i = 0; i < ARRAY_LEN(question); i++) {
        sqlite3_stmt *q = pairs(db, question[i]);
        for (; db_step(q); n++) {
            int s[METRICS];
            char *protocol = xstrdup(db_col_text(q, 0));
            read_signs(s, db, question[i], protocol, db_col_text(q, 1), db_col_text(q, 2));
            doc_para(d, "The paper's claim (fewer false positives than the baseline), "
                     "%s, protocol %s: %s%s%s%s.",
                     what[i], protocol, *why ? "not testable on this data (" : "",
                     why, *why ? "). What was measured anyway: " : "", verdict(s));
            free(protocol);
        }
    }
    if (n == 0)
        doc_para(d, "The paper's claim (fewer false positives than the baseline): not "
                 "testable on this data (%s%sno finished runs of both proposed and "
                 "baseline).", why,
                 *why ? "; " : "");
    free(why);
}

/* ---- the numbers ---- */

static const char sql_rows[] =
    "SELECT metric, value_a, value_b, diff, lo, hi FROM comparison\n"
    "WHERE question = :question AND a = 'proposed' AND b = 'baseline' AND protocol = :protocol\n"
    "AND setting_a = :a AND setting_b = :b AND metric = :metric";

static void write_numbers(struct doc *d, struct db *db, const char *question,
                          const char *protocol, const char *setting_a, const char *setting_b)
{
    static const char *const word[] = {"lower", "no difference could be shown", "higher"};
    doc_table(d, "on the test rows|proposed:|baseline:|difference:|from:|to:|in words");
    for (int m = 0; m < METRICS; m++) {
        sqlite3_stmt *q = db_use(db, sql_rows);
        db_text(q, ":question", question);
        db_text(q, ":protocol", protocol);
        db_text(q, ":a", setting_a);
        db_text(q, ":b", setting_b);
        db_text(q, ":metric", metric[m].name);
        if (db_step(q)) {
            doc_cell(d, "%s", metric[m].words);
            doc_number(d, "%.3f", rows_number(q, 1));
            doc_number(d, "%.3f", rows_number(q, 2));
            for (int c = 3; c < 6; c++)
                doc_number(d, "%+.3f", rows_number(q, c));
            doc_cell(d, "%s", word[1 + sign(rows_number(q, 4), rows_number(q, 5))]);
        }
        sqlite3_reset(q);
    }
    doc_table_end(d);
}

static int write_question(struct doc *d, struct db *db, const char *question, const char *what)
{
    int n = 0;
    sqlite3_stmt *q = pairs(db, question);
    for (; db_step(q); n++) {
        int seeds = sqlite3_column_int(q, 3);
        doc_para(d, "%s, protocol %s: proposed (%s) against baseline (%s), %s%d test "
                 "reviews of %d users.",
                 what, db_col_text(q, 0), db_col_text(q, 1), db_col_text(q, 2),
                 seeds > 1 ? "means over the seeds both have, " : "", sqlite3_column_int(q, 5),
                 sqlite3_column_int(q, 4));
        write_numbers(d, db, question, db_col_text(q, 0), db_col_text(q, 1), db_col_text(q, 2));
    }
    return n;
}

/* From the printed rows themselves. */
static void write_printed(struct doc *d, struct db *db)
{
    static const char sql_printed[] =
        "SELECT p.fpr, b.fpr, p.accuracy, b.accuracy FROM v_printed p, v_printed b\n"
        "WHERE p.split = 'test' AND b.split = 'test' AND p.model = 'proposed'\n"
        "AND b.model = 'baseline' AND p.weighting = 'basic' AND b.weighting = 'sqrt'\n"
        "AND p.dropout = 0.5 AND b.dropout = 0.5";
    sqlite3_stmt *q = db_use(db, sql_printed);
    if (db_step(q)) {
        double v[4];
        for (int i = 0; i < 4; i++)
            v[i] = rows_number(q, i);
        doc_para(d, "The paper prints, for proposed with basic weights and baseline with "
                 "square-root weights, both with dropout 0.5, false positive rates of "
                 "%.2f %% and %.2f %% (%.1f points lower) and accuracies of %.2f %% and "
                 "%.2f %% (%.1f points lower), on its own data and without intervals. A "
                 "moved threshold alone lowers both. So the rates are compared at the "
                 "threshold 0.5, as printed, and at equal true positive rates; of these "
                 "0.9 decides.",
                 v[0], v[1], v[1] - v[0], v[2], v[3], v[3] - v[2]);
    }
    sqlite3_reset(q);
}

void report_claim(struct doc *d, struct db *db)
{
    doc_heading(d, "The paper's claim, tested");
    write_printed(d, db);
    char *why = obstacle(db);
    if (*why)
        doc_para(d, "On this data the claim is not testable: %s. The numbers below say "
                 "what these models do here, not whether the paper is right.", why);
    free(why);
    if (!write_question(d, db, "claim", "The same pair of settings"))
        doc_para(d, "The pair of settings behind the printed numbers was not run here "
                 "(EXPERIMENT=paper runs it).");
    if (!write_question(d, db, "best", "The run of each that validation chose"))
        doc_para(d, "There are no two runs, of proposed and of baseline, to compare.");
    doc_para(d, "Intervals: the middle 95 %% of the difference over 1,000 resamples of "
             "users, the same draws for both models. They hold for this split and these "
             "trained runs.");
}
