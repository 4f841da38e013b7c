/* SPDX-License-Identifier: MIT */
/* The rows of a statement as a CSV file (RFC 4180, LF), renamed into place when complete.
 *
 *     if (csv_out_write("table1.csv", db_use(db, sql), &e) < 0) ...
 */
#ifndef MM_REPORT_CSV_OUT_H
#define MM_REPORT_CSV_OUT_H
#include "base/err.h"
#include <sqlite3.h>

int csv_out_write(const char *path, sqlite3_stmt *q, struct err *e) MM_MUST_CHECK;

#endif
