/* SPDX-License-Identifier: MIT */
#include "base/util.h"
#include "db/db.h"
#include "llm/batch.h"
#include "llm/budget.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- files ---- */

char *batch_path(const struct batch *b, int64_t id, const char *what)
{
    return xasprintf("%s.d/batch-%lld.%s", db_path(b->db), (long long)id, what);
}

FILE *batch_create(const char *path, struct err *e)
{
    unlink(path); /* of a run that was killed */
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    FILE *f = fd >= 0 ? fdopen(fd, "w+") : NULL;
    if (!f)
        err_set(e, "%s: %s", path, strerror(errno));
    return f;
}

static int sync_folder(const char *path)
{
    char *copy = xstrdup(path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd >= 0 ? fsync(fd) : -1;
    if (fd >= 0)
        close(fd);
    free(copy);
    return rc;
}

/* ---- what was left unfinished ---- */

/* The two stages that ask have tasks of their own; each cleans up its own. */
#define OF_STAGE "(task = 'caption') = (:stage = 'caption')"

void batch_drop_unfinished(struct batch *b)
{
    static const char sql_list[] =
        "SELECT DISTINCT batch_id FROM llm_batch_request\n"
        "WHERE batch_id NOT IN (SELECT id FROM llm_batch) AND " OF_STAGE;
    static const char sql_drop[] =
        "DELETE FROM llm_batch_request\n"
        "WHERE batch_id NOT IN (SELECT id FROM llm_batch) AND " OF_STAGE;
    db_begin(b->db);
    sqlite3_stmt *q = db_use(b->db, sql_list);
    db_text(q, ":stage", b->stage);
    while (db_step(q)) {
        char *path = batch_path(b, sqlite3_column_int64(q, 0), "jsonl");
        unlink(path);
        free(path);
    }
    q = db_use(b->db, sql_drop);
    db_text(q, ":stage", b->stage);
    db_run(q);
    db_commit(b->db);
}

/* ---- rows ---- */

int batch_has(struct batch *b, const struct batch_key *k)
{
    static const char sql_has[] =
        "SELECT 1 FROM llm_batch_request WHERE digest = :digest AND nth = :nth";
    for (int i = 0; i < b->spool.n; i++)
        if (b->spool.row[i].key.nth == k->nth &&
            memcmp(b->spool.row[i].key.digest, k->digest, SHA256_BYTES) == 0)
            return 1;
    sqlite3_stmt *q = db_use(b->db, sql_has);
    db_blob(q, ":digest", k->digest, SHA256_BYTES);
    db_int(q, ":nth", k->nth);
    int has = db_step(q);
    sqlite3_reset(q);
    return has;
}

/* Inside a transaction. */
static void put_rows(struct batch *b)
{
    static const char sql_put[] =
        "INSERT INTO llm_batch_request (digest, nth, batch_id, task, request, bytes_in)\n"
        "VALUES (:digest, :nth, :batch, :task, :request, :bytes)";
    struct batch_spool *s = &b->spool;
    for (int i = 0; i < s->n; i++) {
        sqlite3_stmt *q = db_use(b->db, sql_put);
        db_blob(q, ":digest", s->row[i].key.digest, SHA256_BYTES);
        db_int(q, ":nth", s->row[i].key.nth);
        db_int(q, ":batch", s->id);
        db_text(q, ":task", s->row[i].task);
        db_text(q, ":request", s->row[i].request);
        db_int(q, ":bytes", s->row[i].bytes_in);
        db_run(q);
        free(s->row[i].task);
        free(s->row[i].request);
    }
    s->n = 0;
}

/* ---- the file ---- */

/* The number of the batch to be is taken by the row of its first request, before there is a
 * file: so a file can always be found by a row. */
static int begin(struct batch *b, struct err *e)
{
    static const char sql_id[] =
        "SELECT 1 + max((SELECT coalesce(max(id), 0) FROM llm_batch),\n"
        "(SELECT coalesce(max(batch_id), 0) FROM llm_batch_request))";
    struct batch_spool *s = &b->spool;
    db_begin(b->db);
    s->id = db_one_int(db_use(b->db, sql_id), 1);
    put_rows(b);
    db_commit(b->db);
    s->path = batch_path(b, s->id, "jsonl");
    s->file = batch_create(s->path, e);
    return s->file ? 0 : -1;
}

static void line(struct buf *out, const struct batch *b, const struct transport_request *r)
{
    char hex[SHA256_HEX];
    sha256_hex(hex, r->node->digest);
    buf_addf(out, "{\"custom_id\":\"%s-%d\",\"method\":\"POST\",\"url\":", hex, r->node->nth);
    chat_write_string(out, b->path, strlen(b->path));
    buf_adds(out, ",\"body\":");
    chat_write_request(out, b->o.service.model, &r->service, b->quirks);
    buf_adds(out, "}\n");
}

static void note(struct batch_spool *s, const struct transport_request *r)
{
    struct batch_pending *p = &s->row[s->n++];
    *p = (struct batch_pending){.task = xstrdup(r->node->ask->prompt->name),
                                .request = xstrdup(buf_str(&r->node->request)),
                                .bytes_in = (int64_t)r->bytes_in};
    memcpy(p->key.digest, r->node->digest, SHA256_BYTES);
    p->key.nth = r->node->nth;
}

int batch_spool_add(struct batch *b, const struct transport_request *r, double usd,
                    struct err *e)
{
    struct batch_spool *s = &b->spool;
    struct buf text = {0};
    int rc = 0;
    line(&text, b, r);
    if (s->id && (s->lines == BATCH_LINES_MAX || s->bytes + (int64_t)text.len > BATCH_BYTES_MAX))
        rc = batch_spool_close(b, e);
    if (rc == 0) {
        note(s, r);
        rc = s->id ? 0 : begin(b, e);
    }
    if (rc == 0 && fwrite(text.data, 1, text.len, s->file) != text.len)
        rc = err_set(e, "%s: %s", s->path, strerror(errno));
    s->lines++;
    s->bytes += (int64_t)text.len;
    s->held_usd += usd;
    buf_release(&text);
    if (rc == 0 && s->n == BATCH_ROWS) {
        db_begin(b->db);
        put_rows(b);
        db_commit(b->db);
    }
    return rc;
}

static void forget(struct batch_spool *s)
{
    for (int i = 0; i < s->n; i++) {
        free(s->row[i].task);
        free(s->row[i].request);
    }
    if (s->file)
        fclose(s->file);
    free(s->path);
    *s = (struct batch_spool){0};
}

void batch_spool_drop(struct batch *b)
{
    static const char sql_drop[] = "DELETE FROM llm_batch_request WHERE batch_id = :batch";
    struct batch_spool *s = &b->spool;
    if (s->id) {
        if (s->path)
            unlink(s->path);
        db_begin(b->db);
        sqlite3_stmt *q = db_use(b->db, sql_drop);
        db_int(q, ":batch", s->id);
        db_run(q);
        db_commit(b->db);
    }
    forget(s);
}

/* The row that makes a batch of it, and its money. 0: that would pass the budget. */
static int insert(struct batch *b)
{
    static const char sql_batch[] =
        "INSERT INTO llm_batch (id, stage, state, spool, requests, bytes, held_usd, at)\n"
        "VALUES (:id, :stage, 'filled', :spool, :requests, :bytes, :held, unixepoch())";
    struct batch_spool *s = &b->spool;
    char *name = xasprintf("batch-%lld.jsonl", (long long)s->id);
    db_begin(b->db);
    int fits = b->o.cap < 0 || budget_batch_hold(b->db, b->stage, b->o.cap, s->held_usd);
    if (fits) {
        put_rows(b);
        sqlite3_stmt *q = db_use(b->db, sql_batch);
        db_int(q, ":id", s->id);
        db_text(q, ":stage", b->stage);
        db_text(q, ":spool", name);
        db_int(q, ":requests", s->lines);
        db_int(q, ":bytes", s->bytes);
        db_real(q, ":held", b->o.cap < 0 ? 0 : s->held_usd);
        db_run(q);
    }
    db_commit(b->db);
    free(name);
    return fits;
}

int batch_spool_close(struct batch *b, struct err *e)
{
    struct batch_spool *s = &b->spool;
    if (!s->id)
        return 0;
    if (!s->file || fflush(s->file) != 0 || fsync(fileno(s->file)) != 0 ||
        sync_folder(s->path) != 0)
        return err_set(e, "%s: %s", s->path, strerror(errno));
    if (insert(b)) {
        forget(s);
        return 0;
    }
    b->unwritten += s->lines; /* another stage was faster */
    batch_spool_drop(b);
    return 0;
}
