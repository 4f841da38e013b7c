/* SPDX-License-Identifier: MIT */
#include "db/stage.h"
#include "base/embed.h"
#include "base/sha256.h"
#include "base/util.h"
#include "db/db.h"
#include "db/models.h"
#include "db/setting.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

const struct stage_def stage_defs[] = {
    {"ingest", 1, "", "review image visible",
     "INPUT FORMAT COLUMNS IMAGES SPLIT SPLIT_SEED FOLDS POSITIVE", ""},
    {"summarize", 1, "review visible", "summary price_tag category",
     "LLM LLM_URL LLM_MODEL PROMPTS LLM_CONTEXT REASK PILOT", "ingest"},
    {"caption", 1, "image", "caption",
     "CAPTION CAPTION_URL CAPTION_MODEL CAPTION_API CAPTION_SIDE PROMPTS REASK PILOT CAPTION_BEAMS "
     "CAPTION_TOKENS CAPTION_MIN_TOKENS CAPTION_PENALTY CAPTION_PROMPT CAPTION_PRECISION MODELS "
     "BLIP2_MODEL", "ingest"},
    {"embed", 1, "review summary caption image", "embedding",
     "TEXT_ENCODER IMAGE_ENCODER PRECISION MODELS TEXT_MODEL IMAGE_MODEL", "summarize caption"},
    {"reduce", 1, "review visible summary caption image embedding block model experiment",
     "reducer reduced block model experiment", "PROTOCOL EXPERIMENT SEEDS IMBALANCE PILOT",
     "embed"},
    {"train", 1, "review visible price_tag category reducer reduced block model experiment",
     "run metric prediction comparison probe block model experiment",
     "PROTOCOL EXPERIMENT SEEDS IMBALANCE PILOT", "reduce"},
    {"report", 1,
     "review image visible summary price_tag category caption embedding reducer model "
     "experiment run metric prediction comparison probe", "", "PROTOCOL", "train"},
    {NULL, 0, NULL, NULL, NULL, NULL}};

const struct stage_def *stage_find(const char *name)
{
    for (const struct stage_def *d = stage_defs; d->name; d++)
        if (strcmp(d->name, name) == 0)
            return d;
    die("no stage '%s'", name);
}

/* ---- freshness ---- */

static void add_tokens(struct buf *out, struct db *db, const char *tables, const char *seen)
{
    static const char sql_tokens[] =
        "SELECT tbl, token FROM generation\n"
        "WHERE instr(' ' || :tables || ' ', ' ' || tbl || ' ')\n"
        "AND NOT instr(' ' || :seen || ' ', ' ' || tbl || ' ') ORDER BY tbl";
    sqlite3_stmt *q = db_use(db, sql_tokens);
    db_text(q, ":tables", tables);
    db_text(q, ":seen", seen);
    while (db_step(q))
        buf_addf(out, "%s=%s\n", db_col_text(q, 0), db_col_text(q, 1));
}

static void add_settings(struct buf *out, struct db *db, const char *names)
{
    char *all = xstrdup(names), *save = NULL;
    for (char *n = strtok_r(all, " ", &save); n; n = strtok_r(NULL, " ", &save)) {
        char *v = setting_value(db, n);
        buf_addf(out, "%s=%s\n", n, v);
        free(v);
    }
    free(all);
}

/* A file of experiments counts by its size and time. */
static void add_experiment(struct buf *out, struct db *db)
{
    struct stat st;
    char *v = setting_value(db, "EXPERIMENT");
    if (*v == '/' && stat(v, &st) == 0)
        buf_addf(out, "experiment file=%lld %lld.%09ld\n", (long long)st.st_size,
                 (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    free(v);
}

/* The prompts that travel inside the tools, and those of a folder by their sizes and times. */
static void add_prompts(struct buf *out, struct db *db)
{
    struct sha256 *h = sha256_new();
    unsigned char digest[SHA256_BYTES];
    char hex[SHA256_HEX], *folder = setting_value(db, "PROMPTS");
    for (const struct embed_file *f = embed_files; f->name; f++)
        if (strncmp(f->name, "prompts/", 8) == 0)
            sha256_add_field(h, f->text, f->bytes);
    static const char *const name[] = {"user", "business", "price", "category", "caption"};
    for (size_t i = 0; *folder == '/' && i < ARRAY_LEN(name); i++) {
        struct stat st;
        char *path = xasprintf("%s/%s.txt", folder, name[i]);
        if (stat(path, &st) == 0) {
            sha256_add_field(h, &st.st_size, sizeof st.st_size);
            sha256_add_field(h, &st.st_mtim, sizeof st.st_mtim);
        }
        free(path);
    }
    sha256_end(digest, h);
    sha256_hex(hex, digest);
    buf_addf(out, "prompt files=%.16s\n", hex);
    sha256_free(h);
    free(folder);
}

static void inputs_head(struct buf *out, struct db *db, const struct stage_def *def)
{
    buf_addf(out, "version=%d\n", def->version);
    add_settings(out, db, def->settings);
    if (strstr(def->settings, "MODELS"))
        models_stamp(out, db, def->settings);
    if (strstr(def->settings, "PROMPTS"))
        add_prompts(out, db);
    if (strstr(def->settings, "EXPERIMENT"))
        add_experiment(out, db);
    add_tokens(out, db, def->reads, def->writes);
}

void stage_inputs(struct buf *out, struct db *db, const struct stage_def *def)
{
    inputs_head(out, db, def);
    add_tokens(out, db, def->writes, "");
}

/* The first line of `now` that `then` lacks, as a reason: "SPLIT changed to user". */
static void explain(struct buf *reason, const char *now, const char *then)
{
    for (const char *p = now; *p;) {
        size_t n = strcspn(p, "\n");
        const char *eq = memchr(p, '=', n), *at = then;
        while ((at = memmem(at, strlen(at), p, n + 1)) != NULL && at != then && at[-1] != '\n')
            at++;
        if (!at && eq) {
            int table = *p >= 'a' && strncmp(p, "version=", 8) != 0;
            if (memchr(p, ' ', (size_t)(eq - p))) /* of files, not of a table or a setting */
                buf_addf(reason, "%.*s changed", (int)(eq - p), p);
            else if (table)
                buf_addf(reason, "table %.*s changed", (int)(eq - p), p);
            else
                buf_addf(reason, "%.*s is now %.*s", (int)(eq - p), p,
                         (int)(n - (size_t)(eq + 1 - p)), eq + 1);
            return;
        }
        p += n + (p[n] == '\n');
    }
    buf_adds(reason, "a setting was removed");
}

int stage_fresh(struct db *db, const struct stage_def *def, struct buf *reason)
{
    static const char sql_last[] = "SELECT state, full, inputs FROM stage_run\n"
                                   "WHERE stage = :stage AND (full = 1 OR state <> 'done')\n"
                                   "ORDER BY id DESC LIMIT 1";
    struct buf now = {0};
    stage_inputs(&now, db, def);
    sqlite3_stmt *q = db_use(db, sql_last);
    db_text(q, ":stage", def->name);
    int fresh = 0;
    struct buf scratch = {0}, *why = reason ? reason : &scratch;
    if (!db_step(q))
        buf_adds(why, "never run");
    else if (strcmp(db_col_text(q, 0), "done") != 0)
        buf_addf(why, "last run: %s", db_col_text(q, 0));
    else if (strcmp(db_col_text(q, 2), buf_str(&now)) != 0)
        explain(why, buf_str(&now), db_col_text(q, 2));
    else
        fresh = 1;
    sqlite3_reset(q);
    buf_release(&now);
    buf_release(&scratch);
    return fresh;
}

/* ---- one run at a time ---- */

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
    if (interrupted) { /* the second one is not asked to wait */
        signal(sig, SIG_DFL);
        raise(sig);
    }
    interrupted = 1;
}

int stage_interrupted(void)
{
    return interrupted;
}

void stage_catch_signals(void)
{
    struct sigaction sa = {.sa_handler = on_signal};
    sigemptyset(&sa.sa_mask);
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* The lock is a file beside the database, so that it also holds across connections. */
static int take_lock(const char *db, const char *stage)
{
    char *dir = xasprintf("%s.d", db), *path = xasprintf("%s/%s.lock", dir, stage);
    if (mkdir(dir, 0777) != 0 && errno != EEXIST)
        die("%s: %s", dir, strerror(errno));
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd < 0)
        die("%s: %s", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        char pid[32] = "?";
        ssize_t n = read(fd, pid, sizeof pid - 1);
        pid[n > 0 ? n : 0] = 0;
        pid[strcspn(pid, "\n")] = 0;
        die("%s: stage %s is already running in process %s; wait for it or stop it", db, stage,
            pid);
    }
    char pid[32];
    int n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)n, 0) != n)
        warn("%s: %s", path, strerror(errno));
    free(dir);
    free(path);
    return fd;
}

static const char sql_clean[] = "UPDATE generation SET clean = 1 WHERE clean = 0";

static void record_begin(struct stage *s)
{
    static const char sql_begin[] =
        "INSERT INTO stage_run (stage, state, full, started, threads, version)\n"
        "VALUES (:stage, 'running', :full, unixepoch(), :threads, :version)";
    db_begin(s->db);
    db_run(db_use(s->db, sql_clean));
    inputs_head(&s->inputs, s->db, s->def);
    sqlite3_stmt *q = db_use(s->db, sql_begin);
    db_text(q, ":stage", s->def->name);
    db_int(q, ":full", s->opts->limit < 0);
    db_int(q, ":threads", s->opts->threads);
    db_text(q, ":version", MM_VERSION);
    db_run(q);
    s->run_id = db_last_id(s->db);
    db_commit(s->db);
}

struct db *stage_open(struct opts *o, int create)
{
    struct err e;
    struct db *db = db_open(o->db, o->plan ? DB_READ : DB_WRITE | (create ? DB_CREATE : 0), &e);
    if (!db) {
        warn("%s", e.text);
        return NULL;
    }
    if (!o->given_threads && setting_int(db, "THREADS") > 0)
        o->threads = setting_int(db, "THREADS");
    if (!o->given_max_failures) {
        char *v = setting_value(db, "MAX_FAILURES");
        snprintf(o->max_failures_kept, sizeof o->max_failures_kept, "%s", v);
        o->max_failures = o->max_failures_kept;
        free(v);
    }
    return db;
}

void stage_begin(struct stage *s, struct db *db, const char *name, const struct opts *opts)
{
    *s = (struct stage){.db = db, .def = stage_find(name), .opts = opts, .left = opts->limit,
                        .started_s = monotonic_s(), .lock_fd = -1};
    if (opts->plan)
        return;
    s->lock_fd = take_lock(db_path(db), name);
    stage_catch_signals();
    record_begin(s);
}

/* ---- failures and plan ---- */

void stage_fail(struct stage *s, const char *item, const char *reason, int permanent)
{
    static const char sql_fail[] =
        "INSERT INTO failure (stage, item, reason, attempts, permanent, at)\n"
        "VALUES (:stage, :item, :reason, 1, :permanent, unixepoch())\n"
        "ON CONFLICT (stage, item) DO UPDATE SET reason = excluded.reason,\n"
        "attempts = attempts + 1, permanent = excluded.permanent, at = excluded.at";
    sqlite3_stmt *q = db_use(s->db, sql_fail);
    db_text(q, ":stage", s->def->name);
    db_text(q, ":item", item);
    db_text(q, ":reason", reason);
    db_int(q, ":permanent", permanent != 0);
    db_run(q);
    debug("%s: %s", item, reason);
    if (permanent == STAGE_DEFECT)
        s->defects++;
    else
        s->failed++;
}

void stage_unfail(struct stage *s, const char *item)
{
    static const char sql_unfail[] =
        "DELETE FROM failure WHERE stage = :stage AND item = :item";
    sqlite3_stmt *q = db_use(s->db, sql_unfail);
    db_text(q, ":stage", s->def->name);
    db_text(q, ":item", item);
    db_run(q);
}

void stage_plan(struct stage *s, const char *what, int64_t rows, const char *reason)
{
    if (rows == 0)
        return;
    printf("%s\t%s\t%lld\t%s\n", s->def->name, what, (long long)rows, reason);
    s->pending += rows;
}

/* ---- the end ---- */

static void record_end(struct stage *s, const char *state)
{
    static const char sql_end[] =
        "UPDATE stage_run SET state = :state, full = full AND NOT :cut, inputs = :inputs,\n"
        "done = :done, failed = :failed, seconds = :seconds, peak_kib = :peak, note = :note\n"
        "WHERE id = :id";
    static const char sql_prune[] =
        "DELETE FROM stage_run WHERE stage = :stage AND done = 0 AND failed = 0\n"
        "AND id < :id AND state = 'done'";
    db_begin(s->db);
    db_run(db_use(s->db, sql_clean));
    /* What it read, as of its beginning; what it wrote, as of now: a row that someone else
     * changed meanwhile makes the stage stale. */
    add_tokens(&s->inputs, s->db, s->def->writes, "");
    sqlite3_stmt *q = db_use(s->db, sql_end);
    db_text(q, ":state", state);
    db_int(q, ":cut", s->cut || s->failed > 0); /* what may pass is tried again by the next make */
    db_text(q, ":inputs", buf_str(&s->inputs));
    db_int(q, ":done", s->done);
    db_int(q, ":failed", s->failed + s->defects);
    db_real(q, ":seconds", monotonic_s() - s->started_s);
    db_int(q, ":peak", peak_rss_kib());
    db_text(q, ":note", s->note.len ? s->note.data : NULL);
    db_int(q, ":id", s->run_id);
    db_run(q);
    q = db_use(s->db, sql_prune); /* runs that found nothing to do are no history */
    db_text(q, ":stage", s->def->name);
    db_int(q, ":id", s->run_id);
    db_run(q);
    db_commit(s->db);
}

int stage_end(struct stage *s)
{
    int status = EXIT_DONE;
    if (s->opts->plan) {
        status = s->pending ? EXIT_PENDING : EXIT_DONE;
    } else {
        int64_t allowed = opts_allowed_failures(s->opts->max_failures,
                                                s->done + s->failed + s->defects);
        const char *state = "done";
        if (interrupted) {
            status = EXIT_INTERRUPTED;
            state = "interrupted";
        } else if (s->stopped || s->failed > allowed) {
            status = EXIT_FAILED;
            state = "failed";
        }
        record_end(s, state);
        info("%s: done %lld, failed %lld, defects of the data %lld, %.1f s%s%s", state,
             (long long)s->done, (long long)s->failed, (long long)s->defects,
             monotonic_s() - s->started_s, s->note.len ? "; " : "", buf_str(&s->note));
        if (s->stopped)
            warn("stopped: %s; what was done is kept", s->stop.text);
        else if (status == EXIT_FAILED)
            warn("more failures than allowed (%s); see view v_failure", s->opts->max_failures);
        close(s->lock_fd);
    }
    buf_release(&s->inputs);
    buf_release(&s->note);
    return status;
}
