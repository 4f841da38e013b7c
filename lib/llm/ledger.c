/* SPDX-License-Identifier: MIT */
#include "llm/ledger.h"
#include "base/util.h"
#include "db/db.h"
#include <stdlib.h>
#include <string.h>

void ledger_request(struct buf *request, unsigned char digest[SHA256_BYTES], const char *model,
                    const struct prompt *p, enum ledger_part part, char *const *name, int n)
{
    static const char *const list[] = {"texts", "answers", "photos"};
    buf_clear(request);
    buf_adds(request, "{\"model\":");
    buf_json(request, model, strlen(model)); /* a model's name may hold anything */
    buf_adds(request, ",\"prompt\":");
    buf_json(request, p->name, strlen(p->name));
    buf_addf(request, ",\"digest\":\"%s\",\"version\":%d,\"max_tokens\":%d,\"temperature\":0,"
                      "\"%s\":[", p->digest, PROMPT_VERSION, p->max_tokens, list[part]);
    for (int i = 0; i < n; i++) {
        buf_adds(request, i ? ",\"" : "\"");
        buf_adds(request, name[i]);
        buf_addc(request, '"');
    }
    buf_adds(request, "]}");
    sha256_of(digest, request->data, request->len);
}

static char *copy(sqlite3_stmt *q, int col)
{
    const char *s = (const char *)sqlite3_column_text(q, col);
    return s ? xstrdup(s) : NULL;
}

int ledger_get(struct db *db, const unsigned char *digest, int nth, struct ledger_row *r)
{
    static const char sql_get[] =
        "SELECT id, answer, verdict, finish_reason FROM llm_answer\n"
        "WHERE digest = :digest AND nth = :nth";
    sqlite3_stmt *q = db_use(db, sql_get);
    db_blob(q, ":digest", digest, SHA256_BYTES);
    db_int(q, ":nth", nth);
    *r = (struct ledger_row){.nth = nth};
    int found = db_step(q);
    if (found) {
        r->id = sqlite3_column_int64(q, 0);
        r->answer = copy(q, 1);
        r->answer_bytes = r->answer ? strlen(r->answer) : 0;
        r->verdict = copy(q, 2);
        r->finish_reason = copy(q, 3);
    }
    sqlite3_reset(q);
    return found;
}

void ledger_release(struct ledger_row *r)
{
    free(r->answer);
    free(r->verdict);
    free(r->finish_reason);
    free(r->model);
    free(r->fingerprint);
    *r = (struct ledger_row){0};
}

static void put(struct db *db, const struct ledger_row *r)
{
    static const char sql_put[] =
        "INSERT OR IGNORE INTO llm_answer (digest, nth, task, requested, request, answer,\n"
        "verdict, finish_reason, model, fingerprint, attempts, tokens_in, tokens_cached,\n"
        "tokens_out, bytes_in, usd, latency_s, uses, origin, at) VALUES (:digest, :nth, :task,\n"
        ":requested, :request, :answer, :verdict, :finish, :model, :fingerprint, :attempts,\n"
        ":in, :cached, :out, :bytes, :usd, :latency, 0, :origin, unixepoch())";
    sqlite3_stmt *q = db_use(db, sql_put);
    db_blob(q, ":digest", r->digest, SHA256_BYTES);
    db_int(q, ":nth", r->nth);
    db_text(q, ":task", r->task);
    db_text(q, ":requested", r->requested);
    db_text(q, ":request", r->request);
    if (r->answer)
        db_textn(q, ":answer", r->answer, r->answer_bytes);
    db_text(q, ":verdict", r->verdict);
    db_text(q, ":finish", r->finish_reason);
    db_text(q, ":model", r->model);
    db_text(q, ":fingerprint", r->fingerprint);
    db_int(q, ":attempts", r->attempts);
    db_int(q, ":in", r->tokens_in);
    db_int(q, ":cached", r->tokens_cached);
    db_int(q, ":out", r->tokens_out);
    db_int(q, ":bytes", r->bytes_in);
    db_real(q, ":usd", r->usd);
    db_real(q, ":latency", r->latency_s);
    db_text(q, ":origin", r->origin);
    db_run(q);
}

int ledger_put(struct db *db, struct ledger_row *r)
{
    static const char sql_id[] =
        "SELECT id FROM llm_answer WHERE digest = :digest AND nth = :nth";
    put(db, r);
    if (db_changes(db) > 0) {
        r->id = db_last_id(db);
        return 1;
    }
    sqlite3_stmt *q = db_use(db, sql_id);
    db_blob(q, ":digest", r->digest, SHA256_BYTES);
    db_int(q, ":nth", r->nth);
    r->id = db_one_int(q, 0);
    return 0;
}

void ledger_used(struct db *db, int64_t id)
{
    static const char sql_used[] = "UPDATE llm_answer SET uses = uses + 1 WHERE id = :id";
    sqlite3_stmt *q = db_use(db, sql_used);
    db_int(q, ":id", id);
    db_run(q);
}

void ledger_judged(struct db *db, int64_t id, const char *verdict)
{
    static const char sql_judged[] =
        "UPDATE llm_answer SET verdict = :verdict WHERE id = :id AND verdict IS NOT :verdict";
    sqlite3_stmt *q = db_use(db, sql_judged);
    db_int(q, ":id", id);
    db_text(q, ":verdict", verdict);
    db_run(q);
}

int64_t ledger_rate(struct db *db, const char *model, struct ledger_rate *out)
{
    static const char sql_rate[] =
        "SELECT count(*), sum(tokens_in) * 1.0 / nullif(sum(bytes_in), 0), avg(tokens_out),\n"
        "avg(nullif(latency_s, 0)) FROM llm_answer WHERE requested = :model AND tokens_out > 0";
    *out = (struct ledger_rate){0.25, 120, 0};
    sqlite3_stmt *q = db_use(db, sql_rate);
    db_text(q, ":model", model);
    int64_t n = db_step(q) ? sqlite3_column_int64(q, 0) : 0;
    if (n > 0 && sqlite3_column_type(q, 1) != SQLITE_NULL) {
        out->in_per_byte = sqlite3_column_double(q, 1);
        out->out = sqlite3_column_double(q, 2);
        out->latency_s = sqlite3_column_double(q, 3);
    }
    sqlite3_reset(q);
    return n;
}
