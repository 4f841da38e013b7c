/* SPDX-License-Identifier: MIT */
/* The loop that every tool shares. A tool is an anti-join (rows that should exist minus rows
 * that do) and a worker; this room does the rest: one run of a stage at a time (flock), what
 * ran and how long (stage_run), pending rows in chunks with no cursor open while computing,
 * worker threads that compute while this thread reads ahead and writes, short transactions,
 * failure rows, SIGINT, --limit, --plan, progress, the closing line and the exit status.
 *
 *     struct stage s;
 *     stage_begin(&s, db, "embed", &opts);
 *     stage_loop(&s, &task, ctx);          // as many tasks as the stage has
 *     return stage_end(&s);
 *
 * "pending" SQL takes :after (the last id handed out, 0 at first) and :chunk, orders by its
 * first column, a positive integer that rises, and returns what load() needs.
 */
#ifndef MM_DB_STAGE_H
#define MM_DB_STAGE_H
#include "base/buf.h"
#include "base/err.h"
#include "base/opts.h"
#include "base/progress.h"
#include <sqlite3.h>
#include <stdint.h>

struct db;

/* What a stage reads and writes; one line in stage.c each. Names are blank-separated. */
struct stage_def {
    const char *name;
    int version;          /* of the algorithm: a new one makes the stage stale */
    const char *reads;    /* tables */
    const char *writes;   /* tables */
    const char *settings; /* variables */
    const char *after;    /* stages */
};

extern const struct stage_def stage_defs[]; /* in pipeline order; ends with a NULL name */
const struct stage_def *stage_find(const char *name); /* dies on an unknown one */

/* Tokens of the tables and values of the settings that decide whether the stage is fresh. */
void stage_inputs(struct buf *out, struct db *db, const struct stage_def *def);
/* 1: the last full run saw just these inputs. Otherwise 0 and a reason (may be NULL). */
int stage_fresh(struct db *db, const struct stage_def *def, struct buf *reason);

struct stage {
    struct db *db;
    const struct stage_def *def;
    const struct opts *opts;
    struct buf inputs; /* as of the beginning: tokens of what it reads, settings */
    struct buf note;   /* one line for the closing summary and stage_run.note */
    int64_t run_id, done, defects, failed, left; /* left: of --limit, -1 = no limit */
    int64_t pending;   /* counted by --plan */
    double started_s;
    int lock_fd, cut;  /* cut: work was left over */
    int stopped;       /* ended early for a reason that concerns all items: stop says which */
    struct err stop;
};

/* Opens --db (read-only with --plan) and fills in what was not given from the remembered
 * THREADS and MAX_FAILURES. NULL after a warning: the tool ends with EXIT_FAILED. */
struct db *stage_open(struct opts *o, int create);

/* Takes the stage's lock (dies naming the process that holds it) and writes a stage_run row.
 * With --plan only fills the struct. */
void stage_begin(struct stage *s, struct db *db, const char *name, const struct opts *opts);

/* Failures that stay: of the data, which do not count against MAX_FAILURES, and others. */
enum { STAGE_DEFECT = 1, STAGE_FOR_GOOD = 2 };

struct stage_item {
    int64_t id;
    void *data;         /* the tool's */
    int failed;         /* set by the loop when compute returned -1 */
    int permanent;      /* compute: one of the above, or 0: it is tried again */
    int left;           /* compute: given up when the run was interrupted; it stays pending */
    struct err err;
};

struct stage_task {
    const char *what;    /* "summaries", for people */
    const char *sql_count;   /* (reason, count) rows for --plan and the total */
    const char *sql_pending;
    int chunk;           /* items between commits */
    /* On this thread: turns the row into item->data. The statement is at a row; load may use
     * other statements, not this one. */
    void (*load)(void *ctx, struct stage_item *item, sqlite3_stmt *row);
    /* On any thread, no database. -1 with item->err: a failure row. */
    int (*compute)(void *ctx, struct stage_item *item);
    /* Or, where items are cheaper together: n neighbours whose costs add up to group_cost or
     * just beyond; sets item->failed itself. */
    void (*compute_group)(void *ctx, struct stage_item *item, int n, void *scratch);
    int64_t (*cost)(void *ctx, const struct stage_item *item);
    int64_t group_cost;
    int alone; /* 1: one worker, whose work uses all threads by itself */
    /* What a thread keeps between groups, made and freed on this thread; NULL: nothing. */
    void *(*scratch_new)(void *ctx);
    void (*scratch_free)(void *ctx, void *scratch);
    /* On this thread, inside a transaction, in pending order. Frees nothing. */
    void (*store)(void *ctx, struct stage_item *item);
    /* The name in failure.item, into name. */
    void (*label)(void *ctx, const struct stage_item *item, struct buf *name);
    void (*release)(void *ctx, struct stage_item *item);
    void (*bind)(void *ctx, sqlite3_stmt *q); /* more parameters of both statements, or NULL */
};

/* Runs (or with --plan counts and prints) one task to its end or to an interruption. */
void stage_loop(struct stage *s, const struct stage_task *t, void *ctx);

/* Rows for failure, outside of stage_loop. Inside a transaction. */
void stage_fail(struct stage *s, const char *item, const char *reason, int permanent);
void stage_unfail(struct stage *s, const char *item);
/* --plan: one line "stage<TAB>what<TAB>rows<TAB>reason" on stdout. */
void stage_plan(struct stage *s, const char *what, int64_t rows, const char *reason);

/* 1 after SIGINT or SIGTERM. */
int stage_interrupted(void);
void stage_catch_signals(void);

/* Closes stage_run, prints the summary line, gives the exit status. */
int stage_end(struct stage *s);

#endif
