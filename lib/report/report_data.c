/* SPDX-License-Identifier: MIT */
#include "db/db.h"
#include "report/doc.h"
#include "report/report.h"
#include "report/rows.h"

void report_data(struct doc *d, struct db *db)
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
    rows_table(d, db_use(db, sql_sources),
               "file|format|role|records:|rejected:|merged:|repaired characters:|columns");
    rows_table(d, db_use(db, sql_splits),
               "split|labelled|reviews:|users:|businesses:|positive:|mean rating:|with text:");
    rows_table(d, db_use(db, sql_cold), "side|known:|without a visible text:|texts each:");
}

void report_defects(struct doc *d, struct db *db)
{
    static const char sql_rejects[] =
        "SELECT substr(reason, 1, 60), count(*), min(line) FROM reject GROUP BY 1\n"
        "ORDER BY 2 DESC LIMIT 20";
    static const char sql_images[] =
        "SELECT state, count(*), count(DISTINCT content_id), count(caption) FROM image\n"
        "GROUP BY state";
    static const char sql_captions[] =
        "SELECT m.name, count(*), count(DISTINCT c.content_id), sum(c.flaw IS 'circles'),\n"
        "sum(c.flaw IS 'cut off'), (SELECT count(*) FROM failure WHERE stage = 'caption')\n"
        "FROM caption c JOIN method m ON m.id = c.method_id AND m.current = 1 GROUP BY m.id";
    static const char sql_failures[] =
        "SELECT stage, substr(reason, 1, 100), count(*) FROM failure GROUP BY 1, 2\n"
        "ORDER BY 3 DESC LIMIT 20";
    doc_heading(d, "Missing, rejected, failed");
    rows_table(d, db_use(db, sql_rejects), "rejected because|records:|first line:");
    rows_table(d, db_use(db, sql_images), "photos|named:|distinct files:|with a caption:");
    rows_table(d, db_use(db, sql_captions),
               "captions by|photos:|different texts:|in circles:|cut off:|failed:");
    rows_table(d, db_use(db, sql_failures), "stage|failed because|items:");
}

void report_methods(struct doc *d, struct db *db)
{
    static const char sql_methods[] =
        "SELECT task, name, version, coalesce(dim, ''), coalesce(note, ''), params FROM method\n"
        "WHERE current = 1 ORDER BY task";
    static const char sql_reducers[] =
        "SELECT name, protocol, mode, inputs, epochs, val_loss, val_auc,\n"
        "substr(hex(feature_digest), 1, 16) FROM reducer WHERE current = 1\n"
        "ORDER BY name, protocol, mode";
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
    rows_table(d, db_use(db, sql_methods), "task|method|version:|floats:|note|parameters");
    rows_table(d, db_use(db, sql_reducers), "reducer|protocol|mode|inputs|best epoch:|"
               "validation loss:|validation AUC:|features");
    rows_table(d, db_use(db, sql_prices), "price tag|businesses:");
    rows_table(d, db_use(db, sql_categories), "category|businesses:");
}

void report_cost(struct doc *d, struct db *db)
{
    static const char sql_time[] =
        "SELECT stage, state, done, failed, seconds, peak_kib / 1024, threads, coalesce(note, '')\n"
        "FROM stage_run WHERE state <> 'running' ORDER BY id DESC LIMIT 40";
    static const char sql_cost[] =
        "SELECT stage, model, requests, tokens, usd, usd_saved FROM v_cost";
    doc_heading(d, "Time and money");
    rows_table(d, db_use(db, sql_time), "stage|state|done:|failed:|seconds:|MiB:|threads:|note");
    rows_table(d, db_use(db, sql_cost), "paid for|model|requests:|tokens:|USD:|"
               "USD saved by the cache:");
}
