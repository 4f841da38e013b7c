/* SPDX-License-Identifier: MIT */
#include "report/rows.h"
#include "base/buf.h"
#include "db/db.h"
#include <math.h>
#include <string.h>

double rows_number(sqlite3_stmt *q, int col)
{
    int null = sqlite3_column_type(q, col) == SQLITE_NULL;
    return null ? (double)NAN : sqlite3_column_double(q, col);
}

const char *rows_file(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

void rows_text(struct doc *d, const char *text)
{
    struct buf b = {0};
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, " \"'=(),;\n"); /* a word */
        const char *last = n ? memrchr(p, '/', n) : NULL;
        const char *from = *p == '/' && last > p && last + 1 < p + n ? last + 1 : p;
        n += p[n] != 0; /* and what ends it */
        buf_add(&b, from, (size_t)(p + n - from));
        p += n;
    }
    doc_cell(d, "%s", buf_str(&b));
    buf_release(&b);
}

int rows_table(struct doc *d, sqlite3_stmt *q, const char *columns)
{
    int n = 0;
    for (; db_step(q); n++) {
        if (n == 0)
            doc_table(d, columns);
        for (int c = 0; c < sqlite3_column_count(q); c++)
            switch (sqlite3_column_type(q, c)) {
            case SQLITE_FLOAT: doc_number(d, "%.3f", sqlite3_column_double(q, c)); break;
            case SQLITE_NULL: doc_cell(d, "-"); break;
            default: rows_text(d, db_col_text(q, c));
            }
    }
    if (n > 0)
        doc_table_end(d);
    return n;
}
