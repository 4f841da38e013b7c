/* SPDX-License-Identifier: MIT */
/* One document written twice at once: Markdown, and HTML that opens from disk without a
 * network. Everything given is text: it is escaped here and nowhere else.
 *
 *     struct doc *d = doc_open("x.db.d/report.md", "x.db.d/report.html", "mmrec: x", &e);
 *     doc_heading(d, "What was found");
 *     doc_para(d, "The %s wins.", name);
 *     doc_table(d, "model|AUC:");               // a colon: right-aligned
 *     doc_cell(d, "%s", name); doc_cell(d, "%.3f", auc);
 *     doc_table_end(d);
 *     if (doc_close(d, &e) < 0) ...
 *
 * Both files are written beside their place and renamed when complete: a reader never sees
 * half a report.
 */
#ifndef MM_REPORT_DOC_H
#define MM_REPORT_DOC_H
#include "base/err.h"

struct doc;

struct doc *doc_open(const char *md_path, const char *html_path, const char *title,
                     struct err *e) MM_MUST_CHECK;
void doc_heading(struct doc *d, const char *text);
void doc_para(struct doc *d, const char *fmt, ...) MM_PRINTF(2, 3);
void doc_item(struct doc *d, const char *fmt, ...) MM_PRINTF(2, 3); /* of a list */
/* columns: names separated by '|', each followed by ':' when its cells are numbers. */
void doc_table(struct doc *d, const char *columns);
void doc_cell(struct doc *d, const char *fmt, ...) MM_PRINTF(2, 3); /* wraps to the next row */
void doc_number(struct doc *d, const char *fmt, double v); /* NaN: "-" */
void doc_table_end(struct doc *d);
/* Flushes and renames; frees d also on failure. */
int doc_close(struct doc *d, struct err *e) MM_MUST_CHECK;

#endif
