/* SPDX-License-Identifier: MIT */
/* Opening, refusing, migrating; generation tokens; settings; vectors; freshness of stages. */
#include "base/buf.h"
#include "base/embed.h"
#include "base/util.h"
#include "db/db.h"
#include "db/setting.h"
#include "db/stage.h"
#include "db/vec.h"
#include "tap.h"
#include <stdlib.h>
#include <unistd.h>

static char dir[] = "/tmp/mm-test-XXXXXX";

static const char *file(const char *name)
{
    static char path[4][200];
    static int next;
    next = (next + 1) % 4;
    snprintf(path[next], sizeof path[next], "%s/%s", dir, name);
    unlink(path[next]);
    return path[next];
}

static void raw(const char *path, const char *sql)
{
    sqlite3 *h;
    char *why = NULL;
    sqlite3_open(path, &h);
    if (sqlite3_exec(h, sql, NULL, NULL, &why) != SQLITE_OK)
        printf("# %s\n", why);
    sqlite3_free(why);
    sqlite3_close(h);
}

static void test_open(void)
{
    struct err e = {""};
    const char *path = file("a.db");
    ok(!db_open(path, DB_WRITE, &e) && strstr(e.text, "no such database"), "missing: %s", e.text);
    struct db *db = db_open(path, DB_WRITE | DB_CREATE, &e);
    ok(db != NULL, "made");
    static const char sql_mode[] = "PRAGMA journal_mode";
    sqlite3_stmt *q = db_use(db, sql_mode);
    is(db_step(q) ? db_col_text(q, 0) : "", "wal", "WAL");
    sqlite3_reset(q);
    db_close(db);
    raw(path, "PRAGMA user_version = 99");
    ok(!db_open(path, DB_WRITE, &e) && strstr(e.text, "newer"), "newer: %s", e.text);
    const char *alien = file("b.db");
    raw(alien, "CREATE TABLE x (y)");
    ok(!db_open(alien, DB_WRITE | DB_CREATE, &e) && strstr(e.text, "another program"), "alien: %s",
       e.text);
}

/* Tables and columns as PRAGMA table_info has them, the indices, the triggers: what a migrated
 * file must share with a new one. */
static void shape(struct buf *out, const char *path)
{
    static const char sql_shape[] =
        "SELECT group_concat(x, char(10)) FROM (SELECT m.name || '.' || c.name || ' ' || c.type\n"
        "|| ' ' || c.\"notnull\" || ' ' || coalesce(c.dflt_value, '') || ' ' || c.pk AS x\n"
        "FROM sqlite_schema m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'\n"
        "UNION ALL SELECT type || ' ' || name FROM sqlite_schema\n"
        "WHERE type <> 'table' ORDER BY 1)";
    struct err e;
    struct db *db = db_open(path, DB_WRITE | DB_CREATE, &e);
    if (!db)
        die("%s", e.text);
    sqlite3_stmt *q = db_use(db, sql_shape);
    buf_adds(out, db_step(q) ? db_col_text(q, 0) : "");
    sqlite3_reset(q);
    db_close(db);
}

/* A file as version `from` made it becomes one of today, its rows with it. */
static void test_migration_from(int from)
{
    struct err e = {""};
    struct buf old = {0}, have = {0}, want = {0};
    char name[64], tail[512];
    const char *path = file("old.db");
    snprintf(name, sizeof name, "tests/golden/schema/v%d.sql", from);
    ok(buf_read_file(&old, name, 1 << 20, &e) == 0, "%s", name);
    snprintf(tail, sizeof tail,
             "INSERT INTO source VALUES (1, '/x', 'table', 'reviews', 1, 1, 1, zeroblob(32), 5, 0,"
             " 0, 0, 'n'%s); INSERT INTO model (name, kind, dense, sparse, blocks)"
             " VALUES ('m', 'dlrm', 'user_mean', 0, '');"
             "INSERT INTO experiment (id, model, seed, asked_by) VALUES (7, 'm', 3, 'me');"
             "PRAGMA application_id = 1835889251; PRAGMA user_version = %d",
             from == 1 ? "" : from == 2 ? ", 0" : ", 0, NULL", from);
    buf_adds(&old, tail);
    raw(path, buf_str(&old));
    ok(!db_open(path, DB_READ, &e), "read-only refuses an older schema: %s", e.text);
    util_verbosity = -1;
    struct db *db = db_open(path, DB_WRITE, &e);
    ok(db != NULL, "a writing tool migrates version %d %s", from, db ? "" : e.text);
    if (!db)
        return;
    static const char sql_all[] = "SELECT records + bad_times FROM source WHERE quick IS NULL";
    static const char sql_row[] =
        "SELECT id FROM experiment WHERE asked_by = 'me' AND stopping = 'fpr' AND decay = 0";
    static const char sql_version[] = "PRAGMA user_version";
    static const char sql_views[] = "SELECT count(*) FROM v_leak";
    ok(db_one_int(db_use(db, sql_all), -1) == 5, "its rows are kept, new columns have defaults");
    ok(db_one_int(db_use(db, sql_row), -1) == 7, "also those of a table made anew");
    ok(db_one_int(db_use(db, sql_version), 0) == DB_SCHEMA_VERSION, "it has the present version");
    ok(db_one_int(db_use(db, sql_views), -1) == 0, "and the present views");
    db_close(db);
    char *kept = xstrdup(path);
    shape(&have, kept);
    shape(&want, file("new.db"));
    is(buf_str(&have), buf_str(&want), "tables, columns, indices, triggers of a new file");
    free(kept);
    buf_release(&old);
    buf_release(&have);
    buf_release(&want);
}

static void test_migration(void)
{
    struct err e = {""};
    for (int from = 1; from < DB_SCHEMA_VERSION; from++)
        test_migration_from(from);
    const char *odd = file("odd.db");
    raw(odd, "CREATE TABLE x (y); PRAGMA application_id = 1835889251; PRAGMA user_version = 0");
    ok(!db_open(odd, DB_WRITE, &e) && strstr(e.text, "no way"), "no step from version 0: %s", e.text);
}

static void token(struct db *db, char out[64])
{
    static const char sql_token[] = "SELECT token FROM generation WHERE tbl = 'experiment'";
    sqlite3_stmt *q = db_use(db, sql_token);
    snprintf(out, 64, "%s", db_step(q) ? db_col_text(q, 0) : "?");
    sqlite3_reset(q);
}

static void test_tokens(void)
{
    struct err e;
    struct db *db = db_open(file("t.db"), DB_WRITE | DB_CREATE, &e);
    char a[64], b[64], c[64];
    db_exec(db, "INSERT INTO model (name, kind, dense, sparse, blocks) VALUES ('m', 'dlrm', '', 0, '')");
    token(db, a);
    db_exec(db, "INSERT INTO experiment (model, seed) VALUES ('m', 1)");
    token(db, b);
    db_exec(db, "INSERT INTO experiment (model, seed) VALUES ('m', 2)");
    token(db, c);
    ok(strcmp(a, b) != 0, "an insert gives a new token");
    is(c, b, "a second one before anybody looked does not");
    db_exec(db, "UPDATE generation SET clean = 1");
    db_exec(db, "UPDATE experiment SET seed = 3 WHERE seed = 2");
    token(db, a);
    ok(strcmp(a, c) != 0, "an update after a look does");
    db_exec(db, "UPDATE generation SET clean = 1; DELETE FROM experiment WHERE seed = 3");
    token(db, b);
    ok(strcmp(a, b) != 0, "a delete too");
    db_begin(db);
    db_triggers_off(db);
    db_exec(db, "UPDATE generation SET clean = 1; INSERT INTO experiment (model, seed) VALUES ('m', 9)");
    token(db, c);
    is(c, b, "with triggers off nothing moves");
    db_triggers_on(db, "experiment");
    db_commit(db);
    token(db, c);
    ok(strcmp(c, b) != 0, "switched on again the table has a new token");
    db_close(db);
}

static void test_settings(void)
{
    struct err e;
    struct db *db = db_open(file("s.db"), DB_WRITE | DB_CREATE, &e);
    char *v = setting_value(db, "SPLIT");
    is(v, "auto", "a default");
    free(v);
    ok(setting_change(db, "SPLIT", "user", &e) == 1, "a change");
    ok(setting_change(db, "SPLIT", "user", &e) == 0, "no change");
    ok(setting_change(db, "SPLIT", "u", &e) < 0 && strstr(e.text, "not one of"), "refused: %s", e.text);
    ok(setting_change(db, "FOLDS", "1", &e) < 0, "out of range: %s", e.text);
    ok(!setting_find("SPILT_SEED", &e) && strstr(e.text, "SPLIT_SEED?"), "misspelt: %s", e.text);
    ok(!setting_find("DBB", &e) && strstr(e.text, "DB?"), "misspelt DB: %s", e.text);
    db_close(db);
}

static void test_vectors(void)
{
    struct err e = {""};
    struct db *db = db_open(file("v.db"), DB_WRITE | DB_CREATE, &e);
    static const char sql_put[] = "INSERT INTO embedding (method_id, content_id, vec) VALUES (1, :c, :v)";
    static const char sql_get[] = "SELECT vec FROM embedding WHERE content_id = :c";
    float in[3] = {1, -2.5f, 3e-20f}, out[3], bad[3] = {1, NAN, 0};
    for (int i = 0; i < 2; i++) {
        sqlite3_stmt *q = db_use(db, sql_put);
        db_int(q, ":c", i);
        vec_bind(q, ":v", i ? bad : in, 3);
        db_run(q);
    }
    sqlite3_stmt *q = db_use(db, sql_get);
    db_int(q, ":c", 0);
    ok(db_step(q) && vec_column(out, q, 0, 3, &e) == 0 && !memcmp(in, out, sizeof in), "bits come back");
    ok(vec_column(out, q, 0, 4, &e) < 0, "another length is refused: %s", e.text);
    q = db_use(db, sql_get);
    db_int(q, ":c", 1);
    ok(db_step(q) && vec_column(out, q, 0, 3, &e) < 0, "not finite is refused: %s", e.text);
    sqlite3_reset(q);
    db_close(db);
}

static void test_freshness(void)
{
    struct err e;
    struct db *db = db_open(file("f.db"), DB_WRITE | DB_CREATE, &e);
    const struct stage_def *d = stage_find("caption");
    struct opts o = opts_default;
    struct stage s;
    struct buf why = {0};
    o.threads = 1;
    ok(!stage_fresh(db, d, &why), "never run: not fresh (%s)", buf_str(&why));
    stage_begin(&s, db, "caption", &o);
    ok(!stage_fresh(db, d, NULL), "running: not fresh");
    ok(stage_end(&s) == EXIT_DONE && stage_fresh(db, d, NULL), "done: fresh");
    db_exec(db, "INSERT INTO image (key, state) VALUES ('x', 'missing')");
    buf_clear(&why);
    ok(!stage_fresh(db, d, &why) && strstr(why.data, "table image"), "its input changed: %s", why.data);
    stage_begin(&s, db, "caption", &o);
    db_exec(db, "INSERT INTO image (key, state) VALUES ('y', 'missing')");
    ok(stage_end(&s) == EXIT_DONE && !stage_fresh(db, d, NULL), "a row that came meanwhile is not missed");
    o.max_failures = "5";
    stage_begin(&s, db, "caption", &o);
    db_begin(db);
    stage_fail(&s, "photo x", "no answer", 0);
    db_commit(db);
    ok(stage_end(&s) == EXIT_DONE && !stage_fresh(db, d, NULL), "what may pass is tried again");
    stage_begin(&s, db, "caption", &o);
    db_begin(db);
    stage_fail(&s, "photo x", "damaged", 1);
    db_commit(db);
    ok(stage_end(&s) == EXIT_DONE && stage_fresh(db, d, NULL), "a defect of the data is not");
    db_exec(db, "INSERT INTO image (key, state) VALUES ('z', 'missing')");
    o.limit = 0;
    stage_begin(&s, db, "caption", &o);
    ok(stage_end(&s) == EXIT_DONE && !stage_fresh(db, d, NULL), "a limited run does not count as full");
    buf_release(&why);
    db_close(db);
}

int main(void)
{
    util_verbosity = -1;
    if (!mkdtemp(dir))
        return 1;
    test_open();
    test_migration();
    test_tokens();
    test_settings();
    test_vectors();
    test_freshness();
    char cmd[300];
    snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
    return system(cmd) != 0 || done();
}
