/* SPDX-License-Identifier: MIT */
#include "db/method.h"
#include "db/db.h"
#include <stddef.h>

static int64_t find(struct db *db, const struct method *m)
{
    static const char sql_find[] =
        "SELECT id FROM method WHERE task = :task AND name = :name AND version = :version\n"
        "AND params = :params";
    sqlite3_stmt *q = db_use(db, sql_find);
    db_text(q, ":task", m->task);
    db_text(q, ":name", m->name);
    db_int(q, ":version", m->version);
    db_text(q, ":params", m->params);
    return db_one_int(q, 0);
}

static void add(struct db *db, const struct method *m)
{
    static const char sql_add[] =
        "INSERT INTO method (task, name, version, params, dim, note)\n"
        "VALUES (:task, :name, :version, :params, nullif(:dim, 0), :note)";
    sqlite3_stmt *q = db_use(db, sql_add);
    db_text(q, ":task", m->task);
    db_text(q, ":name", m->name);
    db_int(q, ":version", m->version);
    db_text(q, ":params", m->params);
    db_int(q, ":dim", m->dim);
    db_text(q, ":note", m->note);
    db_run(q);
}

static const char sql_demote[] =
    "UPDATE method SET current = 0 WHERE task = :task AND current = 1 AND id <> :id";

int64_t method_id(struct db *db, const struct method *m, int plan)
{
    static const char sql_promote[] =
        "UPDATE method SET current = 1, note = :note WHERE id = :id\n"
        "AND (current, note) IS NOT (1, :note)";
    int64_t id = find(db, m);
    if (plan)
        return id;
    db_begin(db);
    if (!id) {
        add(db, m);
        id = db_last_id(db);
    }
    sqlite3_stmt *q = db_use(db, sql_demote);
    db_text(q, ":task", m->task);
    db_int(q, ":id", id);
    db_run(q);
    q = db_use(db, sql_promote);
    db_text(q, ":note", m->note);
    db_int(q, ":id", id);
    db_run(q);
    db_commit(db);
    return id;
}

void method_none(struct db *db, const char *task)
{
    db_begin(db);
    sqlite3_stmt *q = db_use(db, sql_demote);
    db_text(q, ":task", task);
    db_int(q, ":id", 0);
    db_run(q);
    db_commit(db);
}

static int64_t id_and_dim(sqlite3_stmt *q, int *dim)
{
    int64_t id = 0;
    if (db_step(q)) {
        id = sqlite3_column_int64(q, 0);
        if (dim)
            *dim = sqlite3_column_int(q, 1);
    }
    sqlite3_reset(q);
    return id;
}

int64_t method_current(struct db *db, const char *task, int *dim)
{
    static const char sql_current[] =
        "SELECT id, coalesce(dim, 0) FROM method WHERE task = :task AND current = 1";
    sqlite3_stmt *q = db_use(db, sql_current);
    db_text(q, ":task", task);
    return id_and_dim(q, dim);
}

int64_t method_named(struct db *db, const char *task, const char *name, int *dim)
{
    static const char sql_named[] =
        "SELECT id, coalesce(dim, 0) FROM method WHERE task = :task AND name = :name\n"
        "ORDER BY current DESC, id DESC LIMIT 1";
    if (!name)
        return method_current(db, task, dim);
    sqlite3_stmt *q = db_use(db, sql_named);
    db_text(q, ":task", task);
    db_text(q, ":name", name);
    return id_and_dim(q, dim);
}
