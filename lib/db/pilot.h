/* SPDX-License-Identifier: MIT */
/* PILOT=N: only N businesses, chosen by the hash of their keys, and all users who reviewed
 * one of them. So every review of those businesses has both its sides, and the choice does
 * not depend on row ids, on the order of files or on what else is in them.
 *
 *     pilot_fill(db, -1); // temp.pilot (kind, entity_id); empty where PILOT is 0
 *     "... AND " PILOT_SQL("v.kind", "v.entity_id")
 */
#ifndef MM_DB_PILOT_H
#define MM_DB_PILOT_H

#include <stdint.h>

struct db;

#define PILOT_SQL(kind, entity) \
    "(NOT EXISTS (SELECT 1 FROM temp.pilot) OR EXISTS (SELECT 1 FROM temp.pilot p\n" \
    "WHERE p.kind = " kind " AND p.entity_id = " entity "))"

/* A connection that only reads can do it too. businesses: N, or < 0 for PILOT as remembered. */
void pilot_fill(struct db *db, int64_t businesses);

#endif
