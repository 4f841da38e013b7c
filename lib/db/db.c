/* SPDX-License-Identifier: MIT */
#include "db/db.h"
#include "base/embed.h"
#include "base/sha256.h"
#include "base/util.h"
#include "db/migrate.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>

#define BUSY_TIMEOUT_MS 60000

struct cached {
    const char *sql; /* key: the literal's address */
    sqlite3_stmt *stmt;
    UT_hash_handle hh;
};

struct db {
    sqlite3 *h;
    char *path;
    struct cached *cache;
    int wrote;
    void (*wait)(void *); /* db_share */
    void *wait_ctx;
};

/* The sentence for a failure that the user can do something about; 0: none is known. Opening
 * on a full disk fails while SQLite sizes the -shm file, with an I/O error and not FULL. */
static int sentence(struct err *e, sqlite3 *h, const char *path)
{
    int rc = sqlite3_extended_errcode(h), system = sqlite3_system_errno(h);
    int full = (rc & 0xff) == SQLITE_FULL || rc == SQLITE_IOERR_SHMSIZE ||
               ((rc & 0xff) == SQLITE_IOERR && (system == ENOSPC || system == EDQUOT));
    if (full)
        return err_set(e, "%s: the disk is full; nothing committed is lost, free some space and "
                          "run again", path);
    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return err_set(e, "%s: locked by another process for over %d s; run again when it has "
                          "ended", path, BUSY_TIMEOUT_MS / 1000);
    case SQLITE_READONLY:
        if (sqlite3_db_readonly(h, "main") == 1) /* even a reader needs the -shm file */
            return err_set(e, "%s: cannot be read where nothing can be written; copy it to "
                              "another folder", path);
        return err_set(e, "%s: cannot be written (read-only file, folder or file system)", path);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return err_set(e, "%s: damaged (%s); restore a copy, or salvage it with sqlite3's "
                          ".recover", path, sqlite3_errmsg(h));
    default:
        return 0;
    }
}

static void die_sql(sqlite3 *h, const char *doing)
{
    struct err e;
    const char *path = sqlite3_db_filename(h, "main");
    if (!path)
        path = "database";
    if (sentence(&e, h, path) < 0)
        die("%s", e.text);
    die("%s: %s (code %d) in: %.300s", path, sqlite3_errmsg(h), sqlite3_extended_errcode(h),
        doing);
}

const char *db_path(const struct db *db)
{
    return db->path;
}

void db_share(struct db *db, void (*wait)(void *ctx), void *ctx)
{
    db->wait = wait;
    db->wait_ctx = ctx;
}

/* The connection, when no other thread uses it. */
sqlite3 *db_handle(struct db *db)
{
    if (db->wait)
        db->wait(db->wait_ctx);
    return db->h;
}

void db_exec(struct db *db, const char *sql)
{
    db_handle(db);
    if (sqlite3_exec(db->h, sql, NULL, NULL, NULL) != SQLITE_OK)
        die_sql(db->h, sql);
}

sqlite3_stmt *db_use(struct db *db, const char *sql)
{
    struct cached *c;
    db_handle(db);
    HASH_FIND_PTR(db->cache, &sql, c);
    if (!c) {
        c = xcalloc(1, sizeof *c);
        c->sql = sql;
        if (sqlite3_prepare_v3(db->h, sql, -1, SQLITE_PREPARE_PERSISTENT, &c->stmt, NULL))
            die_sql(db->h, sql);
        HASH_ADD_PTR(db->cache, sql, c);
    }
    sqlite3_reset(c->stmt);
    sqlite3_clear_bindings(c->stmt);
    return c->stmt;
}

static int slot(sqlite3_stmt *q, const char *name)
{
    int i = sqlite3_bind_parameter_index(q, name);
    if (i == 0)
        die("no parameter %s in: %.300s", name, sqlite3_sql(q));
    return i;
}

static void bound(int rc, sqlite3_stmt *q)
{
    if (rc != SQLITE_OK)
        die_sql(sqlite3_db_handle(q), sqlite3_sql(q));
}

void db_int(sqlite3_stmt *q, const char *name, int64_t v)
{
    bound(sqlite3_bind_int64(q, slot(q, name), v), q);
}

void db_real(sqlite3_stmt *q, const char *name, double v)
{
    bound(isnan(v) ? sqlite3_bind_null(q, slot(q, name))
                   : sqlite3_bind_double(q, slot(q, name), v), q);
}

void db_text(sqlite3_stmt *q, const char *name, const char *s)
{
    bound(sqlite3_bind_text(q, slot(q, name), s, -1, SQLITE_STATIC), q);
}

void db_textn(sqlite3_stmt *q, const char *name, const char *s, size_t n)
{
    bound(sqlite3_bind_text64(q, slot(q, name), s, n, SQLITE_STATIC, SQLITE_UTF8), q);
}

void db_blob(sqlite3_stmt *q, const char *name, const void *p, size_t n)
{
    bound(p ? sqlite3_bind_blob64(q, slot(q, name), p, n, SQLITE_STATIC)
            : sqlite3_bind_null(q, slot(q, name)), q);
}

int db_step(sqlite3_stmt *q)
{
    switch (sqlite3_step(q)) {
    case SQLITE_ROW:
        return 1;
    case SQLITE_DONE:
        sqlite3_reset(q);
        return 0;
    default:
        die_sql(sqlite3_db_handle(q), sqlite3_sql(q));
    }
    return 0;
}

void db_run(sqlite3_stmt *q)
{
    while (db_step(q))
        ;
}

int64_t db_one_int(sqlite3_stmt *q, int64_t none)
{
    int64_t v = none;
    if (db_step(q) && sqlite3_column_type(q, 0) != SQLITE_NULL)
        v = sqlite3_column_int64(q, 0);
    sqlite3_reset(q);
    return v;
}

const char *db_col_text(sqlite3_stmt *q, int col)
{
    const char *s = (const char *)sqlite3_column_text(q, col);
    return s ? s : "";
}

void db_begin(struct db *db)
{
    db_exec(db, "BEGIN IMMEDIATE");
    db->wrote = 1;
}

void db_commit(struct db *db)
{
    db_exec(db, "COMMIT");
}

void db_rollback(struct db *db)
{
    if (!sqlite3_get_autocommit(db_handle(db)))
        db_exec(db, "ROLLBACK");
}

int64_t db_last_id(struct db *db)
{
    return sqlite3_last_insert_rowid(db_handle(db));
}

int64_t db_changes(struct db *db)
{
    return sqlite3_changes64(db_handle(db));
}

/* DDL cannot bind parameters. The table names come from our own schema (generation.tbl) and
 * are quoted by SQLite's own %w. */
static void trigger_ddl(struct db *db, const char *fmt, const char *tbl, const char *event)
{
    char *sql = sqlite3_mprintf(fmt, tbl, event, event, tbl, tbl);
    if (!sql)
        die("out of memory");
    db_exec(db, sql);
    sqlite3_free(sql);
}

static void each_trigger(struct db *db, const char *fmt)
{
    static const char *const events[] = {"INSERT", "UPDATE", "DELETE"};
    static const char sql_tables[] = "SELECT group_concat(tbl, ' ') FROM generation";
    sqlite3_stmt *q = db_use(db, sql_tables);
    char *all = db_step(q) ? xstrdup(db_col_text(q, 0)) : xstrdup("");
    sqlite3_reset(q);
    char *save = NULL;
    for (char *t = strtok_r(all, " ", &save); t; t = strtok_r(NULL, " ", &save))
        for (size_t i = 0; i < ARRAY_LEN(events); i++)
            trigger_ddl(db, fmt, t, events[i]);
    free(all);
}

void db_triggers_off(struct db *db)
{
    each_trigger(db, "DROP TRIGGER IF EXISTS \"gen_%w_%w\"");
}

static void triggers_make(struct db *db)
{
    each_trigger(db, "CREATE TRIGGER IF NOT EXISTS \"gen_%w_%w\" AFTER %s ON \"%w\" BEGIN "
                     "UPDATE generation SET token = hex(randomblob(8)), clean = 0 "
                     "WHERE tbl = '%q' AND clean = 1; END");
}

void db_triggers_on(struct db *db, const char *tables)
{
    static const char sql_bump[] =
        "UPDATE generation SET token = hex(randomblob(8)), clean = 0\n"
        "WHERE instr(' ' || :tables || ' ', ' ' || tbl || ' ')";
    triggers_make(db);
    sqlite3_stmt *q = db_use(db, sql_bump);
    db_text(q, ":tables", tables);
    db_run(q);
}

int64_t db_content(struct db *db, const unsigned char digest[32], int64_t bytes)
{
    static const char sql_find[] = "SELECT id FROM content WHERE digest = :digest";
    sqlite3_stmt *q = db_use(db, sql_find);
    db_blob(q, ":digest", digest, 32);
    int64_t id = db_one_int(q, 0);
    return id ? id : db_content_new(db, digest, bytes);
}

int64_t db_content_new(struct db *db, const unsigned char digest[32], int64_t bytes)
{
    static const char sql_add[] = "INSERT INTO content (digest, bytes) VALUES (:digest, :bytes)";
    sqlite3_stmt *q = db_use(db, sql_add);
    db_blob(q, ":digest", digest, 32);
    db_int(q, ":bytes", bytes);
    db_run(q);
    return db_last_id(db);
}

char *db_setting(struct db *db, const char *name)
{
    static const char sql_get[] = "SELECT value FROM setting WHERE name = :name";
    sqlite3_stmt *q = db_use(db, sql_get);
    db_text(q, ":name", name);
    char *v = db_step(q) ? xstrdup(db_col_text(q, 0)) : NULL;
    sqlite3_reset(q);
    return v;
}

void db_set_setting(struct db *db, const char *name, const char *value)
{
    static const char sql_set[] =
        "INSERT INTO setting (name, value, at) VALUES (:name, :value, unixepoch())\n"
        "ON CONFLICT (name) DO UPDATE SET value = excluded.value, at = excluded.at\n"
        "WHERE value <> excluded.value";
    sqlite3_stmt *q = db_use(db, sql_set);
    db_text(q, ":name", name);
    db_text(q, ":value", value);
    db_run(q);
}

/* ---- opening ---- */

static int64_t pragma_int(struct db *db, const char *sql)
{
    sqlite3_stmt *q;
    if (sqlite3_prepare_v2(db->h, sql, -1, &q, NULL) != SQLITE_OK)
        return -1;
    int64_t v = sqlite3_step(q) == SQLITE_ROW ? sqlite3_column_int64(q, 0) : -1;
    sqlite3_finalize(q);
    return v;
}

/* Where the views begin: the part that may be renewed at any time. */
static const char *views_text(void)
{
    const char *marks = strstr(embed_find("schema.sql")->text, "-- ---");
    for (const char *p = marks; p; p = strstr(p + 1, "-- ---"))
        marks = p;
    return marks;
}

static void drop_views(struct db *db)
{
    sqlite3_stmt *q;
    static const char sql[] = "SELECT 'DROP VIEW \"' || replace(name, '\"', '\"\"') || '\"'\n"
                              "FROM sqlite_schema WHERE type = 'view' AND name GLOB 'v_*'";
    char *all = xstrdup("");
    if (sqlite3_prepare_v2(db->h, sql, -1, &q, NULL) != SQLITE_OK)
        die_sql(db->h, sql);
    while (db_step(q)) {
        char *more = xasprintf("%s%s;", all, db_col_text(q, 0));
        free(all);
        all = more;
    }
    sqlite3_finalize(q);
    db_exec(db, all);
    free(all);
}

static void renew_views(struct db *db)
{
    unsigned char digest[SHA256_BYTES];
    char hex[SHA256_HEX];
    const char *text = views_text();
    sha256_of(digest, text, strlen(text));
    sha256_hex(hex, digest);
    char *have = db_setting(db, "views_digest");
    if (!have || strcmp(have, hex) != 0) {
        db_begin(db);
        drop_views(db);
        db_exec(db, text);
        db_set_setting(db, "views_digest", hex);
        db_commit(db);
    }
    free(have);
}

static void create_schema(struct db *db)
{
    db_exec(db, "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL");
    db_begin(db);
    if (pragma_int(db, "PRAGMA user_version") == 0) { /* nobody was faster */
        const char *views = views_text();
        char *tables = xstrdup(embed_find("schema.sql")->text);
        tables[views - embed_find("schema.sql")->text] = 0;
        db_exec(db, tables);
        free(tables);
        triggers_make(db);
        char *pragmas = xasprintf("PRAGMA application_id = %d; PRAGMA user_version = %d",
                                  DB_APPLICATION_ID, DB_SCHEMA_VERSION);
        db_exec(db, pragmas);
        free(pragmas);
    }
    db_commit(db);
}

/* What the file is: 0 ours and current, 1 ours and older, 2 empty, -1 not for us. */
static int examine(struct db *db, struct err *e)
{
    int64_t tables = pragma_int(db, "SELECT count(*) FROM sqlite_schema");
    if (tables < 0) {
        int rc = sqlite3_errcode(db->h);
        if (rc == SQLITE_NOTADB)
            return err_set(e, "%s: not an SQLite database; name another file with DB=", db->path);
        if (sentence(e, db->h, db->path) < 0)
            return -1;
        return err_set(e, "%s: %s", db->path, sqlite3_errmsg(db->h));
    }
    int64_t app = pragma_int(db, "PRAGMA application_id");
    int64_t version = pragma_int(db, "PRAGMA user_version");
    if (tables == 0 && app == 0)
        return 2;
    if (app != DB_APPLICATION_ID)
        return err_set(e, "%s: a database of another program; name another file with DB=",
                       db->path);
    if (version > DB_SCHEMA_VERSION)
        return err_set(e, "%s: schema version %lld, this mmrec knows %d; use a newer mmrec",
                       db->path, (long long)version, DB_SCHEMA_VERSION);
    return version < DB_SCHEMA_VERSION;
}

static int prepare_file(struct db *db, int flags, struct err *e)
{
    int what = examine(db, e);
    if (what < 0)
        return -1;
    if (!(flags & DB_WRITE)) {
        if (what == 2)
            return err_set(e, "%s: empty; run mm-ingest first", db->path);
        if (what == 1)
            return err_set(e, "%s: an older schema; any writing tool migrates it", db->path);
        return 0;
    }
    if (what == 2 && !(flags & DB_CREATE))
        return err_set(e, "%s: empty; run mm-ingest first", db->path);
    if (sqlite3_db_readonly(db->h, "main"))
        return err_set(e, "%s: cannot be written (read-only file, folder or file system)",
                       db->path);
    if (what == 2)
        create_schema(db);
    if (what == 1 && migrate(db, (int)pragma_int(db, "PRAGMA user_version"), e) < 0)
        return -1;
    renew_views(db);
    return 0;
}

static int check_path(const char *path, int flags, struct err *e)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        if (errno == ENOENT && (flags & DB_CREATE))
            return 0;
        if (errno == ENOENT)
            return err_set(e, "%s: no such database; run mm-ingest first or name one with --db",
                           path);
        return err_set(e, "%s: %s", path, strerror(errno));
    }
    if (!S_ISREG(st.st_mode))
        return err_set(e, "%s: not a regular file", path);
    if ((flags & DB_WRITE) && access(path, W_OK) != 0)
        return err_set(e, "%s: cannot be written: %s", path, strerror(errno));
    return 0;
}

struct db *db_open(const char *path, int flags, struct err *e)
{
    if (check_path(path, flags, e) < 0)
        return NULL;
    struct db *db = xcalloc(1, sizeof *db);
    db->path = xstrdup(path);
    int mode = (flags & DB_WRITE) ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
    if (flags & DB_CREATE)
        mode |= SQLITE_OPEN_CREATE;
    if (sqlite3_open_v2(path, &db->h, mode | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
        err_set(e, "%s: %s", path, sqlite3_errmsg(db->h));
        goto fail;
    }
    sqlite3_busy_timeout(db->h, BUSY_TIMEOUT_MS);
    if (prepare_file(db, flags, e) < 0)
        goto fail;
    db_exec(db, "PRAGMA foreign_keys = ON; PRAGMA synchronous = NORMAL;"
                "PRAGMA cache_size = -16384; PRAGMA temp_store = FILE");
    db->wrote = 0;
    return db;
fail:
    db_close(db);
    return NULL;
}

void db_close(struct db *db)
{
    if (!db)
        return;
    struct cached *c, *next;
    HASH_ITER(hh, db->cache, c, next) {
        HASH_DEL(db->cache, c);
        sqlite3_finalize(c->stmt);
        free(c);
    }
    if (db->wrote) /* fails harmlessly while another tool reads */
        sqlite3_wal_checkpoint_v2(db->h, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    sqlite3_close(db->h);
    free(db->path);
    free(db);
}
