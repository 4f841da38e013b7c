/* SPDX-License-Identifier: MIT */
/* mm-status: what is done and what is not, the stamps that make looks at, the settings, and
 * digests of the content. */
#include "base/buf.h"
#include "base/opts.h"
#include "base/util.h"
#include "db/db.h"
#include "db/digest.h"
#include "db/known.h"
#include "db/setting.h"
#include "db/stage.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct opts_about about = {
    "mm-status", "[options] [NAME=VALUE...]",
    "Shows what is done; remembers settings; keeps make's stamps; prints digests."};

/* Paths are remembered absolute: the next make may run elsewhere. */
static char *absolute(const char *name, const char *value, struct err *e)
{
    int is_file = strcmp(name, "EXPERIMENT") == 0 && strcmp(value, "quick") != 0 &&
                  strcmp(value, "paper") != 0;
    static const char paths[] = " INPUT IMAGES MODELS TEXT_MODEL IMAGE_MODEL BLIP2_MODEL ";
    char word[32];
    snprintf(word, sizeof word, " %s ", name);
    if (!strstr(paths, word) && !is_file)
        return xstrdup(value);
    if (strcmp(name, "INPUT") && (!strcmp(value, "auto") ||
                                  (!strcmp(name, "IMAGES") && !strcmp(value, "none"))))
        return xstrdup(value);
    char *path = realpath(value, NULL);
    if (!path)
        err_set(e, "%s=%s: %s", name, value, strerror(errno));
    return path;
}

static int holds_reviews(struct db *db)
{
    static const char sql_any[] = "SELECT EXISTS (SELECT 1 FROM source)";
    return db_one_int(db_use(db, sql_any), 0) != 0;
}

/* Returns 1 changed, 0 as it was, -1 refused. */
static int remember(struct db *db, const char *assignment, struct err *e)
{
    const char *eq = strchr(assignment, '=');
    if (!eq)
        return err_set(e, "'%s': expected NAME=VALUE", assignment);
    char *name = xstrdup(assignment), *value = NULL, *old = NULL;
    name[eq - assignment] = 0;
    int rc = -1;
    if (!setting_find(name, e) || !(value = absolute(name, eq + 1, e)))
        goto out;
    old = db_setting(db, name);
    if (!strcmp(name, "INPUT") && old && strcmp(old, value) != 0 && holds_reviews(db)) {
        err_set(e, "%s holds %s; name another database with DB= for %s", db_path(db), old, value);
        goto out;
    }
    rc = setting_change(db, name, value, e);
    if (rc == 1 && old)
        info("%s: %s -> %s", name, old, value);
out:
    free(name);
    free(value);
    free(old);
    return rc;
}

static int touch(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    return fd < 0 ? -1 : close(fd);
}

/* The reason why a stage has to run, or 0 when it is fresh. */
static int stale(struct db *db, const struct stage_def *d, struct buf *why)
{
    if (!stage_fresh(db, d, why))
        return 1;
    int write = !sqlite3_db_readonly(db_handle(db), "main");
    return strcmp(d->name, "ingest") == 0 && known_changed(db, write, why);
}

/* A stamp exists just while its stage is fresh. */
static void keep_stamps(struct db *db, const char *dir)
{
    if (mkdir(dir, 0777) != 0 && errno != EEXIST)
        die("%s: %s", dir, strerror(errno));
    for (const struct stage_def *d = stage_defs; d->name; d++) {
        char *path = xasprintf("%s/%s", dir, d->name);
        struct buf why = {0};
        struct stat st;
        int is_stale = stale(db, d, &why);
        if (is_stale && unlink(path) != 0 && errno != ENOENT)
            die("%s: %s", path, strerror(errno));
        if (!is_stale && stat(path, &st) != 0 && touch(path) != 0)
            die("%s: %s", path, strerror(errno));
        buf_release(&why);
        free(path);
    }
}

static void print_settings(struct db *db)
{
    for (const struct setting_def *d = setting_defs; d->name; d++) {
        char *v = db ? setting_value(db, d->name) : xstrdup(d->value);
        printf("  %-18s %-22s %s", d->name, *v ? v : "-", d->meaning);
        if (d->allowed && strncmp(d->allowed, "int ", 4) && strcmp(d->allowed, "percent"))
            printf(" (%s)", d->allowed);
        putchar('\n');
        free(v);
    }
}

static void print_stages(struct db *db)
{
    static const char sql_last[] =
        "SELECT state, done, failed, seconds, peak_kib, note FROM stage_run\n"
        "WHERE stage = :stage ORDER BY id DESC LIMIT 1";
    printf("%-10s %-6s %8s %7s %8s %6s  %s\n", "stage", "fresh", "done", "failed", "seconds",
           "MiB", "why not, or what it said");
    for (const struct stage_def *d = stage_defs; d->name; d++) {
        struct buf why = {0};
        int is_stale = stale(db, d, &why);
        sqlite3_stmt *q = db_use(db, sql_last);
        db_text(q, ":stage", d->name);
        if (db_step(q))
            printf("%-10s %-6s %8lld %7lld %8.1f %6lld  ", d->name, is_stale ? "no" : "yes",
                   (long long)sqlite3_column_int64(q, 1), (long long)sqlite3_column_int64(q, 2),
                   sqlite3_column_double(q, 3), (long long)sqlite3_column_int64(q, 4) / 1024);
        else
            printf("%-10s %-6s %8s %7s %8s %6s  ", d->name, "no", "-", "-", "-", "-");
        const char *text = is_stale ? buf_str(&why) : db_col_text(q, 5);
        print_safe(stdout, text, strlen(text));
        putchar('\n');
        sqlite3_reset(q);
        buf_release(&why);
    }
}

static void print_progress(struct db *db)
{
    static const char sql_progress[] = "SELECT stage, done, pending, failed FROM v_progress";
    sqlite3_stmt *q = db_use(db, sql_progress);
    printf("\n%-10s %10s %10s %10s\n", "stage", "rows done", "pending", "failed");
    while (db_step(q))
        printf("%-10s %10lld %10lld %10lld\n", db_col_text(q, 0),
               (long long)sqlite3_column_int64(q, 1), (long long)sqlite3_column_int64(q, 2),
               (long long)sqlite3_column_int64(q, 3));
}

/* One line per stage that would run, with its reason: what make would decide. */
static int print_plan(struct db *db)
{
    int pending = 0;
    for (const struct stage_def *d = stage_defs; d->name; d++) {
        struct buf why = {0};
        if (stale(db, d, &why)) {
            printf("%s\tstage\t1\t", d->name);
            print_safe(stdout, buf_str(&why), why.len);
            putchar('\n');
            pending = 1;
        }
        buf_release(&why);
    }
    return pending;
}

struct mode {
    int digest, settings, create;
    const char *stamp_dir, *sample;
};

static int run(struct db *db, const struct mode *m, const struct opts *o, char **assign)
{
    struct err e;
    for (; *assign; assign++)
        if (remember(db, *assign, &e) < 0) {
            warn("%s", e.text);
            return EXIT_USAGE;
        }
    if (m->sample && !holds_reviews(db)) {
        char *have = db_setting(db, "INPUT"), *arg = xasprintf("INPUT=%s", m->sample);
        if (!have && remember(db, arg, &e) < 0) {
            warn("%s", e.text);
            return EXIT_FAILED;
        }
        free(have);
        free(arg);
    }
    if (m->stamp_dir)
        keep_stamps(db, m->stamp_dir);
    if (m->digest)
        digest_print(stdout, db);
    else if (m->settings)
        print_settings(db);
    else if (o->plan)
        return print_plan(db) ? EXIT_PENDING : EXIT_DONE;
    else if (!m->stamp_dir && !m->create) {
        print_stages(db);
        print_progress(db);
    }
    return EXIT_DONE;
}

int main(int argc, char **argv)
{
    struct opts o = opts_default;
    struct mode m = {0};
    const struct opt_def defs[] = {
        {"stamps", OPT_STRING, &m.stamp_dir, 0, 0, "DIR", "keep a file per fresh stage in DIR"},
        {"digest", OPT_FLAG, &m.digest, 0, 0, NULL, "print a digest of all content, and per table"},
        {"settings", OPT_FLAG, &m.settings, 0, 0, NULL, "print the settings in force"},
        {"create", OPT_FLAG, &m.create, 0, 0, NULL, "make the database when there is none"},
        {"sample", OPT_STRING, &m.sample, 0, 0, "DIR", "INPUT when none was ever given"},
        {0}};
    int first = opts_parse(argc, argv, &about, defs, &o);
    struct err e;
    if (m.settings && access(o.db, F_OK) != 0) {
        print_settings(NULL);
        return close_stdout(EXIT_DONE);
    }
    int writes = m.stamp_dir || m.create || argv[first];
    struct db *db = db_open(o.db, writes ? DB_WRITE | (m.create ? DB_CREATE : 0) : DB_READ, &e);
    if (!db) {
        warn("%s", e.text);
        return close_stdout(EXIT_FAILED);
    }
    int status = run(db, &m, &o, argv + first);
    db_close(db);
    return close_stdout(status);
}
