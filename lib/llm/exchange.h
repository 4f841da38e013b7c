/* SPDX-License-Identifier: MIT */
/* The paid answers as one file: so that a run can be published, and repeated by anyone with
 * LLM=replay. The file is an SQLite database with one table, `answer`, that the sqlite3 shell
 * reads like any other.
 *
 *     exchange_export(db, "answers.db");     // the file must be new
 *     exchange_import(db, "answers.db");
 *
 * An answer is known by the digest of its request; what is there already stays. The file comes
 * from outside: each row's digest must be that of its request, sizes are bounded, and a row
 * that is not as it should be is left out and counted. Both return an exit status and say what
 * they did.
 */
#ifndef MM_LLM_EXCHANGE_H
#define MM_LLM_EXCHANGE_H

struct db;

int exchange_export(struct db *db, const char *path);
int exchange_import(struct db *db, const char *path);

#endif
