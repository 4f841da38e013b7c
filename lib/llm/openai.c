/* SPDX-License-Identifier: MIT */
/* The service on a thread of its own, so that a commit of the ledger does not hold back what
 * could be sent meanwhile. Two lists under one lock: requests in, answers out. */
#include "base/util.h"
#include "db/db.h"
#include "llm/transport.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DRAIN_S = 30 }; /* for answers under way when the run has to stop */

struct in {
    struct service_request r;
    char *system, *user;
    void *image;
    struct in *next;
};

struct out {
    struct transport_answer a;
    struct out *next;
};

struct line {
    struct service *service;
    int concurrency;
    pthread_t thread;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t came, gone;
    struct in *in, **in_end;
    struct out *out, **out_end;
    int waiting; /* requests in `in` or with the service */
    int closing, draining, stopped;
    struct err stop;
};

static char *copy(const char *s)
{
    return s ? xstrdup(s) : NULL;
}

static enum transport_outcome outcome_of(enum service_outcome o)
{
    switch (o) {
    case SERVICE_ANSWER: return TRANSPORT_ANSWER;
    case SERVICE_TOO_LONG: return TRANSPORT_TOO_LONG;
    case SERVICE_REJECTED: return TRANSPORT_REJECTED;
    case SERVICE_FAILED: break;
    }
    return TRANSPORT_FAILED;
}

static void on_answer(void *ctx, const struct service_answer *a)
{
    struct line *l = ctx;
    struct out *o = xcalloc(1, sizeof *o);
    o->a.ctx = a->ctx;
    o->a.outcome = outcome_of(a->outcome);
    o->a.refusal = copy(a->refusal);
    o->a.err = a->err;
    o->a.row = (struct ledger_row){
        .answer = copy(a->text), .answer_bytes = a->text ? a->text_bytes : 0,
        .finish_reason = copy(a->finish_reason), .model = copy(a->model),
        .fingerprint = copy(a->fingerprint), .attempts = a->attempts,
        .tokens_in = a->tokens_in, .tokens_cached = a->tokens_cached,
        .tokens_out = a->tokens_out, .latency_s = a->latency_s};
    pthread_mutex_lock(&l->lock);
    *l->out_end = o;
    l->out_end = &o->next;
    l->waiting--;
    pthread_cond_signal(&l->came);
    pthread_mutex_unlock(&l->lock);
}

static void in_free(struct in *i)
{
    free(i->system);
    free(i->user);
    free(i->image);
    free(i);
}

/* The requests that came since the last look; waits while there is nothing at all to do. */
static struct in *fetch(struct line *l, int *closing)
{
    pthread_mutex_lock(&l->lock);
    while (!l->in && !l->closing && service_busy(l->service) == 0)
        pthread_cond_wait(&l->gone, &l->lock);
    struct in *list = l->in;
    l->in = NULL;
    l->in_end = &l->in;
    *closing = l->closing;
    pthread_mutex_unlock(&l->lock);
    return list;
}

/* The run stops, but what is under way may still be answered, and is paid for. */
static void drain(struct line *l)
{
    struct err again;
    double until = monotonic_s() + DRAIN_S;
    int closing = 0;
    pthread_mutex_lock(&l->lock);
    l->draining = 1;
    pthread_mutex_unlock(&l->lock);
    while (!closing && service_busy(l->service) > 0 && monotonic_s() < until) {
        if (service_poll(l->service, 20, on_answer, l, &again) < 0)
            continue; /* it says so each time */
        pthread_mutex_lock(&l->lock);
        closing = l->closing;
        pthread_mutex_unlock(&l->lock);
    }
}

static void *work(void *arg)
{
    struct line *l = arg;
    struct err stop;
    for (int closing = 0; !closing;) {
        for (struct in *i = fetch(l, &closing), *next; i; i = next) {
            next = i->next;
            service_submit(l->service, &i->r);
            in_free(i);
        }
        if (!closing && service_busy(l->service) &&
            service_poll(l->service, 2, on_answer, l, &stop) < 0) {
            drain(l);
            break;
        }
    }
    pthread_mutex_lock(&l->lock);
    if (!l->closing) {
        l->stop = stop;
        l->stopped = 1;
    }
    pthread_cond_broadcast(&l->came);
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

/* What a batch was asked is not asked again one by one: it will be billed. */
static int64_t in_batches(struct db *db, const char *stage)
{
    static const char sql_open[] =
        "SELECT count(*) FROM llm_batch_request r JOIN llm_batch b ON b.id = r.batch_id\n"
        "WHERE b.stage = :stage AND b.state IN ('uploaded', 'sent', 'ended')";
    sqlite3_stmt *q = db_use(db, sql_open);
    db_text(q, ":stage", stage);
    return db_one_int(q, 0);
}

static void *line_open(const struct transport_options *o, struct db *db, const char *stage,
                       struct err *e)
{
    int64_t open = in_batches(db, stage);
    if (open > 0) {
        err_set(e, "%lld requests are under way in batches (table llm_batch); fetch their "
                   "answers with LLM=batch first", (long long)open);
        return NULL;
    }
    struct service *service = service_new(&o->service, e);
    if (!service)
        return NULL;
    struct line *l = xcalloc(1, sizeof *l);
    pthread_condattr_t clock;
    l->service = service;
    l->concurrency = o->service.concurrency;
    l->in_end = &l->in;
    l->out_end = &l->out;
    pthread_mutex_init(&l->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&l->came, &clock);
    pthread_cond_init(&l->gone, NULL);
    pthread_condattr_destroy(&clock);
    if (pthread_create(&l->thread, NULL, work, l) != 0)
        die("cannot start a thread");
    return l;
}

static int line_room(void *self)
{
    struct line *l = self;
    pthread_mutex_lock(&l->lock);
    int room = l->draining ? 0 : 2 * l->concurrency - l->waiting;
    pthread_mutex_unlock(&l->lock);
    return room;
}

static void line_submit(void *self, const struct transport_request *r)
{
    struct line *l = self;
    struct in *i = xcalloc(1, sizeof *i);
    i->r = r->service;
    i->r.system = i->system = copy(r->service.system);
    i->r.user = i->user = copy(r->service.user);
    if (r->service.image) {
        i->r.image = i->image = xmalloc(r->service.image_bytes);
        memcpy(i->image, r->service.image, r->service.image_bytes);
    }
    pthread_mutex_lock(&l->lock);
    *l->in_end = i;
    l->in_end = &i->next;
    l->waiting++;
    pthread_cond_signal(&l->gone);
    pthread_mutex_unlock(&l->lock);
}

/* Waits for the first answer, holding the lock. */
static void wait_for_one(struct line *l, int timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += timeout_ms % 1000 * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    while (!l->out && !l->stopped && timeout_ms > 0)
        if (pthread_cond_timedwait(&l->came, &l->lock, &until) != 0)
            break;
}

static int line_take(void *self, struct transport_answer *out, int max, int timeout_ms,
                     struct err *stop)
{
    struct line *l = self;
    int n = 0;
    pthread_mutex_lock(&l->lock);
    wait_for_one(l, timeout_ms);
    while (l->out && n < max) {
        struct out *o = l->out;
        l->out = o->next;
        out[n++] = o->a;
        free(o);
    }
    if (!l->out)
        l->out_end = &l->out;
    if (n == 0 && l->stopped) { /* what had arrived before comes first */
        *stop = l->stop;
        n = -1;
    }
    pthread_mutex_unlock(&l->lock);
    return n;
}

static int line_finish(void *self, struct err *stop)
{
    (void)self, (void)stop;
    return 0;
}

static void join(struct line *l)
{
    pthread_mutex_lock(&l->lock);
    l->closing = 1;
    pthread_cond_signal(&l->gone);
    pthread_mutex_unlock(&l->lock);
    pthread_join(l->thread, NULL);
}

static void line_close(void *self, struct buf *note)
{
    struct line *l = self;
    join(l);
    service_note(l->service, note);
    for (struct in *i = l->in, *next; i; i = next) {
        next = i->next;
        in_free(i);
    }
    for (struct out *o = l->out, *next; o; o = next) {
        next = o->next;
        transport_release(&o->a);
        free(o);
    }
    service_free(l->service);
    pthread_mutex_destroy(&l->lock);
    pthread_cond_destroy(&l->came);
    pthread_cond_destroy(&l->gone);
    free(l);
}

const struct transport transport_openai = {line_open, line_room, line_submit, line_take,
                                           line_finish, line_close, "openai", 1, 1};

void transport_release(struct transport_answer *a)
{
    free(a->refusal);
    ledger_release(&a->row);
}
