/* SPDX-License-Identifier: MIT */
#include "base/util.h"
#include "db/stage.h"
#include "llm/batch.h"
#include "llm/verdict.h"
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAUSE_MAX 30.0 /* seconds between tries */
#define SLICE_MS 100   /* a signal that came just before a wait is seen after that */

struct heard {
    int done, good;
    const struct batch *b;
    const char *url;
    struct buf *reply;
    struct verdict v;
};

static void on_result(void *ctx, struct http_result *r)
{
    struct heard *h = r->ctx;
    (void)ctx;
    h->done = 1;
    h->good = r->fault == HTTP_WHOLE && r->status >= 200 && r->status < 300;
    if (h->good)
        buf_add(h->reply, buf_str(r->body), r->body->len);
    else
        verdict_of(&h->v, r, SERVICE_CHAT, h->url, h->b->o.service.key);
}

int batch_sleep(struct batch *b, double seconds, struct err *e)
{
    double until = monotonic_s() + seconds;
    for (double left; !stage_interrupted() && (left = until - monotonic_s()) > 0;)
        poll(NULL, 0, (int)fmin(ceil(left * 1000), SLICE_MS));
    return stage_interrupted() ? batch_under_way(b, e) : 0;
}

static char *address(const struct batch *b, const struct batch_call *c)
{
    const char *glue = !c->params ? "" : *b->query ? "&" : "?";
    return xasprintf("%s%s%s%s%s", b->base, c->tail, b->query, glue, c->params ? c->params : "");
}

/* -1: interrupted. What is in flight then is not polled again: the run closes. */
static int send(struct batch *b, const struct batch_call *c, struct heard *h)
{
    struct http *http = c->file || c->to ? b->bulk : b->small;
    struct http_request r = {.url = h->url, .file = c->file, .purpose = "batch", .to = c->to,
                             .to_max = c->to_max, .ctx = h};
    if (c->json) {
        r.body = buf_str(c->json);
        r.bytes = c->json->len;
    }
    buf_clear(h->reply);
    http_send(http, &r);
    while (!h->done && !stage_interrupted())
        http_poll(http, SLICE_MS, on_result, NULL);
    return h->done ? 0 : -1;
}

static enum batch_heard rest(struct batch *b, struct batch_call *c, double seconds,
                             struct err *e)
{
    double most = fmin(ldexp(b->o.service.backoff_s, c->tries < 16 ? c->tries : 16), PAUSE_MAX);
    if (seconds <= 0)
        seconds = most * (double)rng_uniform(&b->rng);
    return batch_sleep(b, seconds, e) < 0 ? BATCH_STOP : BATCH_AGAIN;
}

/* What passes is tried `retries` times; a service that does not answer, patience_s long. */
static enum batch_heard judge(struct batch *b, struct batch_call *c, const struct verdict *v,
                              struct err *e)
{
    double now = monotonic_s();
    switch (v->what) {
    case VERDICT_AGAIN:
        c->broken_since = 0;
        if (c->tries++ < b->o.service.retries)
            return rest(b, c, v->wait_s, e);
        err_set(e, "%s: %.300s (asked %d times)", c->tail, v->err.text, c->tries);
        return BATCH_STOP;
    case VERDICT_BROKEN:
        if (c->broken_since <= 0)
            c->broken_since = now;
        c->tries++;
        if (now - c->broken_since < b->o.service.patience_s)
            return rest(b, c, 0, e);
        err_set(e, "%.400s; nothing for %.0f s: is it running?", v->err.text,
                b->o.service.patience_s);
        return BATCH_STOP;
    case VERDICT_TOO_LONG:
    case VERDICT_REJECTED:
        err_set(e, "%s: %.400s", c->tail, v->err.text);
        return BATCH_REFUSED;
    default:
        *e = v->err;
        return BATCH_STOP;
    }
}

enum batch_heard batch_try(struct batch *b, struct batch_call *c, struct buf *reply,
                           struct err *e)
{
    if (stage_interrupted()) {
        batch_under_way(b, e);
        return BATCH_STOP;
    }
    if (c->to) {
        rewind(c->to);
        if (ftruncate(fileno(c->to), 0) != 0) {
            err_set(e, "%s: %s", c->tail, strerror(errno));
            return BATCH_STOP;
        }
    }
    char *url = address(b, c);
    struct heard h = {.b = b, .url = url, .reply = reply};
    enum batch_heard heard = BATCH_STOP;
    if (send(b, c, &h) < 0)
        batch_under_way(b, e);
    else if (c->to && (fflush(c->to) != 0 || ferror(c->to)))
        err_set(e, "the results of %s cannot be written: %s", c->tail, strerror(errno));
    else
        heard = h.good ? BATCH_GOOD : judge(b, c, &h.v, e);
    free(url);
    return heard;
}

enum batch_heard batch_ask(struct batch *b, struct batch_call *c, struct buf *reply,
                           struct err *e)
{
    enum batch_heard heard;
    while ((heard = batch_try(b, c, reply, e)) == BATCH_AGAIN)
        ;
    return heard;
}
