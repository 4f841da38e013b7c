/* SPDX-License-Identifier: MIT */
#include "llm/drive.h"
#include "base/progress.h"
#include "base/util.h"
#include "db/db.h"
#include "llm/flight.h"
#include <stdlib.h>
#include <string.h>

enum { ARRIVALS = 64, WINDOW = 512, WINDOW_BYTES = 16 << 20, FINISHED = 256 };
enum { READ = 64 }; /* items at a time: what can be sent is not kept waiting for the rest */

struct job {
    struct stage_item item;
    struct ask *ask[DRIVE_QUESTIONS];
    int n_ask, flying, deferred, begun, done;
    struct job *next;
};

struct loop {
    struct stage *s;
    const struct drive_task *t;
    void *ctx;
    struct drive *d;
    void *transport;
    struct budget budget;
    struct flights flights;
    struct ask_wanted wanted;
    struct job *finished, **finished_end;
    struct transport_answer arrival[ARRIVALS];
    int n_arrivals, active, n_finished;
    double first_s; /* when the first of the arrivals came */
    int more;       /* there may be pending rows behind `after` */
    int broke;      /* the budget does not allow another request */
    size_t bytes;   /* of texts of the active items */
    int64_t after, passed;
    int64_t put_off; /* items of this pass that the next one does */
    struct buf name;
    struct progress p;
};

double drive_bound(const struct price *p, size_t bytes_in, int max_tokens)
{
    enum { FRAME = 200 }; /* tokens of roles and of a schema */
    return price_usd(p, (int64_t)bytes_in + FRAME, 0, max_tokens);
}

static int stopping(const struct loop *l)
{
    return stage_interrupted() || l->s->stopped;
}

/* ---- items ---- */

static void fail(struct job *j, int permanent, const char *task, const char *reason)
{
    if (j->item.failed)
        return;
    j->item.failed = 1;
    j->item.permanent = permanent;
    err_set(&j->item.err, "%s: %s", task, reason);
}

/* Follows the item's questions as far as the ledger answers. */
static void advance(struct loop *l, struct job *j)
{
    int waiting = 0;
    for (int i = 0; i < j->n_ask; i++) {
        enum ask_state st = ask_advance(j->ask[i], l->s->db, &l->wanted);
        for (int k = 0; k < l->wanted.n && !j->item.failed; k++) {
            flight_join(&l->flights, l->wanted.node[k], j->begun);
            j->flying++;
        }
        l->wanted.n = 0;
        waiting |= st == ASK_WAITING;
        if (st == ASK_FAILED)
            fail(j, 1, j->ask[i]->prompt->name, buf_str(&j->ask[i]->root->reason));
    }
    j->begun = 1;
    if (j->flying > 0 || j->done || (waiting && !j->item.failed && !j->deferred))
        return;
    j->done = 1;
    *l->finished_end = j;
    l->finished_end = &j->next;
    l->n_finished++;
}

static struct job *start(struct loop *l, sqlite3_stmt *row)
{
    struct job *j = xcalloc(1, sizeof *j);
    j->item.id = sqlite3_column_int64(row, 0);
    l->after = j->item.id;
    l->t->stage->load(l->ctx, &j->item, row);
    j->n_ask = l->t->questions(l->ctx, &j->item, j->ask);
    for (int i = 0; i < j->n_ask; i++) {
        j->ask[i]->owner = j;
        l->bytes += j->ask[i]->bytes;
    }
    l->active++;
    return j;
}

/* Reads items while there is room; their questions are looked at when the statement rests. */
static void fill(struct loop *l)
{
    struct job *fresh[READ];
    int n = 0, want = WINDOW - l->active < READ ? WINDOW - l->active : READ;
    if (l->s->left >= 0 && l->s->left < want)
        want = (int)l->s->left;
    l->s->cut |= l->s->left == 0;
    if (want == 0 || stopping(l) || l->broke) {
        l->more = l->more && l->s->left != 0;
        return;
    }
    sqlite3_stmt *q = db_use(l->s->db, l->t->stage->sql_pending);
    db_int(q, ":after", l->after);
    db_int(q, ":chunk", want);
    if (l->t->stage->bind)
        l->t->stage->bind(l->ctx, q);
    while (n < want && (l->bytes < WINDOW_BYTES || l->active == 0) && (l->more = db_step(q)))
        fresh[n++] = start(l, q);
    sqlite3_reset(q);
    if (l->s->left >= 0)
        l->s->left -= n;
    for (int i = 0; i < n; i++)
        advance(l, fresh[i]);
}

static void release(struct loop *l, struct job *j)
{
    for (int i = 0; i < j->n_ask; i++)
        l->bytes -= j->ask[i]->bytes;
    l->t->stage->release(l->ctx, &j->item);
    l->active--;
    free(j);
}

/* Inside a transaction: rows of results, or of failure. */
static void store_finished(struct loop *l)
{
    while (l->finished) {
        struct job *j = l->finished;
        l->finished = j->next;
        buf_clear(&l->name);
        l->t->stage->label(l->ctx, &j->item, &l->name);
        int any = 0;
        for (int i = 0; i < j->n_ask; i++)
            any |= ask_result(j->ask[i]) != NULL;
        if (any && !j->deferred)
            l->t->stage->store(l->ctx, &j->item);
        if (j->item.failed) {
            stage_fail(l->s, buf_str(&l->name), j->item.err.text, j->item.permanent);
        } else if (!j->deferred) {
            stage_unfail(l->s, buf_str(&l->name));
            l->s->done++;
        }
        l->passed += !j->deferred;
        l->put_off += j->deferred && !j->item.failed;
        release(l, j);
    }
    l->finished_end = &l->finished;
    l->n_finished = 0;
}

/* ---- requests ---- */

static struct job *job_of(const struct ask_node *n)
{
    return n->ask->owner;
}

/* 0: it cannot be sent now. */
static int hold(struct loop *l, struct flight *f, size_t bytes, int max_tokens)
{
    double usd = l->d->transport->counts_money && l->budget.cap >= 0
                     ? drive_bound(&l->d->options->price, bytes, max_tokens) : 0;
    if (usd > 0 && !budget_hold(&l->budget, usd))
        return 0;
    f->held_usd = usd;
    return 1;
}

/* Everyone that waits for the request gives up; the items end when nothing of theirs is under
 * way. */
static void refuse(struct loop *l, struct flight *f, int permanent, const char *reason)
{
    struct ask_node *next;
    for (struct ask_node *n = f->first; n; n = next) {
        struct job *j = job_of(n);
        next = n->waiter;
        fail(j, permanent, n->ask->prompt->name, reason);
        ask_refused(n, reason);
        j->flying--;
        advance(l, j);
    }
    flight_end(&l->flights, f);
}

/* 1: sent (or refused); 0: no money for it now. */
static int send_one(struct loop *l, struct flight *f, struct buf *message)
{
    const struct ask_node *n = f->first;
    const struct prompt *p = n->ask->prompt;
    struct transport_request r = {.node = n};
    struct err e;
    buf_clear(message);
    ask_message(message, n);
    r.service = (struct service_request){
        .system = p->system, .user = buf_str(message), .schema = p->schema,
        .schema_name = p->schema_name, .max_tokens = p->max_tokens, .ctx = f,
        .temperature = n->nth ? DRIVE_AGAIN : 0};
    r.bytes_in = message->len + (p->system ? strlen(p->system) : 0);
    r.service.tokens = (int64_t)r.bytes_in / 4 + p->max_tokens;
    int rc = l->t->attach ? l->t->attach(l->ctx, &job_of(n)->item, &r.service, &e) : 0;
    if (rc < 0) {
        flight_sent(&l->flights, f);
        refuse(l, f, rc == DRIVE_PERMANENT, e.text);
        return 1;
    }
    /* A photo's tokens are at most its bytes as they are sent. */
    if (!hold(l, f, r.bytes_in + r.service.image_bytes / 3 * 4, p->max_tokens)) {
        free((void *)(uintptr_t)r.service.image);
        return 0;
    }
    f->bytes_in = r.bytes_in;
    flight_sent(&l->flights, f);
    l->d->transport->submit(l->transport, &r);
    free((void *)(uintptr_t)r.service.image);
    return 1;
}

static void pump(struct loop *l)
{
    struct buf message = {0};
    struct flight *f;
    int room = stopping(l) ? 0 : l->d->transport->room(l->transport);
    l->broke = 0;
    while (room-- > 0 && (f = flight_next(&l->flights)) != NULL)
        if (!send_one(l, f, &message)) {
            l->broke = 1;
            break;
        }
    buf_release(&message);
    if (!l->broke || l->flights.n_sent > 0 || l->n_arrivals > 0)
        return;
    err_set(&l->s->stop, "the budget of $%.4f does not allow another request (spent or lost so "
                         "far: $%.4f); give a higher BUDGET to go on",
            l->budget.cap, budget_spent(l->s->db) + l->budget.spent);
    l->s->stopped = 1;
}

/* ---- answers ---- */

/* What the service did not say is estimated: a token is about four bytes. */
static void price_answer(struct loop *l, const struct flight *f, struct transport_answer *a)
{
    struct ledger_row *r = &a->row;
    r->bytes_in = (int64_t)f->bytes_in;
    if (r->tokens_in < 0)
        r->tokens_in = a->outcome == TRANSPORT_ANSWER ? r->bytes_in / 4 : 0;
    if (r->tokens_out < 0)
        r->tokens_out = (int64_t)r->answer_bytes / 4;
    if (r->tokens_cached < 0)
        r->tokens_cached = 0;
    r->usd = price_usd(&l->d->options->price, r->tokens_in, r->tokens_cached, r->tokens_out);
}

static char *verdict_on(const struct ask_node *n, const struct transport_answer *a)
{
    struct llm_result result = {0};
    struct buf reason = {0};
    struct answer_given given = {a->row.answer, a->row.answer_bytes, a->row.finish_reason,
                                 a->refusal, NULL};
    if (a->outcome == TRANSPORT_TOO_LONG)
        return xstrdup(LEDGER_TOO_LONG);
    char *verdict = ask_judge(n, &result, &given, &reason) ? xstrdup(buf_str(&reason)) : NULL;
    llm_result_release(&result);
    buf_release(&reason);
    return verdict;
}

static void keep(struct loop *l, struct flight *f, struct transport_answer *a)
{
    struct ask_node *n = f->first, *next;
    memcpy(a->row.digest, n->digest, SHA256_BYTES);
    a->row.nth = n->nth;
    a->row.task = n->ask->prompt->name;
    a->row.requested = n->ask->limits->model;
    a->row.request = buf_str(&n->request);
    a->row.origin = l->d->transport->origin;
    price_answer(l, f, a);
    a->row.verdict = verdict_on(n, a);
    ledger_put(l->s->db, &a->row);
    budget_spend(&l->budget, f->held_usd, a->row.usd);
    for (; n; n = next) {
        struct job *j = job_of(n);
        next = n->waiter;
        ask_arrived(n);
        j->flying--;
        advance(l, j);
    }
    flight_end(&l->flights, f);
}

static void settle_one(struct loop *l, struct transport_answer *a)
{
    struct flight *f = a->ctx;
    switch (a->outcome) {
    case TRANSPORT_ANSWER:
    case TRANSPORT_TOO_LONG:
        keep(l, f, a);
        return;
    case TRANSPORT_DEFERRED:
        for (struct ask_node *n = f->first; n; n = n->waiter)
            job_of(n)->deferred = 1;
        break;
    case TRANSPORT_REJECTED:
    case TRANSPORT_FAILED:
        break;
    }
    budget_spend(&l->budget, f->held_usd, 0);
    if (a->outcome != TRANSPORT_DEFERRED) {
        refuse(l, f, a->outcome == TRANSPORT_REJECTED, a->err.text);
        return;
    }
    for (struct ask_node *n = f->first, *next; n; n = next) {
        next = n->waiter;
        job_of(n)->flying--;
        advance(l, job_of(n));
    }
    flight_end(&l->flights, f);
}

/* One transaction for all that came in and all that it ended. */
static void settle(struct loop *l)
{
    if (l->n_arrivals == 0 && l->n_finished == 0 && l->wanted.n_judged == 0)
        return;
    db_begin(l->s->db);
    for (int i = 0; i < l->n_arrivals; i++) {
        settle_one(l, &l->arrival[i]);
        transport_release(&l->arrival[i]);
    }
    l->n_arrivals = 0;
    for (int i = 0; i < l->wanted.n_used; i++)
        ledger_used(l->s->db, l->wanted.used[i]);
    l->wanted.n_used = 0;
    for (int i = 0; i < l->wanted.n_judged; i++)
        ledger_judged(l->s->db, l->wanted.judged[i].id, l->wanted.judged[i].verdict);
    ask_judged_clear(&l->wanted);
    store_finished(l);
    budget_keep(&l->budget);
    db_commit(l->s->db);
    progress_set(&l->p, l->passed);
}

static int due_ms(const struct loop *l)
{
    if (l->n_arrivals == 0)
        return l->flights.n_sent ? 100 : 0;
    double left = DRIVE_COMMIT_MS - (monotonic_s() - l->first_s) * 1000;
    return left > 1 ? (int)left : 0;
}

static void receive(struct loop *l)
{
    int timeout = due_ms(l);
    int n = l->d->transport->take(l->transport, l->arrival + l->n_arrivals,
                                  ARRIVALS - l->n_arrivals, timeout, &l->s->stop);
    if (n < 0)
        l->s->stopped = 1;
    if (n > 0 && l->n_arrivals == 0)
        l->first_s = monotonic_s();
    l->n_arrivals += n > 0 ? n : 0;
    if (l->n_arrivals == ARRIVALS || l->n_finished >= FINISHED ||
        (timeout == 0 && (l->n_arrivals || l->n_finished)) || due_ms(l) == 0)
        settle(l);
}

/* ---- the loop ---- */

/* The items that will not end: what they wait for was never sent, or will not come. */
static void abandon(struct loop *l)
{
    struct flight *f, *next_f;
    HASH_ITER (hh, l->flights.table, f, next_f) {
        struct ask_node *next;
        for (struct ask_node *n = f->first; n; n = next) {
            struct job *j = job_of(n);
            next = n->waiter;
            if (--j->flying == 0)
                release(l, j);
        }
        flight_end(&l->flights, f);
    }
}

/* One pass over the pending items. */
static void pass(struct loop *l)
{
    l->after = 0;
    l->more = 1;
    while (l->more || l->active > 0) {
        if (l->more && l->active < WINDOW / 2)
            fill(l);
        pump(l);
        if (stopping(l) && l->flights.n_sent == 0 && l->n_arrivals == 0)
            break;
        if (l->s->stopped && !stage_interrupted() && l->n_arrivals == 0)
            break; /* the transport has stopped: nothing more will come */
        receive(l);
    }
    settle(l);
    abandon(l);
}

static int64_t count(struct loop *l)
{
    int64_t total = 0;
    sqlite3_stmt *q = db_use(l->s->db, l->t->stage->sql_count);
    if (l->t->stage->bind)
        l->t->stage->bind(l->ctx, q);
    while (db_step(q))
        total += sqlite3_column_int64(q, 1);
    return total;
}

static void run(struct loop *l)
{
    int again = 1;
    while (again > 0 && !stopping(l)) {
        l->put_off = 0;
        pass(l);
        if (l->s->left >= 0)
            l->s->left += l->put_off; /* --limit counts an item once */
        again = stopping(l) ? 0 : l->d->transport->finish(l->transport, &l->s->stop);
        if (again < 0)
            l->s->stopped = 1;
    }
}

void drive_loop(struct stage *s, const struct drive_task *t, void *ctx, struct drive *d)
{
    struct loop l = {.s = s, .t = t, .ctx = ctx, .d = d};
    int64_t total = count(&l);
    if (total == 0)
        return;
    l.transport = d->transport->open(d->options, s->db, s->def->name, &s->stop);
    if (!l.transport) {
        s->stopped = 1;
        return;
    }
    l.finished_end = &l.finished;
    db_exec(s->db, "PRAGMA synchronous = FULL"); /* what was paid for outlives a power cut */
    budget_begin(&l.budget, s->db, s->def->name, d->options->cap);
    if (l.budget.lost > 0)
        warn("a run that was killed had reserved $%.4f: counted as spent (table budget)",
             l.budget.lost);
    progress_start(&l.p, t->stage->what, s->left >= 0 && s->left < total ? s->left : total);
    run(&l);
    progress_end(&l.p);
    budget_end(&l.budget);
    d->transport->close(l.transport, &d->note);
    db_exec(s->db, "PRAGMA synchronous = NORMAL");
    ask_wanted_release(&l.wanted);
    buf_release(&l.name);
}
