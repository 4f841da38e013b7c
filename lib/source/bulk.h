/* SPDX-License-Identifier: MIT */
/* Many rows into one table by one statement: rows wait in memory and are then read by an
 * INSERT ... SELECT from a virtual table over them. Saves what a statement costs per row.
 *
 *     struct bulk *b = bulk_new(db, lane, "bulk_user", 2,
 *                               "INSERT OR ROLLBACK INTO user (id, key) SELECT * FROM bulk_user");
 *     bulk_int(b, 7), bulk_text(b, "u7", 2);   // the cells of one row, in order
 *     bulk_row(b, hash);                       // flushes by itself when enough rows wait
 *     bulk_flush(b);                           // before anyone reads the table
 *
 * OR ROLLBACK because a failure ends the process anyhow (db.h), and it spares SQLite the
 * statement journal; calling a function in the SQL would bring it back (as a CHECK does).
 * At most 1,024 rows or 256 KiB of text (and one text more) wait. To be freed before the db is
 * closed. With a lane the inserting is done on its thread while the next rows are filled in:
 * the db must be shared then (db_share), so that its owner waits for the lane before using it.
 * Source: https://www.sqlite.org/vtab.html#eponymous_only_virtual_tables
 */
#ifndef MM_SOURCE_BULK_H
#define MM_SOURCE_BULK_H
#include <stddef.h>
#include <stdint.h>

struct bulk;
struct db;
struct lane;

/* lane: borrowed, may serve several; NULL: bulk_flush inserts before it returns.
 * name: of the virtual table, with columns c0, c1, ...; both strings are borrowed. */
struct bulk *bulk_new(struct db *db, struct lane *lane, const char *name, int columns,
                      const char *sql);
void bulk_free(struct bulk *b); /* NULL is accepted; rows that still wait are lost */

void bulk_int(struct bulk *b, int64_t v);
void bulk_real(struct bulk *b, double v);
void bulk_null(struct bulk *b);
void bulk_text(struct bulk *b, const char *s, size_t n); /* copied; NULL: no value */
void bulk_blob(struct bulk *b, const void *p, size_t n); /* copied */
void bulk_row(struct bulk *b, uint64_t hash);

/* 1 when a row with that hash waits: flush before a look-up for it. */
int bulk_has(const struct bulk *b, uint64_t hash);
void bulk_flush(struct bulk *b); /* whoever then uses the db finds the rows */

#endif
