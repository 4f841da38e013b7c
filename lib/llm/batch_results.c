/* SPDX-License-Identifier: MIT */
#include "base/util.h"
#include "db/db.h"
#include "llm/batch.h"
#include "llm/budget.h"
#include "llm/key.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_SHORT = 16 }; /* a shorter key may be a word of an honest answer */

/* A line of a file of results; pointers into the line. */
struct result {
    char *custom_id, *code, *message;
    int status;         /* 0: no response */
    char *body;         /* raw JSON; NULL: none */
    size_t body_bytes;
};

struct take {
    struct batch *b;
    int64_t id; /* of the batch */
    struct buf line, body;
    int64_t answers, refused, late, again, unknown, odd;
    double held, cost; /* of this transaction */
};

/* ---- lines ---- */

/* The next line without its end; one of more than answer_max bytes is left empty. 0: no more. */
static int next_line(struct take *t, FILE *f)
{
    char part[65536];
    size_t most = t->b->o.service.answer_max;
    int any = 0, long_one = 0;
    buf_clear(&t->line);
    while (fgets(part, sizeof part, f)) {
        size_t n = strlen(part); /* behind a NUL nothing of the line can be read anyway */
        any = 1;
        long_one |= t->line.len + n > most;
        if (!long_one)
            buf_add(&t->line, part, n);
        if (n > 0 && part[n - 1] == '\n')
            break;
    }
    if (long_one)
        buf_clear(&t->line);
    while (t->line.len > 0 && t->line.data[t->line.len - 1] == '\n')
        t->line.data[--t->line.len] = 0;
    return any;
}

static int take_text(struct jsonval *j, char **s)
{
    struct jsonval_text t;
    if (jsonval_scalar(j, &t) < 0)
        return -1;
    *s = t.kind == JSONVAL_STRING ? t.s : NULL;
    return 0;
}

static int take_status(struct jsonval *j, int *status)
{
    struct jsonval_text t;
    if (jsonval_scalar(j, &t) < 0)
        return -1;
    *status = t.kind == JSONVAL_NUMBER && t.n == 3 ? atoi((char[]){t.s[0], t.s[1], t.s[2], 0}) : 0;
    return 0;
}

static int take_response(struct jsonval *j, struct result *x)
{
    struct jsonval_text key;
    int rc;
    if (jsonval_peek(j) != JSONVAL_OBJECT)
        return jsonval_skip(j);
    for (rc = jsonval_object(j); rc == 0 && (rc = jsonval_key(j, &key)) == 1;) {
        if (jsonval_is(&key, "status_code")) {
            rc = take_status(j, &x->status);
        } else if (jsonval_is(&key, "body")) {
            jsonval_peek(j); /* steps over white space */
            x->body = j->at;
            rc = jsonval_skip(j);
            x->body_bytes = (size_t)(j->at - x->body);
        } else {
            rc = jsonval_skip(j);
        }
    }
    return rc;
}

static int take_error(struct jsonval *j, struct result *x)
{
    struct jsonval_text key;
    int rc;
    if (jsonval_peek(j) != JSONVAL_OBJECT)
        return jsonval_skip(j);
    for (rc = jsonval_object(j); rc == 0 && (rc = jsonval_key(j, &key)) == 1;)
        rc = jsonval_is(&key, "code")      ? take_text(j, &x->code)
             : jsonval_is(&key, "message") ? take_text(j, &x->message)
                                           : jsonval_skip(j);
    return rc;
}

static int parse(struct result *x, struct buf *line)
{
    struct jsonval j;
    struct jsonval_text key;
    int rc;
    *x = (struct result){0};
    chat_json_begin(&j, line);
    for (rc = jsonval_object(&j); rc == 0 && (rc = jsonval_key(&j, &key)) == 1;)
        rc = jsonval_is(&key, "custom_id")  ? take_text(&j, &x->custom_id)
             : jsonval_is(&key, "response") ? take_response(&j, x)
             : jsonval_is(&key, "error")    ? take_error(&j, x)
                                            : jsonval_skip(&j);
    return rc == 0 && jsonval_end(&j) == 0 && x->custom_id ? 0 : -1;
}

/* "HEX-NTH" */
static int parse_id(struct batch_key *k, const char *s)
{
    static const char hex[] = "0123456789abcdef";
    char *end;
    memset(k, 0, sizeof *k);
    for (int i = 0; i < 2 * SHA256_BYTES; i++, s++) {
        const char *digit = *s ? strchr(hex, *s) : NULL;
        if (!digit)
            return -1;
        k->digest[i / 2] = (unsigned char)(k->digest[i / 2] << 4 | (digit - hex));
    }
    if (*s != '-' || s[1] < '0' || s[1] > '9' || strlen(s) > 8)
        return -1;
    k->nth = (int)strtol(s + 1, &end, 10);
    return *end ? -1 : 0;
}

/* ---- requests that came back without an answer ---- */

struct batch_refusal *batch_refused(struct batch *b, const struct batch_key *k)
{
    struct batch_refusal *r;
    HASH_FIND(hh, b->refusals, k, sizeof *k, r);
    return r;
}

/* Of a batch each request counts once, however many lines name it. */
static void refuse(struct take *t, const struct batch_key *k, int permanent, const char *why)
{
    struct batch *b = t->b;
    struct batch_refusal *r = batch_refused(b, k);
    if (!r) {
        r = xcalloc(1, sizeof *r);
        r->key = *k;
        HASH_ADD(hh, b->refusals, key, sizeof r->key, r);
    }
    if (r->batch_id == t->id)
        return;
    r->batch_id = t->id;
    r->permanent = permanent;
    snprintf(r->why, sizeof r->why, "%s", why);
    if (++r->times == BATCH_REFUSED_MAX)
        b->gained++; /* given up: that is progress */
}

static int may_pass(int status)
{
    return status < 400 || status == 408 || status == 409 || status == 425 || status == 429 ||
           status >= 500;
}

/* 1: the request is too long for the model, which is an answer. */
static int judge_refusal(struct take *t, const struct batch_key *k, const struct result *x)
{
    struct batch *b = t->b;
    struct chat_error c;
    char code[64];
    buf_clear(&t->body);
    buf_add(&t->body, x->body ? x->body : "", x->body_bytes);
    if (!x->body && x->message)
        buf_adds(&t->body, x->message);
    chat_parse_error(&c, &t->body, b->o.service.key);
    chat_one_line(code, sizeof code, x->code ? x->code : "");
    const char *said = *c.message ? c.message : *code ? code : "no message";
    if (c.too_long)
        return 1;
    if (x->status)
        snprintf(b->why, sizeof b->why, "HTTP %d: %.200s", x->status, said);
    else
        snprintf(b->why, sizeof b->why, "%.200s", said);
    if (c.quirk && !(b->quirks & c.quirk)) {
        b->quirks |= c.quirk;
        b->gained++;
    } else if (strcmp(code, "batch_expired") == 0 || strcmp(code, "batch_cancelled") == 0) {
        t->late++;
        return 0;
    } else {
        b->quota |= c.quota;
        refuse(t, k, x->status && !may_pass(x->status), b->why);
    }
    t->refused++;
    return 0;
}

/* ---- answers ---- */

/* The row of the request, and the name of the model it was for. 0: not (any more) of this
 * batch. */
static int find(struct take *t, const struct batch_key *k, struct ledger_row *r, char **task,
                char **request)
{
    static const char sql_find[] =
        "SELECT task, request, bytes_in FROM llm_batch_request\n"
        "WHERE digest = :digest AND nth = :nth AND batch_id = :batch";
    sqlite3_stmt *q = db_use(t->b->db, sql_find);
    db_blob(q, ":digest", k->digest, SHA256_BYTES);
    db_int(q, ":nth", k->nth);
    db_int(q, ":batch", t->id);
    int found = db_step(q);
    *r = (struct ledger_row){.nth = k->nth, .attempts = 1, .origin = "batch"};
    memcpy(r->digest, k->digest, SHA256_BYTES);
    if (found) {
        *task = xstrdup(db_col_text(q, 0));
        *request = xstrdup(db_col_text(q, 1));
        r->bytes_in = sqlite3_column_int64(q, 2);
    }
    sqlite3_reset(q);
    return found;
}

/* A batch may come from a run with another model; the request says which. */
static char *model_of(const char *request)
{
    struct buf copy = {0};
    struct jsonval j;
    struct jsonval_text key;
    char *model = NULL;
    int rc;
    buf_adds(&copy, request);
    chat_json_begin(&j, &copy);
    for (rc = jsonval_object(&j); rc == 0 && (rc = jsonval_key(&j, &key)) == 1;)
        rc = jsonval_is(&key, "model") ? take_text(&j, &model) : jsonval_skip(&j);
    model = xstrdup(model ? model : "");
    buf_release(&copy);
    return model;
}

static void put(struct take *t, struct ledger_row *r, char *task, char *request)
{
    static const char sql_drop[] =
        "DELETE FROM llm_batch_request WHERE digest = :digest AND nth = :nth";
    struct batch *b = t->b;
    char *model = model_of(request);
    r->task = task;
    r->request = request;
    r->requested = model;
    ledger_put(b->db, r);
    t->cost += r->usd;
    sqlite3_stmt *q = db_use(b->db, sql_drop);
    db_blob(q, ":digest", r->digest, SHA256_BYTES);
    db_int(q, ":nth", r->nth);
    db_run(q);
    t->answers++;
    b->gained++;
    free(model);
}

static char *own(const char *s)
{
    return s ? xstrdup(s) : NULL;
}

/* The next pass judges it: what a refusal says stands where it will be looked for. */
static int answer(struct take *t, struct ledger_row *r, const struct result *x, struct err *why)
{
    struct chat_answer a;
    buf_clear(&t->body);
    buf_add(&t->body, x->body ? x->body : "", x->body_bytes);
    if (chat_parse_answer(&a, &t->body, why) < 0)
        return -1;
    r->answer = own(a.text);
    r->answer_bytes = a.text ? a.text_bytes : 0;
    r->verdict = a.text ? NULL : own(a.refusal);
    r->finish_reason = own(a.finish_reason);
    r->model = own(a.model);
    r->fingerprint = own(a.fingerprint);
    r->tokens_in = a.tokens_in >= 0 ? a.tokens_in : r->bytes_in / 4;
    r->tokens_cached = a.tokens_cached >= 0 ? a.tokens_cached : 0;
    r->tokens_out = a.tokens_out >= 0 ? a.tokens_out : (int64_t)r->answer_bytes / 4;
    r->usd = BATCH_PRICE * price_usd(&t->b->o.price, r->tokens_in, r->tokens_cached,
                                     r->tokens_out);
    return 0;
}

/* What is in the ledger already was taken in by a run that was killed, or is there twice. */
static void count_stranger(struct take *t, const struct batch_key *k)
{
    struct ledger_row r;
    if (ledger_get(t->b->db, k->digest, k->nth, &r)) {
        ledger_release(&r);
        t->again++;
    } else {
        t->unknown++;
    }
}

static void take_line(struct take *t)
{
    const char *key = t->b->o.service.key;
    struct result x;
    struct batch_key k;
    struct ledger_row r;
    struct err why;
    char *task = NULL, *request = NULL;
    if (key && strlen(key) >= KEY_SHORT)
        key_mask(t->line.data, t->line.len, key);
    if (t->line.len == 0 || parse(&x, &t->line) < 0) {
        t->odd++;
        return;
    }
    if (parse_id(&k, x.custom_id) < 0) {
        t->unknown++;
        return;
    }
    if (!find(t, &k, &r, &task, &request)) {
        count_stranger(t, &k);
        return;
    }
    if (x.status == 200 && x.body) {
        if (answer(t, &r, &x, &why) == 0) {
            put(t, &r, task, request);
        } else {
            snprintf(t->b->why, sizeof t->b->why, "%.255s", why.text);
            refuse(t, &k, 0, t->b->why);
            t->refused++;
        }
    } else if (judge_refusal(t, &k, &x)) {
        r.verdict = xstrdup(LEDGER_TOO_LONG);
        put(t, &r, task, request);
    }
    ledger_release(&r);
    free(task);
    free(request);
}

/* ---- files ---- */

/* What was answered is spent, and as much of what the batch holds is free: in the transaction
 * of the answers. */
static void settle(struct take *t)
{
    static const char sql_held[] = "SELECT held_usd FROM llm_batch WHERE id = :id";
    static const char sql_less[] =
        "UPDATE llm_batch SET held_usd = held_usd - :usd WHERE id = :id";
    struct batch *b = t->b;
    if (t->cost <= 0)
        return;
    sqlite3_stmt *q = db_use(b->db, sql_held);
    db_int(q, ":id", t->id);
    double held = db_step(q) ? sqlite3_column_double(q, 0) : 0;
    sqlite3_reset(q);
    held = held < t->cost ? held : t->cost;
    q = db_use(b->db, sql_less);
    db_real(q, ":usd", held);
    db_int(q, ":id", t->id);
    db_run(q);
    budget_batch_spend(b->db, b->stage, held, t->cost);
    t->cost = 0;
}

static void report(const struct take *t)
{
    long long id = (long long)t->id;
    if (t->refused)
        info("batch %lld: %lld requests came back without an answer: %s", id,
             (long long)t->refused, t->b->why);
    if (t->late)
        info("batch %lld: %lld requests were not done in time", id, (long long)t->late);
    if (t->again)
        info("batch %lld: %lld results were there already", id, (long long)t->again);
    if (t->unknown)
        warn("batch %lld: %lld results to requests that are not of it", id,
             (long long)t->unknown);
    if (t->odd)
        warn("batch %lld: %lld lines of results cannot be read; what they answer is asked again",
             id, (long long)t->odd);
}

int batch_take(struct batch *b, int64_t id, const char *path, struct err *e)
{
    struct take t = {.b = b, .id = id};
    FILE *f = fopen(path, "re");
    if (!f)
        return err_set(e, "%s: %s", path, strerror(errno));
    for (int more = 1; more;) {
        db_begin(b->db);
        for (int i = 0; i < BATCH_ROWS && (more = next_line(&t, f)); i++)
            take_line(&t);
        settle(&t);
        db_commit(b->db);
    }
    int rc = ferror(f) ? err_set(e, "%s: %s", path, strerror(errno)) : 0;
    fclose(f);
    report(&t);
    buf_release(&t.line);
    buf_release(&t.body);
    return rc;
}
