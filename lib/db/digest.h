/* SPDX-License-Identifier: MIT */
/* One digest of everything that counts in a database, and one per table: no times, no row
 * ids, natural key order. Two runs that did the same work print the same lines.
 *
 *     digest_print(stdout, db);
 */
#ifndef MM_DB_DIGEST_H
#define MM_DB_DIGEST_H
#include <stdio.h>

struct db;

/* "all HEX" and then "table HEX rows", one line each. */
void digest_print(FILE *f, struct db *db);

#endif
