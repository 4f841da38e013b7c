/* SPDX-License-Identifier: MIT */
#include "llm/service.h"
#include "base/rng.h"
#include "base/util.h"
#include "llm/item.h"
#include "llm/ratelimit.h"
#include "llm/verdict.h"
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define CONCURRENCY_MAX 512
#define BACKOFF_MAX 30.0 /* seconds */
/* Broken connections of one request while others are answered: given up after so many, or
 * after fewer when it is the one that is left. */
#define LONELY_FAULTS_MAX 11
#define LONELY_FAULTS_SUSPECT 3
#define EQUAL_REJECTIONS_MAX 20
#define SLOW_S 60.0

const struct service_options service_defaults = {
    .kind = SERVICE_CHAT,
    .concurrency = 8,
    .retries = 6,
    .backoff_s = 0.5,
    .patience_s = 120,
    .connect_s = 10,
    .first_byte_s = 600, /* whole answers: the first byte comes when the model is done */
    .total_s = 600,
    .answer_max = 4 << 20,
};

struct service {
    struct service_options o;
    char *url, *model;
    struct http *http;
    struct ratelimit rate;
    struct rng rng;
    struct item_list ready, waiting;
    struct item **flying; /* [concurrency] */
    int n_flying;
    double waiting_due; /* the earliest of them */
    unsigned quirks;
    uint64_t answered;     /* HTTP answers of any kind */
    uint64_t good;         /* completions */
    double down_since;     /* first broken connection since the last answer; 0: none */
    char rejection[256];   /* the last one */
    int equal_rejections;
    bool stopped;
    struct err stop;
    service_answer_fn *fn; /* of the service_poll that runs */
    void *fn_ctx;
    int ended;
};

/* ---- opening ---- */

static int check(const struct service_options *o, struct err *e)
{
    if (o->concurrency < 1 || o->concurrency > CONCURRENCY_MAX)
        return err_set(e, "%d requests in flight, not 1 to %d", o->concurrency, CONCURRENCY_MAX);
    if (!(o->rpm >= 0 && o->tpm >= 0))
        return err_set(e, "limits a minute of %g requests and %g tokens: below 0", o->rpm, o->tpm);
    if (o->retries < 0)
        return err_set(e, "%d retries: below 0", o->retries);
    if (!(o->connect_s > 0 && o->first_byte_s > 0 && o->total_s > 0 && o->patience_s >= 0 &&
          o->backoff_s >= 0))
        return err_set(e, "time-outs of %g, %g, %g and %g s: not above 0", o->connect_s,
                       o->first_byte_s, o->total_s, o->patience_s);
    if (o->kind == SERVICE_CHAT && (!o->model || !*o->model))
        return err_set(e, "no model named for %s", o->url);
    return 0;
}

struct service *service_new(const struct service_options *o, struct err *e)
{
    if (!o->url) {
        err_set(e, "no address of the service");
        return NULL;
    }
    if (check(o, e) < 0)
        return NULL;
    struct service *s = xcalloc(1, sizeof *s);
    s->o = *o;
    item_list_init(&s->ready);
    item_list_init(&s->waiting);
    s->waiting_due = INFINITY;
    rng_seed(&s->rng, o->seed, 0x68747470);
    ratelimit_init(&s->rate, o->rpm, o->tpm, o->concurrency, monotonic_s());
    s->flying = xcalloc((size_t)o->concurrency, sizeof *s->flying);
    s->model = xstrdup(o->model ? o->model : "");
    struct http_options h = {.key = o->key, .ca_file = o->ca_file, .concurrency = o->concurrency,
                             .connect_s = o->connect_s, .first_byte_s = o->first_byte_s,
                             .total_s = o->total_s, .slow_s = SLOW_S,
                             .answer_max = o->answer_max};
    s->url = http_url(o->url, o->kind == SERVICE_CHAT ? "chat/completions" : "", e);
    s->http = s->url ? http_new(&h, e) : NULL;
    if (!s->http) {
        service_free(s);
        return NULL;
    }
    return s;
}

void service_free(struct service *s)
{
    if (!s)
        return;
    http_free(s->http); /* before the bodies that it sends */
    for (int i = 0; i < s->n_flying; i++)
        item_free(s->flying[i]);
    item_free_all(&s->ready);
    item_free_all(&s->waiting);
    free(s->flying);
    free(s->url);
    free(s->model);
    free(s);
}

/* ---- submitting ---- */

void service_submit(struct service *s, const struct service_request *r)
{
    if (s->stopped)
        return; /* nothing is sent any more */
    struct item *i = item_new(r);
    i->good_then = s->good;
    i->answered_then = s->answered;
    item_push_back(&s->ready, i);
}

int service_busy(const struct service *s)
{
    return s->ready.n + s->waiting.n + s->n_flying;
}

int service_room(const struct service *s)
{
    int room = 2 * s->o.concurrency - service_busy(s);
    return room > 0 ? room : 0;
}

void service_note(const struct service *s, struct buf *out)
{
    chat_note_quirks(out, s->quirks);
}

/* ---- sending ---- */

static void send_item(struct service *s, struct item *i)
{
    struct http_request r = {.url = s->url, .ctx = i};
    if (s->o.kind == SERVICE_CHAT) {
        buf_clear(&i->body);
        chat_write_request(&i->body, s->model, &i->r, s->quirks);
        r.body = i->body.data;
        r.bytes = i->body.len;
    } else {
        r.type = i->r.image_type;
        r.body = i->r.image;
        r.bytes = i->r.image_bytes;
    }
    i->quirks = s->quirks;
    i->attempts++;
    i->flying = s->n_flying;
    s->flying[s->n_flying++] = i;
    http_send(s->http, &r);
}

/* Those whose time has come go to the front: they have waited longest. */
static void take_due(struct service *s, double now)
{
    if (s->waiting_due > now)
        return;
    s->waiting_due = INFINITY;
    for (int n = s->waiting.n; n > 0; n--) {
        struct item *i = item_pop(&s->waiting);
        if (i->due <= now) {
            item_push_front(&s->ready, i);
        } else {
            item_push_back(&s->waiting, i);
            s->waiting_due = fmin(s->waiting_due, i->due);
        }
    }
}

/* Sends what may be sent. Returns the seconds until the rate allows the next one. */
static double send_ready(struct service *s)
{
    double now = monotonic_s();
    take_due(s, now);
    while (s->ready.n > 0 && s->n_flying < ratelimit_window(&s->rate)) {
        int64_t tokens = s->ready.head->r.tokens;
        double wait = ratelimit_wait(&s->rate, tokens, now);
        if (wait > 0)
            return wait;
        ratelimit_take(&s->rate, tokens, now);
        send_item(s, item_pop(&s->ready));
    }
    return INFINITY;
}

/* ---- results ---- */

static void deliver(struct service *s, struct item *i, enum service_outcome outcome,
                    const struct verdict *v, double latency_s)
{
    struct service_answer a = {.ctx = i->r.ctx, .outcome = outcome, .latency_s = latency_s,
                               .attempts = i->attempts, .tokens_in = -1, .tokens_cached = -1,
                               .tokens_out = -1};
    if (outcome == SERVICE_ANSWER) {
        const struct chat_answer *c = &v->answer;
        a.text = c->text;
        a.text_bytes = c->text_bytes;
        a.refusal = c->refusal;
        a.finish_reason = c->finish_reason;
        a.model = c->model;
        a.fingerprint = c->fingerprint;
        a.tokens_in = c->tokens_in;
        a.tokens_cached = c->tokens_cached;
        a.tokens_out = c->tokens_out;
    } else {
        a.err = v->err;
    }
    s->ended++;
    s->fn(s->fn_ctx, &a);
    item_free(i);
}

/* Nothing is sent any more; what is in flight may still come. */
static void stop(struct service *s, const char *why)
{
    if (s->stopped)
        return;
    s->stopped = true;
    err_set(&s->stop, "%s", why);
    item_free_all(&s->ready);
    item_free_all(&s->waiting);
    s->waiting_due = INFINITY;
}

/* min(backoff_s * 2^failures, 30 s) with full jitter: spread over the whole interval. */
static double back_off(struct service *s, const struct item *i)
{
    double most = fmin(ldexp(s->o.backoff_s, i->failures < 16 ? i->failures : 16), BACKOFF_MAX);
    return most * (double)rng_uniform(&s->rng);
}

static void wait_for(struct service *s, struct item *i, double due)
{
    i->due = due;
    i->failures++;
    i->good_then = s->good;
    i->answered_then = s->answered;
    if (s->stopped) {
        item_free(i);
        return;
    }
    item_push_back(&s->waiting, i);
    s->waiting_due = fmin(s->waiting_due, due);
}

/* Being refused for the rate costs a retry only when nobody got through meanwhile. */
static void again(struct service *s, struct item *i, struct verdict *v,
                  const struct http_result *r)
{
    double now = monotonic_s(), wait = v->wait_s > 0 ? v->wait_s : back_off(s, i);
    if (!v->hold || s->good == i->good_then)
        i->errors++;
    if (v->hold) {
        ratelimit_refused(&s->rate, r->sent_at, now);
        ratelimit_hold(&s->rate, now + wait);
    }
    if (i->errors > s->o.retries) {
        size_t n = strlen(v->err.text);
        snprintf(v->err.text + n, sizeof v->err.text - n, " (asked %d times)", i->attempts);
        deliver(s, i, SERVICE_FAILED, v, r->latency_s);
        return;
    }
    wait_for(s, i, now + wait);
}

/* A service that is down stops the run after patience_s. A request that breaks its connection
 * again and again while others are answered is given up instead: it may be what breaks the
 * service. A time-out weighs more than a reset, it took longer. */
static void broken(struct service *s, struct item *i, struct verdict *v,
                   const struct http_result *r)
{
    double now = monotonic_s();
    if (s->down_since <= 0)
        s->down_since = now;
    if (s->answered > i->answered_then)
        i->faults += r->fault == HTTP_TIMEOUT ? 2 : 1;
    bool down = now - s->down_since >= s->o.patience_s;
    if (i->faults >= (down ? LONELY_FAULTS_SUSPECT : LONELY_FAULTS_MAX)) {
        deliver(s, i, SERVICE_FAILED, v, r->latency_s);
        return;
    }
    if (down) {
        char why[sizeof v->err.text];
        snprintf(why, sizeof why, "%.400s; nothing for %.0f s: is it running?", v->err.text,
                 s->o.patience_s);
        stop(s, why);
    }
    wait_for(s, i, now + back_off(s, i));
}

static void rejected(struct service *s, struct item *i, const struct verdict *v, double latency_s)
{
    if (strcmp(s->rejection, v->err.text) != 0) {
        snprintf(s->rejection, sizeof s->rejection, "%.255s", v->err.text);
        s->equal_rejections = 0;
    }
    if (++s->equal_rejections >= EQUAL_REJECTIONS_MAX) {
        char why[sizeof v->err.text];
        snprintf(why, sizeof why, "%.120s rejected %d requests in a row: %s", s->url,
                 s->equal_rejections, s->rejection);
        stop(s, why);
    }
    deliver(s, i, SERVICE_REJECTED, v, latency_s);
}

static void learn_limits(struct service *s, const struct http_result *r)
{
    double now = monotonic_s();
    ratelimit_learn(&s->rate, http_header(r, "x-ratelimit-remaining-requests"),
                    http_header(r, "x-ratelimit-reset-requests"), now);
    ratelimit_learn(&s->rate, http_header(r, "x-ratelimit-remaining-tokens"),
                    http_header(r, "x-ratelimit-reset-tokens"), now);
}

static void act(struct service *s, struct item *i, struct verdict *v, struct http_result *r)
{
    switch (v->what) {
    case VERDICT_ANSWER:
        s->good++;
        s->equal_rejections = 0;
        ratelimit_answered(&s->rate);
        deliver(s, i, SERVICE_ANSWER, v, r->latency_s);
        break;
    case VERDICT_AGAIN: again(s, i, v, r); break;
    case VERDICT_BROKEN: broken(s, i, v, r); break;
    case VERDICT_TOO_LONG: deliver(s, i, SERVICE_TOO_LONG, v, r->latency_s); break;
    case VERDICT_REJECTED: rejected(s, i, v, r->latency_s); break;
    case VERDICT_FAILED: deliver(s, i, SERVICE_FAILED, v, r->latency_s); break;
    case VERDICT_STOP:
        stop(s, v->err.text);
        item_free(i);
        break;
    }
}

static void on_result(void *self, struct http_result *r)
{
    struct service *s = self;
    struct item *i = r->ctx;
    struct verdict v;
    s->flying[i->flying] = s->flying[--s->n_flying];
    s->flying[i->flying]->flying = i->flying;
    verdict_of(&v, r, s->o.kind, s->url, s->o.key);
    if (v.what != VERDICT_BROKEN) {
        s->answered++;
        s->down_since = 0;
        learn_limits(s, r);
    }
    unsigned quirk = chat_quirk_next(v.quirk, i->quirks);
    if (chat_quirk_applies(quirk, &i->r, i->quirks) && !s->stopped) {
        s->quirks |= quirk;
        item_push_front(&s->ready, i); /* what was in flight meanwhile fails and learns the same */
        return;
    }
    act(s, i, &v, r);
}

int service_poll(struct service *s, int timeout_ms, service_answer_fn *fn, void *ctx,
                 struct err *e)
{
    double now = monotonic_s(), end = now + (double)timeout_ms / 1000;
    s->fn = fn;
    s->fn_ctx = ctx;
    s->ended = 0;
    do {
        double wait = fmin(send_ready(s), fmin(s->waiting_due, end) - now);
        if (service_busy(s) == 0)
            break;
        wait = fmax(0, fmin(wait, end - now));
        http_poll(s->http, (int)ceil(wait * 1000), on_result, s);
        now = monotonic_s();
    } while (s->ended == 0 && !s->stopped && !http_interrupted(s->http) && now < end);
    if (s->stopped) {
        *e = s->stop;
        return -1;
    }
    send_ready(s); /* what the callback submitted is on its way while the caller works */
    return 0;
}
