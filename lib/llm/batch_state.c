/* SPDX-License-Identifier: MIT */
#include "base/util.h"
#include "db/db.h"
#include "llm/batch.h"
#include "llm/budget.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RESULT_MAX = 256 << 10 }; /* bytes of a line of results, on average */

/* A row of llm_batch. */
struct row {
    int64_t id, requests;
    char *state, *file, *remote, *output, *errors, *outcome;
};

/* ---- rows ---- */

static char *copy(sqlite3_stmt *q, int col)
{
    const char *s = (const char *)sqlite3_column_text(q, col);
    return s ? xstrdup(s) : NULL;
}

static void row_release(struct row *r)
{
    char *text[] = {r->state, r->file, r->remote, r->output, r->errors, r->outcome};
    for (size_t i = 0; i < ARRAY_LEN(text); i++)
        free(text[i]);
    *r = (struct row){0};
}

/* The next one that is not done. */
static int row_next(struct row *r, struct batch *b, int64_t after)
{
    static const char sql_next[] =
        "SELECT id, requests, state, file, remote, output, errors, outcome FROM llm_batch\n"
        "WHERE stage = :stage AND state <> 'done' AND id > :after ORDER BY id LIMIT 1";
    sqlite3_stmt *q = db_use(b->db, sql_next);
    db_text(q, ":stage", b->stage);
    db_int(q, ":after", after);
    int found = db_step(q);
    if (found)
        *r = (struct row){sqlite3_column_int64(q, 0), sqlite3_column_int64(q, 1), copy(q, 2),
                          copy(q, 3), copy(q, 4), copy(q, 5), copy(q, 6), copy(q, 7)};
    sqlite3_reset(q);
    return found;
}

static void set(char **to, const char *value)
{
    char *old = *to;
    *to = value ? xstrdup(value) : NULL;
    free(old);
}

static void row_write(struct batch *b, const struct row *r)
{
    static const char sql_write[] =
        "UPDATE llm_batch SET state = :state, file = :file, remote = :remote,\n"
        "output = :output, errors = :errors, outcome = :outcome, at = unixepoch()\n"
        "WHERE id = :id";
    sqlite3_stmt *q = db_use(b->db, sql_write);
    db_text(q, ":state", r->state);
    db_text(q, ":file", r->file);
    db_text(q, ":remote", r->remote);
    db_text(q, ":output", r->output);
    db_text(q, ":errors", r->errors);
    db_text(q, ":outcome", r->outcome);
    db_int(q, ":id", r->id);
    db_run(q);
}

static void commit(struct batch *b, struct row *r, const char *state)
{
    set(&r->state, state);
    db_begin(b->db);
    row_write(b, r);
    db_commit(b->db);
}

int batch_open_count(struct batch *b)
{
    static const char sql_open[] =
        "SELECT count(*) FROM llm_batch WHERE stage = :stage AND state <> 'done'";
    sqlite3_stmt *q = db_use(b->db, sql_open);
    db_text(q, ":stage", b->stage);
    return (int)db_one_int(q, 0);
}

int batch_under_way(struct batch *b, struct err *e)
{
    static const char sql_sent[] =
        "SELECT count(*) FROM llm_batch WHERE stage = :stage AND state IN ('sent', 'ended')";
    sqlite3_stmt *q = db_use(b->db, sql_sent);
    db_text(q, ":stage", b->stage);
    int sent = (int)db_one_int(q, 0), open = batch_open_count(b);
    if (open == 0)
        return err_set(e, "nothing is under way at the service; run again to go on");
    if (sent == 0)
        return err_set(e, "%d %s written and not yet sent; run again to send %s", open,
                       open == 1 ? "batch is" : "batches are", open == 1 ? "it" : "them");
    return err_set(e, "%d %s under way at the service; run again to fetch %s", open,
                   open == 1 ? "batch is" : "batches are", open == 1 ? "it" : "them");
}

/* ---- the end of a batch ---- */

static void remove_files(const struct batch *b, int64_t id)
{
    static const char *const what[] = {"jsonl", "output", "errors"};
    for (size_t i = 0; i < ARRAY_LEN(what); i++) {
        char *path = batch_path(b, id, what[i]);
        unlink(path);
        free(path);
    }
}

/* What of it has no answer is asked again, what it holds and did not cost is free again. */
static void done(struct batch *b, struct row *r)
{
    static const char sql_held[] = "SELECT held_usd FROM llm_batch WHERE id = :id";
    static const char sql_none[] = "UPDATE llm_batch SET held_usd = 0 WHERE id = :id";
    static const char sql_drop[] = "DELETE FROM llm_batch_request WHERE batch_id = :id";
    remove_files(b, r->id); /* first: once it is done, nobody looks for them */
    set(&r->state, "done");
    db_begin(b->db);
    sqlite3_stmt *q = db_use(b->db, sql_held);
    db_int(q, ":id", r->id);
    double held = db_step(q) ? sqlite3_column_double(q, 0) : 0;
    sqlite3_reset(q);
    if (held > 0)
        budget_batch_spend(b->db, b->stage, held, 0);
    q = db_use(b->db, sql_none);
    db_int(q, ":id", r->id);
    db_run(q);
    q = db_use(b->db, sql_drop);
    db_int(q, ":id", r->id);
    db_run(q);
    row_write(b, r);
    db_commit(b->db);
}

/* ---- filled -> uploaded ---- */

static int upload(struct batch *b, struct row *r, struct err *e)
{
    struct buf reply = {0};
    struct batch_remote x;
    char *path = batch_path(b, r->id, "jsonl");
    int rc = -1;
    if (access(path, R_OK) != 0) {
        warn("batch %lld: %s is gone; its requests are asked again", (long long)r->id, path);
        set(&r->outcome, "lost: its file was gone before it was sent");
        done(b, r);
        rc = 0;
    } else {
        struct batch_call c = {.tail = "/files", .file = path};
        if (batch_ask(b, &c, &reply, e) == BATCH_GOOD && batch_remote(&x, &reply, c.tail, e) == 0) {
            set(&r->file, x.id);
            commit(b, r, "uploaded");
            info("batch %lld: uploaded, %lld requests", (long long)r->id, (long long)r->requests);
            rc = 0;
        }
    }
    free(path);
    buf_release(&reply);
    return rc;
}

/* ---- uploaded -> sent ---- */

/* A run that was killed, or a connection that broke, may have made it without our knowing. */
static int adopt(struct batch *b, struct row *r, struct err *e)
{
    struct buf reply = {0};
    struct batch_call c = {.tail = "/batches", .params = "limit=100"};
    int rc = batch_ask(b, &c, &reply, e) == BATCH_GOOD ? 0 : -1;
    if (rc == 0)
        rc = batch_find(&r->remote, &reply, r->file, e);
    buf_release(&reply);
    return rc;
}

static void write_create(struct buf *json, const struct batch *b, const struct row *r)
{
    buf_adds(json, "{\"input_file_id\":");
    chat_write_string(json, r->file, strlen(r->file));
    buf_adds(json, ",\"endpoint\":");
    chat_write_string(json, b->path, strlen(b->path));
    buf_addf(json, ",\"completion_window\":\"24h\",\"metadata\":{\"mmrec\":\"%lld\"}}",
             (long long)r->id);
}

static int create(struct batch *b, struct row *r, struct err *e)
{
    struct buf json = {0}, reply = {0};
    struct batch_remote x;
    struct batch_call c = {.tail = "/batches", .json = &json};
    enum batch_heard heard = BATCH_AGAIN;
    int rc = 0;
    write_create(&json, b, r);
    while (rc == 0 && !r->remote && heard == BATCH_AGAIN) {
        rc = adopt(b, r, e);
        if (rc == 0 && !r->remote)
            heard = batch_try(b, &c, &reply, e);
    }
    if (rc == 0 && !r->remote && heard == BATCH_GOOD) {
        rc = batch_remote(&x, &reply, c.tail, e);
        if (rc == 0)
            set(&r->remote, x.id);
    }
    if (heard == BATCH_REFUSED) { /* its file may be what is wrong: sent anew next time */
        set(&r->file, NULL);
        commit(b, r, "filled");
    }
    if (r->remote) {
        commit(b, r, "sent");
        info("batch %lld: sent as %s", (long long)r->id, r->remote);
    }
    buf_release(&json);
    buf_release(&reply);
    return r->remote ? 0 : -1;
}

/* ---- sent -> ended ---- */

/* Once for each status, and for each tenth of the work. */
static void say(struct batch *b, const struct row *r, const struct batch_remote *x)
{
    int64_t ran = x->completed + x->failed;
    char *now = xasprintf("%lld %s %lld", (long long)r->id, x->status,
                          (long long)(x->total > 0 ? ran * 10 / x->total : 0));
    if (!b->said || !strstr(b->said, now)) {
        if (x->total > 0)
            info("batch %lld: %.40s %lld/%lld", (long long)r->id, x->status, (long long)ran,
                 (long long)x->total);
        else
            info("batch %lld: %.40s", (long long)r->id, x->status);
        char *all = xasprintf("%s%s\n", b->said ? b->said : "\n", now);
        free(b->said);
        b->said = all;
    }
    free(now);
}

static int refused_whole(struct batch *b, struct row *r, const struct batch_remote *x,
                         struct err *e)
{
    char text[201], where[40] = "";
    chat_one_line(text, sizeof text, x->message ? x->message : x->code ? x->code : "no reason");
    if (x->line >= 0)
        snprintf(where, sizeof where, " (line %lld of its file)", (long long)x->line);
    char *outcome = xasprintf("failed: %s%s", text, where);
    err_set(e, "the service refused batch %lld as a whole: %s%s", (long long)r->id, text, where);
    set(&r->outcome, outcome);
    free(outcome);
    done(b, r);
    return -1;
}

static int look(struct batch *b, struct row *r, struct err *e)
{
    static const char *const ends[] = {"completed", "expired", "cancelled"};
    struct buf reply = {0};
    struct batch_remote x;
    char *tail = xasprintf("/batches/%s", r->remote);
    struct batch_call c = {.tail = tail};
    int rc = batch_ask(b, &c, &reply, e) == BATCH_GOOD ? batch_remote(&x, &reply, tail, e) : -1;
    if (rc == 0 && !x.status)
        rc = err_set(e, "%s: the service's answer has no status", tail);
    if (rc == 0)
        say(b, r, &x);
    if (rc == 0 && strcmp(x.status, "failed") == 0)
        rc = refused_whole(b, r, &x, e);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(ends); i++)
        if (strcmp(x.status, ends[i]) == 0) {
            set(&r->outcome, ends[i]);
            set(&r->output, x.output);
            set(&r->errors, x.errors);
            commit(b, r, "ended");
        }
    free(tail);
    buf_release(&reply);
    return rc;
}

/* ---- ended -> done ---- */

static int fetch_file(struct batch *b, const struct row *r, const char *file, const char *what,
                      struct err *e)
{
    if (!file)
        return 0;
    char *path = batch_path(b, r->id, what), *tail = xasprintf("/files/%s/content", file);
    struct buf reply = {0};
    int rc = -1;
    FILE *to = batch_create(path, e);
    if (to) {
        struct batch_call c = {.tail = tail, .to = to,
                               .to_max = (size_t)(r->requests + 64) * RESULT_MAX};
        rc = batch_ask(b, &c, &reply, e) == BATCH_GOOD ? 0 : -1;
        fclose(to);
    }
    if (rc == 0)
        rc = batch_take(b, r->id, path, e);
    buf_release(&reply);
    free(path);
    free(tail);
    return rc;
}

static int fetch(struct batch *b, struct row *r, struct err *e)
{
    int64_t before = b->gained;
    if (fetch_file(b, r, r->output, "output", e) < 0 ||
        fetch_file(b, r, r->errors, "errors", e) < 0)
        return -1;
    done(b, r);
    info("batch %lld: %s, %lld answers to %lld requests", (long long)r->id, r->outcome,
         (long long)(b->gained - before), (long long)r->requests);
    return 0;
}

/* ---- all of them ---- */

/* As far as it goes without waiting. */
static int advance(struct batch *b, struct row *r, struct err *e)
{
    int rc = 0;
    if (strcmp(r->state, "filled") == 0)
        rc = upload(b, r, e);
    if (rc == 0 && strcmp(r->state, "uploaded") == 0)
        rc = create(b, r, e);
    else if (rc == 0 && strcmp(r->state, "sent") == 0)
        rc = look(b, r, e);
    if (rc == 0 && strcmp(r->state, "ended") == 0)
        rc = fetch(b, r, e);
    return rc;
}

int batch_advance(struct batch *b, struct err *e)
{
    struct row r;
    int rc = 0;
    for (int64_t after = 0; rc == 0 && row_next(&r, b, after); row_release(&r)) {
        after = r.id;
        rc = advance(b, &r, e);
    }
    return rc < 0 ? -1 : batch_open_count(b);
}
