/* SPDX-License-Identifier: MIT */
/* Rows of a statement as a table of the report.
 *
 *     rows_table(d, db_use(db, sql), "model|AUC:");
 *     double auc = rows_number(q, 1);               // NaN for NULL
 */
#ifndef MM_REPORT_ROWS_H
#define MM_REPORT_ROWS_H
#include "report/doc.h"
#include <sqlite3.h>

/* As many columns as the statement has; reals with three decimals, the rest as it is. Steps
 * the statement to its end. Returns the number of rows; without any no table is written. */
int rows_table(struct doc *d, sqlite3_stmt *q, const char *columns);

double rows_number(sqlite3_stmt *q, int col);
/* A cell of text whose absolute paths are cut to their last part, as all text cells of
 * rows_table are: a report may be shown around, and names files, not a machine's folders. */
void rows_text(struct doc *d, const char *text);
/* What follows the last slash of a path. */
const char *rows_file(const char *path);

#endif
