/* SPDX-License-Identifier: MIT */
#include "llm/exchange.h"
#include "base/sha256.h"
#include "base/util.h"
#include "db/db.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ANSWERS_ID 0x6d6d6161 /* application_id, "mmaa" */

enum { REQUEST_MAX = 16 << 20, ANSWER_MAX = 16 << 20, NTH_MAX = 1000 };

static int refuse(sqlite3 *file, const char *path, const char *why)
{
    warn("%s: %s", path, why);
    sqlite3_close(file);
    return EXIT_FAILED;
}

/* ---- out ---- */

static sqlite3 *create_file(const char *path)
{
    sqlite3 *file;
    char *create = xasprintf(
        "PRAGMA application_id = %d; PRAGMA user_version = 1; BEGIN;\n"
        "CREATE TABLE answer (digest BLOB NOT NULL, nth INTEGER NOT NULL, task TEXT NOT NULL,\n"
        "requested TEXT NOT NULL, request TEXT NOT NULL, answer TEXT, verdict TEXT,\n"
        "finish_reason TEXT, model TEXT, fingerprint TEXT, attempts INTEGER NOT NULL,\n"
        "tokens_in INTEGER NOT NULL, tokens_cached INTEGER NOT NULL,\n"
        "tokens_out INTEGER NOT NULL, bytes_in INTEGER NOT NULL, usd REAL NOT NULL,\n"
        "latency_s REAL NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (digest, nth)) STRICT",
        ANSWERS_ID);
    if (sqlite3_open(path, &file) != SQLITE_OK ||
        sqlite3_exec(file, create, NULL, NULL, NULL) != SQLITE_OK) {
        refuse(file, path, sqlite3_errmsg(file));
        file = NULL;
    }
    free(create);
    return file;
}

/* The connection to the database only reads, so it cannot write the file: row by row. */
static int copy_out(struct db *db, sqlite3 *file, int64_t *n)
{
    static const char sql_put[] = "INSERT INTO answer VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8,\n"
                                  "?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)";
    static const char sql_all[] =
        "SELECT digest, nth, task, requested, request, answer, verdict, finish_reason, model,\n"
        "fingerprint, attempts, tokens_in, tokens_cached, tokens_out, bytes_in, usd, latency_s,\n"
        "at FROM llm_answer ORDER BY digest, nth";
    sqlite3_stmt *put = NULL, *q = db_use(db, sql_all);
    int rc = sqlite3_prepare_v2(file, sql_put, -1, &put, NULL);
    while (rc == SQLITE_OK && db_step(q)) {
        for (int i = 0; i < sqlite3_column_count(q); i++)
            sqlite3_bind_value(put, i + 1, sqlite3_column_value(q, i));
        rc = sqlite3_step(put) == SQLITE_DONE ? sqlite3_reset(put) : SQLITE_ERROR;
        ++*n;
    }
    sqlite3_reset(q);
    sqlite3_finalize(put);
    return rc == SQLITE_OK ? sqlite3_exec(file, "COMMIT", NULL, NULL, NULL) : rc;
}

int exchange_export(struct db *db, const char *path)
{
    int64_t n = 0;
    if (access(path, F_OK) == 0) {
        warn("%s is there already; name a new file", path);
        return EXIT_USAGE;
    }
    sqlite3 *file = create_file(path);
    if (!file)
        return EXIT_FAILED;
    if (copy_out(db, file, &n) != SQLITE_OK) {
        int status = refuse(file, path, sqlite3_errmsg(file));
        unlink(path);
        return status;
    }
    sqlite3_close(file);
    info("%lld answers in %s", (long long)n, path);
    return EXIT_DONE;
}

/* ---- in ---- */

static sqlite3 *open_answers(const char *path)
{
    sqlite3 *file;
    sqlite3_stmt *q = NULL;
    if (sqlite3_open_v2(path, &file, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK ||
        sqlite3_exec(file, "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON", NULL, NULL,
                     NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(file, "PRAGMA application_id", -1, &q, NULL) != SQLITE_OK ||
        sqlite3_step(q) != SQLITE_ROW) {
        sqlite3_finalize(q);
        refuse(file, path, sqlite3_errmsg(file));
        return NULL;
    }
    int ours = sqlite3_column_int(q, 0) == ANSWERS_ID;
    sqlite3_finalize(q);
    if (!ours) {
        refuse(file, path, "not a file of answers; --export-answers makes one");
        return NULL;
    }
    sqlite3_limit(file, SQLITE_LIMIT_LENGTH, REQUEST_MAX + ANSWER_MAX);
    return file;
}

/* 1: the row is what it says. */
static int sound(sqlite3_stmt *q)
{
    unsigned char digest[SHA256_BYTES];
    int request = sqlite3_column_bytes(q, 4), answer = sqlite3_column_bytes(q, 5);
    if (sqlite3_column_type(q, 0) != SQLITE_BLOB ||
        sqlite3_column_bytes(q, 0) != SHA256_BYTES || sqlite3_column_type(q, 1) != SQLITE_INTEGER ||
        sqlite3_column_int64(q, 1) < 0 || sqlite3_column_int64(q, 1) > NTH_MAX ||
        sqlite3_column_type(q, 4) != SQLITE_TEXT || request > REQUEST_MAX || answer > ANSWER_MAX)
        return 0;
    sha256_of(digest, sqlite3_column_text(q, 4), (size_t)request);
    return memcmp(digest, sqlite3_column_blob(q, 0), SHA256_BYTES) == 0;
}

/* NOT NULL columns of the target are TEXT or numbers; a file that leaves one NULL gives ''
 * or 0. */
static void take(struct db *db, sqlite3_stmt *from)
{
    static const char sql_put[] =
        "INSERT OR IGNORE INTO llm_answer (digest, nth, task, requested, request, answer,\n"
        "verdict, finish_reason, model, fingerprint, attempts, tokens_in, tokens_cached,\n"
        "tokens_out, bytes_in, usd, latency_s, uses, origin, at) VALUES (?1, ?2,\n"
        "coalesce(CAST(?3 AS TEXT), ''), coalesce(CAST(?4 AS TEXT), ''), ?5, CAST(?6 AS TEXT),\n"
        "CAST(?7 AS TEXT), CAST(?8 AS TEXT), CAST(?9 AS TEXT), CAST(?10 AS TEXT),\n"
        "coalesce(CAST(?11 AS INTEGER), 1), coalesce(CAST(?12 AS INTEGER), 0),\n"
        "coalesce(CAST(?13 AS INTEGER), 0), coalesce(CAST(?14 AS INTEGER), 0),\n"
        "coalesce(CAST(?15 AS INTEGER), 0), coalesce(CAST(?16 AS REAL), 0),\n"
        "coalesce(CAST(?17 AS REAL), 0), 0, 'import', coalesce(CAST(?18 AS INTEGER), 0))";
    sqlite3_stmt *q = db_use(db, sql_put);
    for (int i = 0; i < sqlite3_column_count(from); i++)
        sqlite3_bind_value(q, i + 1, sqlite3_column_value(from, i));
    db_run(q);
}

int exchange_import(struct db *db, const char *path)
{
    int64_t found = 0, new = 0, odd = 0;
    int rc;
    sqlite3_stmt *q = NULL;
    sqlite3 *file = open_answers(path);
    if (!file)
        return EXIT_FAILED;
    static const char sql_all[] =
        "SELECT digest, nth, task, requested, request, answer, verdict, finish_reason, model,\n"
        "fingerprint, attempts, tokens_in, tokens_cached, tokens_out, bytes_in, usd, latency_s,\n"
        "at FROM answer";
    if (sqlite3_prepare_v2(file, sql_all, -1, &q, NULL) != SQLITE_OK)
        return refuse(file, path, sqlite3_errmsg(file));
    db_begin(db);
    while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
        found++;
        if (!sound(q)) {
            odd++;
            continue;
        }
        take(db, q);
        new += db_changes(db);
    }
    sqlite3_finalize(q);
    if (rc != SQLITE_DONE) {
        db_rollback(db);
        return refuse(file, path, sqlite3_errmsg(file));
    }
    db_commit(db);
    sqlite3_close(file);
    info("%s: %lld answers, %lld of them new", path, (long long)found, (long long)new);
    if (odd)
        warn("%s: %lld rows were left out: not answers to the requests they name", path,
             (long long)odd);
    return odd ? EXIT_FAILED : EXIT_DONE;
}
