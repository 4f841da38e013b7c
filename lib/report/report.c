/* SPDX-License-Identifier: MIT */
#include "report/report.h"
#include "base/util.h"
#include "db/db.h"
#include "db/setting.h"
#include "report/csv_out.h"
#include "report/doc.h"
#include "report/rows.h"
#include <stdlib.h>

static void (*const section[])(struct doc *, struct db *) = {
    report_found, report_claim, report_tables, report_compared, report_seeds, report_protocols,
    report_calibration, report_odd_runs, report_data, report_defects, report_methods,
    report_cost, report_assumptions, report_settings};

static int write_page(struct db *db, const char *dir, struct err *e)
{
    char *md = xasprintf("%s/report.md", dir), *html = xasprintf("%s/report.html", dir);
    char *input = setting_value(db, "INPUT");
    char *title = xasprintf("mmrec report: %s", rows_file(input));
    struct doc *d = doc_open(md, html, title, e);
    for (size_t i = 0; d && i < ARRAY_LEN(section); i++)
        section[i](d, db);
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

int report_write(struct db *db, const char *dir, struct err *e)
{
    static const char sql_1[] =
        "SELECT * FROM v_table1 ORDER BY model, weighting, dropout, protocol, setting";
    static const char sql_2[] =
        "SELECT * FROM v_table2 ORDER BY model, weighting, dropout, protocol, setting";
    if (write_page(db, dir, e) < 0 || write_csv(db, dir, "table1.csv", sql_1, e) < 0 ||
        write_csv(db, dir, "table2.csv", sql_2, e) < 0)
        return -1;
    return 0;
}
