/* SPDX-License-Identifier: MIT */
/* The report of a database: report.md, report.html, table1.csv and table2.csv in a folder.
 *
 *     if (report_write(db, "y.db.d", &e) < 0) ...
 *
 * One function a section, in the order of the page. Each reads tables and views and writes
 * into d; none writes the database. What comes from outside is escaped by doc_*.
 */
#ifndef MM_REPORT_REPORT_H
#define MM_REPORT_REPORT_H
#include "base/err.h"

struct db;
struct doc;

/* Files are renamed into place when complete. -1: a file cannot be written. */
int report_write(struct db *db, const char *dir, struct err *e) MM_MUST_CHECK;

void report_found(struct doc *d, struct db *db);       /* what was found, in sentences */
void report_claim(struct doc *d, struct db *db);       /* the paper's claim, as a claim */
/* The claim's verdict in one sentence a protocol, for report_found. */
void report_verdicts(struct doc *d, struct db *db);
void report_tables(struct doc *d, struct db *db);      /* ours beside the printed ones */
void report_compared(struct doc *d, struct db *db);    /* pairs of models, intervals */
void report_seeds(struct doc *d, struct db *db);       /* intervals over training seeds */
void report_protocols(struct doc *d, struct db *db);   /* both protocols, residual leak */
void report_calibration(struct doc *d, struct db *db); /* are probabilities rates? */
void report_odd_runs(struct doc *d, struct db *db);    /* degenerate and failed ones */
void report_data(struct doc *d, struct db *db);
void report_defects(struct doc *d, struct db *db);
void report_methods(struct doc *d, struct db *db);
void report_cost(struct doc *d, struct db *db);
void report_assumptions(struct doc *d, struct db *db);
void report_settings(struct doc *d, struct db *db);

#endif
