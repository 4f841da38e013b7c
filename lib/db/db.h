/* SPDX-License-Identifier: MIT */
/* The one SQLite file: opened, checked to be ours, of this schema, and wrapped so that an
 * SQL error ends the process with its statement. A connection belongs to one thread.
 *
 *     struct db *db = db_open("mm.db", DB_WRITE | DB_CREATE, &e);
 *     sqlite3_stmt *q = db_use(db, sql_pending);      // cached, reset, unbound
 *     db_int(q, ":after", 0);
 *     while (db_step(q))
 *         printf("%s\n", db_col_text(q, 0));
 *     db_close(db);
 *
 * Storage: WAL, 8 KiB pages, foreign keys on, busy_timeout 60 s, BEGIN IMMEDIATE. What dies
 * says so in one sentence; an uncommitted transaction is rolled back by the next opener.
 */
#ifndef MM_DB_DB_H
#define MM_DB_DB_H
#include "base/err.h"
#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

#define DB_APPLICATION_ID 0x6d6d7263 /* "mmrc" */
#define DB_SCHEMA_VERSION 5

enum { DB_READ = 0, DB_WRITE = 1, DB_CREATE = 2 };

struct db;

/* NULL: missing, not a database, someone else's, of another schema version, read-only. With
 * DB_WRITE an older schema is migrated in one transaction and the views are renewed. */
struct db *db_open(const char *path, int flags, struct err *e) MM_MUST_CHECK;
void db_close(struct db *db); /* NULL is accepted; checkpoints the WAL when it wrote */
const char *db_path(const struct db *db);
sqlite3 *db_handle(struct db *db);

/* The owner hands statements to another thread and goes on with other work: until it is
 * called with NULL, all functions here but those of a statement (db_step, ...) first call
 * wait(ctx), which returns when that thread has left the connection. What the owner is
 * stepping must have ended before it hands anything over. */
void db_share(struct db *db, void (*wait)(void *ctx), void *ctx);

/* The statement of that literal, prepared once a connection (keyed by the pointer), reset,
 * bindings cleared. Borrowed: never finalize it. Not to be used while it is being stepped. */
sqlite3_stmt *db_use(struct db *db, const char *sql);
void db_exec(struct db *db, const char *sql); /* several statements, no bindings */

/* Bind by name; an unknown name dies. Bytes are borrowed until the statement is reset. */
void db_int(sqlite3_stmt *q, const char *name, int64_t v);
void db_real(sqlite3_stmt *q, const char *name, double v); /* NaN binds NULL */
void db_text(sqlite3_stmt *q, const char *name, const char *s); /* NULL binds NULL */
void db_textn(sqlite3_stmt *q, const char *name, const char *s, size_t n);
void db_blob(sqlite3_stmt *q, const char *name, const void *p, size_t n);

int db_step(sqlite3_stmt *q);  /* 1: a row, 0: done (and reset) */
void db_run(sqlite3_stmt *q);  /* step to the end */
int64_t db_one_int(sqlite3_stmt *q, int64_t none); /* first column of the first row */
const char *db_col_text(sqlite3_stmt *q, int col); /* "" for NULL; until the next step */

void db_begin(struct db *db); /* BEGIN IMMEDIATE */
void db_commit(struct db *db);
void db_rollback(struct db *db);
int64_t db_last_id(struct db *db);
int64_t db_changes(struct db *db);

/* For one bulk load: the generation triggers off (inside the caller's transaction) and on
 * again with one new token for each table of `tables` (blank-separated). */
void db_triggers_off(struct db *db);
void db_triggers_on(struct db *db, const char *tables);

/* content.id of a digest, made if new. */
int64_t db_content(struct db *db, const unsigned char digest[32], int64_t bytes);
/* The same where the caller knows that it is new. */
int64_t db_content_new(struct db *db, const unsigned char digest[32], int64_t bytes);

/* Settings: value of a name (owned by the caller, free()) or NULL. */
char *db_setting(struct db *db, const char *name);
void db_set_setting(struct db *db, const char *name, const char *value);

#endif
