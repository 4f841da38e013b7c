/* SPDX-License-Identifier: MIT */
#include "report/csv_out.h"
#include "base/util.h"
#include "db/db.h"
#include <csv.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void field(FILE *f, const char *s, int last)
{
    if (s[strcspn(s, ",\"\r\n")])
        csv_fwrite(f, s, strlen(s)); /* quotes and doubles */
    else
        fputs(s, f);
    fputc(last ? '\n' : ',', f);
}

int csv_out_write(const char *path, sqlite3_stmt *q, struct err *e)
{
    char *part = xasprintf("%s.part", path);
    FILE *f = fopen(part, "w");
    int rc = f ? 0 : err_set(e, "%s: %s", part, strerror(errno)), n = sqlite3_column_count(q);
    if (f) {
        for (int c = 0; c < n; c++)
            field(f, sqlite3_column_name(q, c), c == n - 1);
        while (db_step(q))
            for (int c = 0; c < n; c++)
                field(f, db_col_text(q, c), c == n - 1);
        int bad = ferror(f);
        if (fclose(f) != 0 || bad || rename(part, path) != 0) {
            rc = err_set(e, "%s: %s", path, strerror(errno));
            unlink(part);
        }
    }
    free(part);
    return rc;
}
