/* SPDX-License-Identifier: MIT */
/* Records of a CSV or TSV stream with a header line, over libcsv (which knows quoting, ""
 * inside quotes, line ends inside quotes, and CR, LF or CRLF behind a record).
 *
 *     struct csv *c = csv_open(in, &e);              // in: struct gz, stays yours
 *     int user = csv_column(c, "user_id");
 *     while ((rc = csv_next(c, &r, &e)) > 0)
 *         if (rc == CSV_RECORD) use(r.field[user]); else complain(r.line, r.reason);
 *     csv_close(c);
 *
 * The delimiter (comma, tab or semicolon) is the one that the header line has most of.
 * Blank lines are skipped. White space around an unquoted field is dropped. Text that is
 * no UTF-8, and NUL bytes, become U+FFFD and are counted. A record has as many fields as
 * the header, or it is a reject; so is one larger than 4 MiB. An unclosed quote at the
 * end of the file is an error of the file.
 *
 * Lines are counted as an editor does: by LF; and by CR too where the header ends with a
 * CR that no LF follows (Excel for Mac writes CR behind records and LF inside quotes).
 */
#ifndef MM_SOURCE_CSV_H
#define MM_SOURCE_CSV_H
#include "source/gz.h"
#include "source/utf8.h"

#define CSV_RECORD_MAX ((size_t)4 << 20) /* bytes of one record */
#define CSV_COLUMNS_MAX 4096

enum { CSV_END = 0, CSV_RECORD = 1, CSV_REJECT = 2 };

struct csv;

struct csv_record {
    char *const *field;  /* [n], NUL-terminated, modifiable; valid until the next call */
    const size_t *bytes; /* [n] */
    int n;
    int64_t line;     /* where it begins, 1-based */
    char reason[160]; /* of a reject; the fields are those that were there */
};

/* Reads the header. NULL: no header, UTF-16, or in cannot be read. */
struct csv *csv_open(struct gz *in, struct err *e) MM_MUST_CHECK;
void csv_close(struct csv *c); /* NULL is accepted */

int csv_columns(const struct csv *c);
const char *const *csv_names(const struct csv *c); /* [csv_columns], until csv_close */
int csv_column(const struct csv *c,
               const char *name); /* exact; the first one; -1: none */
char csv_delimiter(const struct csv *c);

int csv_next(struct csv *c, struct csv_record *r, struct err *e) MM_MUST_CHECK;

/* The first fields of the last record, joined by the delimiter (some 200 bytes, not
 * terminated), for an excerpt. Valid until the next call. */
const char *csv_head(struct csv *c, size_t *n);

int64_t csv_repaired(const struct csv *c); /* characters replaced by U+FFFD */
int64_t csv_bytes(const struct csv *c);    /* read so far, unpacked */

#endif
