/* SPDX-License-Identifier: MIT */
/* mm-ingest: review, business and photo files into the database, all files of one INPUT in one
 * transaction: a file counts when it was read to its end, or not at all. */
#include "base/buf.h"
#include "base/opts.h"
#include "base/progress.h"
#include "base/sha256.h"
#include "base/util.h"
#include "db/db.h"
#include "db/known.h"
#include "db/setting.h"
#include "db/stage.h"
#include "source/ahead.h"
#include "source/loader.h"
#include "source/photos.h"
#include "source/source_detect.h"
#include "source/utf8.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct opts_about about = {
    "mm-ingest", "[options] [FILE|FOLDER]",
    "Reads reviews and photos into the database; reading again changes only what changed."};

struct ingest {
    struct db *db;
    struct stage *stage;
    struct loader loader;
    struct source_set set;
    struct source_stats stats; /* of the file being read */
    struct progress progress;
    int64_t rejects, rejects_here;
    char *input, *images;      /* resolved; images NULL: none */
    struct source_options options;
    char *columns;
};

/* ---- sources and rejects ---- */

static void put_reject(struct ingest *g, int64_t line, const char *reason, const char *excerpt)
{
    static const char sql_reject[] =
        "INSERT INTO reject (source_id, line, reason, excerpt)\n"
        "VALUES (:source, :line, :reason, :excerpt)";
    sqlite3_stmt *q = db_use(g->db, sql_reject);
    db_int(q, ":source", g->loader.source_id);
    db_int(q, ":line", line);
    db_text(q, ":reason", reason);
    db_text(q, ":excerpt", excerpt);
    db_run(q);
    g->rejects++;
    g->rejects_here++;
}

static int on_reject(void *ctx, const struct source_reject *r)
{
    put_reject(ctx, r->line, r->reason, r->excerpt);
    return stage_interrupted() ? -1 : 0;
}

static int on_record(void *ctx, const struct source_record *r, const unsigned char *digest)
{
    struct ingest *g = ctx;
    struct err e;
    if (loader_record(&g->loader, r, digest, &e) < 0) {
        char excerpt[UTF8_EXCERPT];
        const char *text = r->text ? r->text : "";
        utf8_excerpt(excerpt, text, strlen(text));
        put_reject(g, r->line, e.text, excerpt);
    }
    if ((g->stats.records & 1023) == 0)
        progress_set(&g->progress, g->stats.stored_bytes);
    return stage_interrupted() ? -1 : 0;
}

static int64_t source_row(struct ingest *g, const struct source_found *f, struct err *e)
{
    static const char sql_put[] =
        "INSERT INTO source (path, format, role, bytes, mtime_ns, inode, digest, records,\n"
        "rejects, merged, repaired) VALUES (:path, :format, :role, :bytes, :mtime_ns, :inode,\n"
        "zeroblob(32), 0, 0, 0, 0) ON CONFLICT (path) DO UPDATE SET format = excluded.format,\n"
        "role = excluded.role, bytes = excluded.bytes, mtime_ns = excluded.mtime_ns,\n"
        "inode = excluded.inode RETURNING id";
    struct stat st;
    if (stat(f->file.path, &st) != 0)
        return err_set(e, "%s: %s", f->file.path, strerror(errno));
    char *path = realpath(f->file.path, NULL);
    sqlite3_stmt *q = db_use(g->db, sql_put);
    db_text(q, ":path", path ? path : f->file.path);
    db_text(q, ":format", f->file.format);
    db_text(q, ":role", !f->reviews ? "photos" : f->file.labelled ? "reviews" : "more-reviews");
    db_int(q, ":bytes", st.st_size);
    db_int(q, ":mtime_ns", st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec);
    db_int(q, ":inode", (int64_t)st.st_ino);
    int64_t id = db_one_int(q, -1);
    free(path);
    return id;
}

static void close_source(struct ingest *g, const struct ahead_digests *digests)
{
    static const char sql_close[] =
        "UPDATE source SET digest = :digest, quick = :quick, records = :records,\n"
        "rejects = :rejects, merged = :merged, repaired = :repaired, bad_times = :bad_times,\n"
        "note = nullif(:note, '') WHERE id = :id";
    sqlite3_stmt *q = db_use(g->db, sql_close);
    db_blob(q, ":digest", digests->sha256, SHA256_BYTES);
    db_int(q, ":quick", digests->quick);
    db_int(q, ":records", g->stats.records - (g->rejects_here - g->stats.rejects));
    db_int(q, ":rejects", g->rejects_here);
    db_int(q, ":merged", g->loader.merged_here);
    db_int(q, ":repaired", g->stats.repaired);
    db_int(q, ":bad_times", g->stats.bad_times);
    db_text(q, ":note", g->stats.columns);
    db_int(q, ":id", g->loader.source_id);
    db_run(q);
    g->loader.merged += g->loader.merged_here;
}

static int read_file(struct ingest *g, const struct source_found *f, struct err *e)
{
    struct ahead_sink sink = {on_record, on_reject, g};
    struct ahead_digests digests;
    int64_t id = source_row(g, f, e);
    if (id < 0)
        return -1;
    loader_source(&g->loader, id);
    g->rejects_here = 0;
    g->stats = (struct source_stats){0};
    struct stat st;
    progress_start(&g->progress, "bytes", stat(f->file.path, &st) == 0 ? st.st_size : 0);
    int rc = ahead_read(&f->file, &g->options, &sink, &g->stats, &digests, e);
    progress_end(&g->progress);
    if (rc < 0)
        return -1;
    close_source(g, &digests);
    info("%s: %s; %lld records, %lld rejected%s%s", f->file.path, f->what,
         (long long)g->stats.records, (long long)g->rejects_here,
         g->stats.columns[0] ? "; columns " : "", g->stats.columns);
    if (g->stats.nameless_photos)
        info("%s: %lld photos have neither an id nor a path", f->file.path,
             (long long)g->stats.nameless_photos);
    if (g->stats.bad_times)
        info("%s: %lld times could not be read", f->file.path, (long long)g->stats.bad_times);
    return 0;
}

/* ---- the rule of the split ---- */

/* Whether the labelled records name a split: asked of the first one. */
struct peek {
    int seen, named;
};

static int peek_record(void *ctx, const struct source_record *r)
{
    struct peek *p = ctx;
    if (r->what != SOURCE_REVIEW || !r->labelled)
        return 0;
    p->seen = 1;
    p->named = r->split != NULL;
    return -1;
}

static int peek_reject(void *ctx, const struct source_reject *r)
{
    (void)ctx, (void)r;
    return 0;
}

static int names_split(struct ingest *g)
{
    struct peek p = {0};
    struct source_sink sink = {peek_record, peek_reject, &p};
    for (int i = 0; i < g->set.n_files && !p.seen; i++) {
        struct source_stats stats = {0};
        struct err e; /* the real reading comes right after and says what is wrong */
        if (g->set.file[i].reviews && g->set.file[i].file.labelled &&
            source_read(&g->set.file[i].file, &g->options, &sink, &stats, &e) < 0)
            continue;
    }
    return p.named;
}

static struct loader_rule make_rule(struct ingest *g)
{
    char *split = setting_value(g->db, "SPLIT");
    int named = strcmp(split, "auto") == 0 || strcmp(split, "provided") == 0 ? names_split(g) : 0;
    struct loader_rule rule = {.seed = (uint64_t)setting_int(g->db, "SPLIT_SEED"),
                               .folds = setting_int(g->db, "FOLDS"),
                               .positive = setting_int(g->db, "POSITIVE"),
                               .provided = named, .unit = UNIT_PAIR};
    if (strcmp(split, "provided") == 0 && !named)
        die("SPLIT=provided: the records of %s name no split; use SPLIT=random", g->input);
    if (strcmp(split, "user") == 0)
        rule.unit = UNIT_USER;
    if (strcmp(split, "time") == 0)
        rule.unit = UNIT_TIME;
    for (int i = 0; i < g->set.n_files && rule.provided; i++)
        if (strcmp(g->set.file[i].file.format, "google-restaurants") == 0)
            rule.unit = UNIT_USER; /* the files ship split by user */
    free(split);
    return rule;
}

/* ---- the whole ---- */

static char *find_images(struct ingest *g)
{
    char *v = setting_value(g->db, "IMAGES");
    if (strcmp(v, "none") == 0) {
        free(v);
        return NULL;
    }
    if (strcmp(v, "auto") != 0)
        return v;
    free(v);
    static const char *const place[] = {"images", "photos"};
    struct stat st;
    char *dir = xstrdup(g->input);
    if (stat(dir, &st) == 0 && !S_ISDIR(st.st_mode) && strrchr(dir, '/'))
        *strrchr(dir, '/') = 0;
    for (size_t i = 0; i < ARRAY_LEN(place); i++) {
        char *path = xasprintf("%s/%s", dir, place[i]);
        if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
            free(dir);
            return path;
        }
        free(path);
    }
    if (g->set.n_photos > 0)
        return dir;
    free(dir);
    return NULL;
}

static int read_all(struct ingest *g, struct err *e)
{
    static const char sql_rejects[] = "DELETE FROM reject";
    static const char sql_doubt[] = "UPDATE source SET role = 'gone'";
    static const char sql_gone[] = "DELETE FROM source WHERE role = 'gone'";
    db_run(db_use(g->db, sql_rejects));
    db_run(db_use(g->db, sql_doubt)); /* until it is read again */
    for (int i = 0; i < g->set.n_files; i++)
        if (read_file(g, &g->set.file[i], e) < 0)
            return -1;
    db_run(db_use(g->db, sql_gone));
    return 0;
}

static void note_settings(struct ingest *g, const struct loader_rule *rule)
{
    struct buf listing = {0};
    known_listing(&listing, g->input);
    db_set_setting(g->db, "input_listing", buf_str(&listing));
    db_set_setting(g->db, "split_by_time", rule->unit == UNIT_TIME ? "1" : "0");
    db_set_setting(g->db, "split_rule", rule->provided ? "provided" : rule->unit == UNIT_TIME
                   ? "time" : rule->unit == UNIT_USER ? "user" : "random");
    db_set_setting(g->db, "fold_unit", rule->unit == UNIT_TIME ? "time"
                   : rule->unit == UNIT_USER ? "user" : "user and business");
    db_set_setting(g->db, "images_root", g->images ? g->images : "");
    buf_clear(&listing);
    known_mtime(&listing, g->images ? g->images : "");
    db_set_setting(g->db, "images_mtime", buf_str(&listing));
    buf_release(&listing);
}

static void finish(struct ingest *g, const struct loader_rule *rule)
{
    struct loader *l = &g->loader;
    struct photos_stats ph = {0};
    struct visible_stats vs = {0};
    double t0 = monotonic_s();
    loader_end(l);
    double t1 = monotonic_s();
    photos_check(g->db, g->images, &l->businesses, &ph);
    double t2 = monotonic_s();
    loader_visible(l, &vs);
    debug("merge %.2f s, photos %.2f s, visible sets %.2f s", t1 - t0, t2 - t1,
          monotonic_s() - t2);
    note_settings(g, rule);
    char *tables = xasprintf("%s %s %s", l->added + l->changed + l->removed ? "review" : "",
                             l->image_changes + ph.changed ? "image" : "",
                             vs.changed ? "visible" : "");
    db_triggers_on(g->db, tables);
    free(tables);
    g->stage->done = l->added + l->changed + l->removed;
    g->stage->defects = g->rejects;
    buf_addf(&g->stage->note, "reviews: %lld new, %lld changed, %lld removed, %lld merged; "
             "photos: %lld ok, %lld missing, %lld refused; %lld visible sets changed",
             (long long)l->added, (long long)l->changed, (long long)l->removed,
             (long long)l->merged, (long long)ph.ok, (long long)ph.missing,
             (long long)ph.refused, (long long)vs.changed);
}

/* Loading into empty tables needs no copy of old pages: a rollback journal writes each new
 * page once, where WAL would write it twice. A kill rolls back all the same. */
static void journal(struct db *db, int fresh, const char *mode)
{
    static const char sql_any[] = "SELECT EXISTS (SELECT 1 FROM review)";
    if (fresh < 0)
        fresh = !db_one_int(db_use(db, sql_any), 1);
    if (fresh)
        sqlite3_exec(db_handle(db), mode, NULL, NULL, NULL);
}

static int load(struct ingest *g, struct err *e)
{
    struct loader_rule rule = make_rule(g);
    /* Every id comes from a row that this process just read or wrote. */
    db_exec(g->db, "PRAGMA foreign_keys = OFF; PRAGMA cache_size = -8192;"
                   "PRAGMA secure_delete = OFF");
    journal(g->db, -1, "PRAGMA journal_mode = DELETE");
    db_begin(g->db);
    db_triggers_off(g->db);
    loader_begin(&g->loader, g->db, &rule);
    int rc = read_all(g, e);
    if (rc == 0) {
        finish(g, &rule);
        db_commit(g->db);
    } else
        db_rollback(g->db);
    journal(g->db, 1, "PRAGMA journal_mode = WAL");
    db_exec(g->db, "PRAGMA foreign_keys = ON");
    loader_release(&g->loader);
    return rc;
}

static int detect(struct ingest *g, struct err *e)
{
    char *format = setting_value(g->db, "FORMAT"), *one = xstrdup(g->input), *save = NULL;
    const char *paths[64];
    int n = 0;
    for (char *p = strtok_r(one, "\n", &save); p && n < 64; p = strtok_r(NULL, "\n", &save))
        paths[n++] = p;
    g->columns = setting_value(g->db, "COLUMNS");
    g->options.columns = strcmp(g->columns, "auto") == 0 ? NULL : g->columns;
    int rc = source_detect(&g->set, paths, n, format, &g->options, e);
    int few = g->set.n_ignored <= 3 || util_verbosity > 0;
    for (int i = 0; rc == 0 && few && i < g->set.n_ignored; i++)
        info("%s: left out: %s", g->set.ignored[i].path, g->set.ignored[i].why);
    if (rc == 0 && !few)
        info("%d other files of the folder left out (--verbose says which and why)",
             g->set.n_ignored);
    free(format);
    free(one);
    return rc;
}

static int run(struct db *db, const struct opts *o)
{
    struct stage s;
    struct err e = {""};
    struct buf why = {0};
    int fresh = stage_fresh(db, stage_find("ingest"), &why) && !known_changed(db, !o->plan, &why);
    if (o->plan || fresh) {
        if (!fresh)
            printf("ingest\tfiles\t1\t%s\n", buf_str(&why));
        else if (!o->plan)
            info("nothing to do: the files are the ones already read");
        buf_release(&why);
        return fresh ? EXIT_DONE : EXIT_PENDING;
    }
    buf_release(&why);
    struct ingest g = {.db = db, .stage = &s, .input = setting_value(db, "INPUT")};
    stage_begin(&s, db, "ingest", o);
    int rc = detect(&g, &e);
    if (rc == 0) {
        g.images = find_images(&g);
        rc = load(&g, &e);
    }
    if (rc < 0 && !stage_interrupted()) {
        warn("%s", e.text);
        s.failed = 1;
        s.cut = 1;
    }
    source_set_release(&g.set);
    free(g.input);
    free(g.images);
    free(g.columns);
    int status = stage_end(&s);
    return rc < 0 && status == EXIT_DONE ? EXIT_FAILED : status;
}

/* ---- options ---- */

struct given {
    const char *format, *columns, *images, *split, *seed, *folds, *positive;
};

static int remember(struct db *db, const char *name, const char *value)
{
    struct err e;
    char *path = NULL;
    if (!value)
        return 0;
    if (strcmp(name, "IMAGES") == 0 && strcmp(value, "none") && strcmp(value, "auto")) {
        path = realpath(value, NULL);
        if (!path)
            die("%s: %s", value, strerror(errno));
    }
    int rc = setting_change(db, name, path ? path : value, &e);
    if (rc < 0)
        die_usage("%s", e.text);
    free(path);
    return rc;
}

static void remember_input(struct db *db, char **args)
{
    static const char sql_any[] = "SELECT EXISTS (SELECT 1 FROM source)";
    struct buf all = {0};
    for (; *args; args++) {
        char *path = realpath(*args, NULL);
        if (!path)
            die("%s: %s", *args, strerror(errno));
        buf_addf(&all, "%s%s", all.len ? "\n" : "", path);
        free(path);
    }
    if (all.len) {
        char *old = setting_value(db, "INPUT");
        if (db_one_int(db_use(db, sql_any), 0) && strcmp(old, all.data) != 0)
            die_usage("%s holds %s; name another database with --db for %s", db_path(db), old,
                      all.data);
        db_set_setting(db, "INPUT", all.data);
        free(old);
    }
    buf_release(&all);
}

static void remember_all(struct db *db, const struct given *v, char **args)
{
    remember(db, "FORMAT", v->format);
    remember(db, "COLUMNS", v->columns);
    remember(db, "IMAGES", v->images);
    remember(db, "SPLIT", v->split);
    remember(db, "SPLIT_SEED", v->seed);
    remember(db, "FOLDS", v->folds);
    remember(db, "POSITIVE", v->positive);
    remember_input(db, args);
}

int main(int argc, char **argv)
{
    struct opts o = opts_default;
    struct given v = {0};
    const struct opt_def defs[] = {
        {"format", OPT_STRING, &v.format, 0, 0, "NAME", "auto, google-restaurants or table"},
        {"columns", OPT_STRING, &v.columns, 0, 0, "MAP", "user=Reviewer,text=Review,..."},
        {"images", OPT_STRING, &v.images, 0, 0, "DIR", "folder with photo files, auto or none"},
        {"split", OPT_STRING, &v.split, 0, 0, "NAME", "auto, provided, random, time or user"},
        {"split-seed", OPT_STRING, &v.seed, 0, 0, "N", "seed of split and folds"},
        {"folds", OPT_STRING, &v.folds, 0, 0, "N", "folds of the training split"},
        {"positive", OPT_STRING, &v.positive, 0, 0, "STARS", "from which a review is positive"},
        {0}};
    int first = opts_parse(argc, argv, &about, defs, &o);
    struct db *db = stage_open(&o, 1);
    if (!db)
        return close_stdout(EXIT_FAILED);
    if (!o.plan)
        remember_all(db, &v, argv + first);
    int status = run(db, &o);
    db_close(db);
    return close_stdout(status);
}
