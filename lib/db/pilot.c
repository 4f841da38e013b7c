/* SPDX-License-Identifier: MIT */
#include "db/pilot.h"
#include "base/sha256.h"
#include "base/util.h"
#include "db/db.h"
#include "db/setting.h"
#include <stdlib.h>
#include <string.h>

struct place {
    unsigned char hash[SHA256_BYTES];
    int64_t id;
};

static int by_hash(const void *a, const void *b)
{
    return memcmp(((const struct place *)a)->hash, ((const struct place *)b)->hash, SHA256_BYTES);
}

static struct place *places(struct db *db, int *n)
{
    static const char sql_keys[] = "SELECT id, key FROM business";
    sqlite3_stmt *q = db_use(db, sql_keys);
    struct place *p = NULL;
    int cap = 0;
    *n = 0;
    while (db_step(q)) {
        if (*n == cap) {
            cap = cap * 2 + 64;
            p = xrealloc(p, (size_t)cap, sizeof *p);
        }
        p[*n].id = sqlite3_column_int64(q, 0);
        sha256_of(p[*n].hash, sqlite3_column_text(q, 1), (size_t)sqlite3_column_bytes(q, 1));
        ++*n;
    }
    if (*n > 0)
        qsort(p, (size_t)*n, sizeof *p, by_hash);
    return p;
}

void pilot_fill(struct db *db, int64_t businesses)
{
    static const char sql_add[] = "INSERT INTO temp.pilot VALUES ('business', :id)";
    static const char sql_users[] =
        "INSERT OR IGNORE INTO temp.pilot SELECT 'user', r.user_id FROM review r\n"
        "JOIN temp.pilot p ON p.kind = 'business' AND p.entity_id = r.business_id";
    int64_t want = businesses >= 0 ? businesses : setting_int(db, "PILOT");
    int n;
    db_exec(db, "CREATE TEMP TABLE IF NOT EXISTS pilot (kind TEXT, entity_id INTEGER,\n"
                "PRIMARY KEY (kind, entity_id)) WITHOUT ROWID; DELETE FROM temp.pilot");
    if (want == 0)
        return;
    struct place *p = places(db, &n);
    for (int i = 0; i < n && i < want; i++) {
        sqlite3_stmt *q = db_use(db, sql_add);
        db_int(q, ":id", p[i].id);
        db_run(q);
    }
    free(p);
    db_run(db_use(db, sql_users));
}
