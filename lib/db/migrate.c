/* SPDX-License-Identifier: MIT */
#include "db/migrate.h"
#include "base/util.h"
#include "db/db.h"
#include <stddef.h>
#include <stdlib.h>

/* step[i] leads from version i + 1 to i + 2. Views are renewed by db_open afterwards. */
static const char *const step[] = {
    "ALTER TABLE source ADD COLUMN bad_times INTEGER NOT NULL DEFAULT 0",
};

int migrate(struct db *db, int from, struct err *e)
{
    if (from < 1 || from > (int)ARRAY_LEN(step))
        return err_set(e, "%s: schema version %d, and no way from there to %d; "
                          "keep the file and start a new one with DB=",
                       db_path(db), from, DB_SCHEMA_VERSION);
    db_begin(db);
    for (int v = from; v < DB_SCHEMA_VERSION; v++)
        db_exec(db, step[v - 1]);
    char *pragma = xasprintf("PRAGMA user_version = %d", DB_SCHEMA_VERSION);
    db_exec(db, pragma);
    free(pragma);
    db_commit(db);
    info("%s: migrated from schema version %d to %d", db_path(db), from, DB_SCHEMA_VERSION);
    return 0;
}
