/* SPDX-License-Identifier: MIT */
/* mm-report: report.html, report.md, table1.csv and table2.csv from the views. */
#include "base/buf.h"
#include "base/opts.h"
#include "base/util.h"
#include "db/db.h"
#include "db/setting.h"
#include "db/stage.h"
#include "report/compare.h"
#include "report/csv_out.h"
#include "report/doc.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const struct opts_about about = {
    "mm-report", "[options]", "Writes the report: report.html, report.md and the two tables."};

static double number(sqlite3_stmt *q, int col)
{
    return sqlite3_column_type(q, col) == SQLITE_NULL ? (double)NAN : sqlite3_column_double(q, col);
}

static int64_t count(struct db *db, const char *sql)
{
    return db_one_int(db_use(db, sql), 0);
}

/* ---- what was found, in sentences ---- */

static const char *verdict(const struct bootstrap *b, int lower_is_better)
{
    if (isnan(b->lo) || (b->lo <= 0 && b->hi >= 0))
        return "no difference could be shown";
    return (b->diff < 0) == lower_is_better ? "better" : "worse";
}

static void compare_sentence(struct doc *d, struct db *db, const char *a, const char *b, int kind,
                             const char *name, int lower_is_better)
{
    struct bootstrap c;
    struct err e;
    if (compare_models(&c, db, a, b, kind, &e) < 0)
        doc_item(d, "%s against %s, %s: not testable on this data (%s).", a, b, name, e.text);
    else
        doc_item(d, "%s against %s, %s: %.3f against %.3f, difference %+.3f, 95 %% interval "
                 "%+.3f to %+.3f over %d users: %s.", a, b, name, c.a, c.b, c.diff, c.lo, c.hi,
                 c.users, verdict(&c, lower_is_better));
}

static void write_found(struct doc *d, struct db *db)
{
    static const char sql_best[] =
        "SELECT model, auc FROM v_table2 WHERE auc IS NOT NULL ORDER BY auc DESC LIMIT 1";
    static const char sql_leaks[] = "SELECT count(*) FROM v_leak";
    static const char sql_copies[] =
        "SELECT count(*) FROM review t WHERE t.split = 'test' AND t.labelled = 1 AND EXISTS\n"
        "(SELECT 1 FROM review r WHERE r.content_id = t.content_id AND r.user_id = t.user_id\n"
        "AND r.split = 'train')";
    static const char sql_failed[] =
        "SELECT x.model, r.reason FROM run r JOIN experiment x ON x.id = r.experiment_id\n"
        "WHERE r.state = 'failed' AND r.stale = 0 GROUP BY x.model, r.reason";
    doc_heading(d, "What was found");
    sqlite3_stmt *q = db_use(db, sql_best);
    if (db_step(q))
        doc_para(d, "Of all models, %s ranks the test reviews best (AUC %.3f, mean over its runs).",
                 db_col_text(q, 0), sqlite3_column_double(q, 1));
    sqlite3_reset(q);
    doc_para(d, "The paper's claim is a lower false positive rate of the proposed model than of "
             "the baseline. A moved threshold alone lowers that rate too, so it is compared at "
             "the threshold 0.5, as printed, and at an equal true positive rate. Each line "
             "compares the two runs that validation chose, on the same test rows, by a "
             "bootstrap over users.");
    compare_sentence(d, db, "proposed", "baseline", METRICS_FPR, "false positive rate at 0.5", 1);
    compare_sentence(d, db, "proposed", "baseline", METRICS_FPR_AT_TPR90,
                     "false positive rate at true positive rate 0.9", 1);
    compare_sentence(d, db, "proposed", "baseline", METRICS_ACCURACY, "accuracy at 0.5", 0);
    compare_sentence(d, db, "proposed", "baseline", METRICS_AUC, "AUC", 0);
    compare_sentence(d, db, "proposed", "means", METRICS_AUC, "AUC", 0);
    compare_sentence(d, db, "proposed", "logistic", METRICS_AUC, "AUC", 0);
    int64_t leaks = count(db, sql_leaks);
    doc_para(d, leaks ? "LEAK: view v_leak holds %lld rows; features have read what they must not, "
             "and the numbers here cannot be trusted."
             : "View v_leak is empty (%lld rows): no feature has read a label it predicts.",
             (long long)leaks);
    int64_t copies = count(db, sql_copies);
    if (copies > 0)
        doc_para(d, "%lld test reviews have the very text that their user also wrote about another "
                 "business in the train split (copies of one review, or a habit): they make every "
                 "model look better than it is. SPLIT=user keeps them together.",
                 (long long)copies);
    q = db_use(db, sql_failed);
    while (db_step(q))
        doc_para(d, "%s: %s.", db_col_text(q, 0), db_col_text(q, 1));
}

/* ---- tables ---- */

static void write_table(struct doc *d, struct db *db, const char *sql, const char *title)
{
    doc_heading(d, title);
    doc_table(d, "model|weighting|dropout:|runs:|accuracy:|sd:|FPR:|sd:|loss:|AUC:|FPR at TPR 0.9:"
                 "|best accuracy:|best FPR:|paper accuracy:|paper FPR:|paper loss:");
    sqlite3_stmt *q = db_use(db, sql);
    while (db_step(q)) {
        doc_cell(d, "%s", db_col_text(q, 0));
        doc_cell(d, "%s", db_col_text(q, 1));
        doc_number(d, "%g", number(q, 2));
        doc_number(d, "%.0f", number(q, 3));
        for (int c = 4; c < 15; c++)
            doc_number(d, "%.3f", number(q, c));
        doc_number(d, "%g", number(q, 15));
    }
    doc_table_end(d);
}

static void write_tables(struct doc *d, struct db *db)
{
    static const char sql_1[] =
        "SELECT model, weighting, dropout, runs, accuracy, accuracy_sd, fpr, fpr_sd, loss, auc,\n"
        "fpr_at_tpr90, best_accuracy, best_fpr, printed_accuracy, printed_fpr, printed_loss\n"
        "FROM v_table1 ORDER BY model, weighting, dropout";
    static const char sql_2[] =
        "SELECT model, weighting, dropout, runs, accuracy, accuracy_sd, fpr, fpr_sd, loss, auc,\n"
        "fpr_at_tpr90, best_accuracy, best_fpr, printed_accuracy, printed_fpr, printed_loss\n"
        "FROM v_table2 ORDER BY model, weighting, dropout";
    write_table(d, db, sql_1, "Table I: train");
    write_table(d, db, sql_2, "Table II: test");
    doc_para(d, "Means and standard deviations over training seeds, rates as fractions, threshold "
             "0.5; best: the run that validation chose. The columns named paper are what the "
             "paper prints for its best model, on its own data; its loss has a scale that it "
             "does not explain and is shown, not compared.");
}

/* ---- data, defects, methods, cost ---- */

static void pairs(struct doc *d, struct db *db, const char *sql, const char *columns)
{
    sqlite3_stmt *q = db_use(db, sql);
    doc_table(d, columns);
    while (db_step(q))
        for (int c = 0; c < sqlite3_column_count(q); c++)
            if (sqlite3_column_type(q, c) == SQLITE_FLOAT)
                doc_number(d, "%.3f", sqlite3_column_double(q, c));
            else
                doc_cell(d, "%s", db_col_text(q, c));
    doc_table_end(d);
}

static void write_data(struct doc *d, struct db *db)
{
    static const char sql_splits[] =
        "SELECT split, CASE labelled WHEN 1 THEN 'yes' ELSE 'no' END, count(*),\n"
        "count(DISTINCT user_id), count(DISTINCT business_id), avg(positive), avg(rating),\n"
        "count(content_id) FROM review GROUP BY split, labelled ORDER BY split, labelled";
    static const char sql_sources[] =
        "SELECT path, format, role, records, rejects, merged, repaired, coalesce(note, '')\n"
        "FROM source ORDER BY path";
    static const char sql_cold[] =
        "SELECT v.kind, count(*), sum(v.n_text = 0), avg(v.n_text) FROM visible v\n"
        "WHERE v.fold = -1 GROUP BY v.kind";
    doc_heading(d, "The data");
    pairs(d, db, sql_sources,
          "file|format|role|records:|rejected:|merged:|repaired characters:|columns");
    pairs(d, db, sql_splits,
          "split|labelled|reviews:|users:|businesses:|positive:|mean rating:|with text:");
    pairs(d, db, sql_cold, "side|known:|without a visible text:|texts each:");
}

static void write_defects(struct doc *d, struct db *db)
{
    static const char sql_rejects[] =
        "SELECT substr(reason, 1, 60), count(*), min(line) FROM reject GROUP BY 1\n"
        "ORDER BY 2 DESC LIMIT 20";
    static const char sql_images[] =
        "SELECT state, count(*), count(DISTINCT content_id), count(caption) FROM image\n"
        "GROUP BY state";
    static const char sql_failures[] =
        "SELECT stage, substr(reason, 1, 100), count(*) FROM failure GROUP BY 1, 2\n"
        "ORDER BY 3 DESC LIMIT 20";
    doc_heading(d, "Missing, rejected, failed");
    pairs(d, db, sql_rejects, "rejected because|records:|first line:");
    pairs(d, db, sql_images, "photos|named:|distinct files:|with a caption:");
    pairs(d, db, sql_failures, "stage|failed because|items:");
}

static void write_methods(struct doc *d, struct db *db)
{
    static const char sql_methods[] =
        "SELECT task, name, version, coalesce(dim, ''), coalesce(note, ''), params FROM method\n"
        "WHERE current = 1 ORDER BY task";
    static const char sql_reducers[] =
        "SELECT name, mode, inputs, epochs, val_loss, val_auc, substr(hex(feature_digest), 1, 16)\n"
        "FROM reducer WHERE current = 1 ORDER BY name";
    static const char sql_prices[] =
        "SELECT p.tag, count(*) FROM price_tag p JOIN method m ON m.id = p.method_id\n"
        "AND m.current = 1 JOIN visible v ON v.id = p.visible_id AND v.fold = -1 GROUP BY 1";
    static const char sql_categories[] =
        "SELECT c.name, count(*) FROM category c JOIN method m ON m.id = c.method_id\n"
        "AND m.current = 1 JOIN visible v ON v.id = c.visible_id AND v.fold = -1\n"
        "WHERE c.name IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 15";
    doc_heading(d, "How it was computed");
    doc_para(d, "Where a note says that something stands in for a network, its weights were not "
             "there; the numbers above are then not those of the paper's system.");
    pairs(d, db, sql_methods, "task|method|version:|floats:|note|parameters");
    pairs(d, db, sql_reducers,
          "reducer|mode|inputs|best epoch:|validation loss:|validation AUC:|features");
    pairs(d, db, sql_prices, "price tag|businesses:");
    pairs(d, db, sql_categories, "category|businesses:");
}

static void write_cost(struct doc *d, struct db *db)
{
    static const char sql_time[] =
        "SELECT stage, state, done, failed, seconds, peak_kib / 1024, threads, coalesce(note, '')\n"
        "FROM stage_run WHERE state <> 'running' ORDER BY id DESC LIMIT 40";
    static const char sql_cost[] =
        "SELECT stage, model, requests, tokens, usd, usd_saved FROM v_cost";
    doc_heading(d, "Time and money");
    pairs(d, db, sql_time, "stage|state|done:|failed:|seconds:|MiB:|threads:|note");
    pairs(d, db, sql_cost, "paid for|model|requests:|tokens:|USD:|USD saved by the cache:");
}

static void write_assumptions(struct doc *d)
{
    static const char *const row[][2] = {
        {"Which reviews feed a summary", "Those of the other folds for a train row, the whole "
         "train split for others; never the row's own (the paper does not say)."},
        {"Own photos", "Never an input: they are made after the visit."},
        {"Average ratings", "Damped towards the train mean with weight 5."},
        {"Price as a number", "Over-priced +1, fair 0, cheap -1; none is 0 with an indicator."},
        {"Dense features of the baseline", "User mean, business mean, business count."},
        {"The 32 numbers", "Last hidden layer (tanh) of an MLP with 128 hidden units, stopped on "
         "validation loss; one reducer for all folds."},
        {"Mean of vectors", "A plain mean, not scaled to unit length again."},
        {"DLRM", "Bottom 64-32, top 64-32-1, ReLU, dot interaction; the vectors themselves also "
         "go to the top. Embedding bag sums, padding index, at most 11 categories."},
        {"Dropout", "After the hidden layers of both MLPs, not on the vectors."},
        {"Optimiser", "Adam, learning rate 0.01, batches of 2,048."},
        {"Early stopping", "Epochs from 300 on; strictly lower validation false positive rate, "
         "ties by loss; patience 50; at most 2,000."},
        {"Class weights", "W = 1 - n_label / n (basic), its root (sqrt)."}};
    doc_heading(d, "Assumptions where the paper is silent");
    doc_table(d, "question|here");
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        doc_cell(d, "%s", row[i][0]);
        doc_cell(d, "%s", row[i][1]);
    }
    doc_table_end(d);
}

static void write_settings(struct doc *d, struct db *db)
{
    static const char sql_runs[] =
        "SELECT x.model, x.weighting, x.dropout, x.seed, r.best_epoch, r.epochs, r.threshold,\n"
        "CASE r.degenerate WHEN 1 THEN 'one class only' ELSE '' END, r.seconds,\n"
        "substr(hex(r.feature_digest), 1, 16) FROM run r\n"
        "JOIN experiment x ON x.id = r.experiment_id WHERE r.stale = 0 AND r.state = 'done'\n"
        "ORDER BY 1, 2, 3, 4 LIMIT 200";
    doc_heading(d, "What produced it");
    doc_para(d, "mmrec %s, SQLite %s.", MM_VERSION, sqlite3_libversion());
    doc_table(d, "setting|value");
    for (const struct setting_def *s = setting_defs; s->name; s++) {
        char *v = setting_value(db, s->name);
        doc_cell(d, "%s", s->name);
        doc_cell(d, "%s", v);
        free(v);
    }
    static const char *const note[] = {"split_rule", "fold_unit"};
    for (size_t i = 0; i < ARRAY_LEN(note); i++) {
        char *v = db_setting(db, note[i]);
        doc_cell(d, "%s", note[i]);
        doc_cell(d, "%s", v ? v : "");
        free(v);
    }
    doc_table_end(d);
    pairs(d, db, sql_runs,
          "model|weighting|dropout:|seed:|best epoch:|epochs:|threshold:|note|seconds:|features");
}

/* ---- the files ---- */

static int write_report(struct db *db, const char *dir, struct err *e)
{
    char *md = xasprintf("%s/report.md", dir), *html = xasprintf("%s/report.html", dir);
    char *input = setting_value(db, "INPUT");
    char *title = xasprintf("mmrec report: %s", input);
    struct doc *d = doc_open(md, html, title, e);
    if (d) {
        write_found(d, db);
        write_tables(d, db);
        write_data(d, db);
        write_defects(d, db);
        write_methods(d, db);
        write_cost(d, db);
        write_assumptions(d);
        write_settings(d, db);
    }
    int rc = d ? doc_close(d, e) : -1;
    free(md);
    free(html);
    free(input);
    free(title);
    return rc;
}

static int write_csv(struct db *db, const char *dir, const char *name, const char *sql,
                     struct err *e)
{
    char *path = xasprintf("%s/%s", dir, name);
    int rc = csv_out_write(path, db_use(db, sql), e);
    free(path);
    return rc;
}

static int run(struct db *db, const struct opts *o, const char *dir)
{
    static const char sql_1[] = "SELECT * FROM v_table1 ORDER BY model, weighting, dropout";
    static const char sql_2[] = "SELECT * FROM v_table2 ORDER BY model, weighting, dropout";
    struct stage s;
    struct err e;
    if (o->plan) {
        struct buf why = {0};
        int fresh = stage_fresh(db, stage_find("report"), &why);
        if (!fresh)
            printf("report\tfiles\t1\t%s\n", buf_str(&why));
        buf_release(&why);
        return fresh ? EXIT_DONE : EXIT_PENDING;
    }
    if (mkdir(dir, 0777) != 0 && errno != EEXIST)
        die("%s: %s", dir, strerror(errno));
    stage_begin(&s, db, "report", o);
    if (write_report(db, dir, &e) < 0 || write_csv(db, dir, "table1.csv", sql_1, &e) < 0 ||
        write_csv(db, dir, "table2.csv", sql_2, &e) < 0) {
        warn("%s", e.text);
        s.failed = 1;
        s.cut = 1;
    } else
        s.done = 4;
    buf_addf(&s.note, "%s/report.html", dir);
    int failed = s.failed > 0, status = stage_end(&s);
    return failed && status == EXIT_DONE ? EXIT_FAILED : status;
}

int main(int argc, char **argv)
{
    struct opts o = opts_default;
    const char *dir = NULL;
    const struct opt_def defs[] = {
        {"out", OPT_STRING, &dir, 0, 0, "DIR", "folder of the files; the database's name with .d"},
        {0}};
    int first = opts_parse(argc, argv, &about, defs, &o);
    if (argv[first])
        die_usage("no arguments are taken, got '%s'", argv[first]);
    struct db *db = stage_open(&o, 0);
    if (!db)
        return close_stdout(EXIT_FAILED);
    char *beside = xasprintf("%s.d", o.db);
    int status = run(db, &o, dir ? dir : beside);
    free(beside);
    db_close(db);
    return close_stdout(status);
}
