/* SPDX-License-Identifier: MIT */
#include "llm/batch.h"
#include "base/util.h"
#include "db/db.h"
#include "db/stage.h"
#include "llm/budget.h"
#include "llm/drive.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define POLL_S 10.0      /* the first look */
#define POLL_MOST_S 300.0
#define POLL_GROWTH 1.5
#define WAIT_S (25 * 3600.0) /* the service's window, and an hour for what is slow behind it */
#define BULK_S 7200.0    /* for a file of 190 MB over a slow line */
#define WORTH_LINES 100  /* a batch that the budget cut short is sent with so many lines, */
#define WORTH_SHARE 0.1  /* or with that share of what was wanted */
#define BARREN_MAX 2

static void batch_free(struct batch *b)
{
    struct batch_refusal *r, *next;
    HASH_ITER (hh, b->refusals, r, next) {
        HASH_DEL(b->refusals, r);
        free(r);
    }
    for (int i = 0; i < b->n_queue; i++)
        transport_release(&b->queue[i]);
    http_free(b->small);
    http_free(b->bulk);
    free(b->stage);
    free(b->base);
    free(b->query);
    free(b->path);
    free(b->said);
    free(b);
}

/* ---- opening ---- */

/* "http://h/v1" + "?q" and "/v1/chat/completions" of the address of the completions. */
static int addresses(struct batch *b, struct err *e)
{
    static const char tail[] = "/chat/completions";
    char *url = http_url(b->o.service.url, tail + 1, e);
    if (!url)
        return -1;
    size_t n = strcspn(url, "?#"), t = sizeof tail - 1;
    char *host = strstr(url, "://"), *path = host ? strchr(host + 3, '/') : NULL;
    int rc = -1;
    if (path && n >= t && memcmp(url + n - t, tail, t) == 0) {
        b->query = xstrdup(url + n);
        b->base = xasprintf("%.*s", (int)(n - t), url);
        b->path = xasprintf("%.*s", (int)(url + n - path), path);
        rc = 0;
    } else {
        err_set(e, "%.200s cannot be used for batches", url);
    }
    free(url);
    return rc;
}

static struct http *connect(const struct batch *b, double total_s, double first_s, struct err *e)
{
    const struct service_options *s = &b->o.service;
    struct http_options h = {.key = s->key, .ca_file = s->ca_file, .concurrency = 1,
                             .connect_s = s->connect_s, .first_byte_s = first_s,
                             .total_s = total_s, .slow_s = 60, .answer_max = s->answer_max};
    return http_new(&h, e);
}

/* What an earlier run left is carried on at once, but not waited for: what is new is sent
 * first. */
static void *batch_open(const struct transport_options *o, struct db *db, const char *stage,
                        struct err *e)
{
    const struct service_options *s = &o->service;
    struct batch *b = xcalloc(1, sizeof *b);
    b->o = *o;
    b->db = db;
    b->stage = xstrdup(stage);
    rng_seed(&b->rng, s->seed, 0x6261746368);
    int ok = addresses(b, e) == 0 &&
             (b->small = connect(b, s->total_s, s->first_byte_s, e)) != NULL &&
             (b->bulk = connect(b, fmax(s->total_s, BULK_S), fmax(s->total_s, BULK_S), e)) != NULL;
    if (ok) {
        db_exec(db, "PRAGMA synchronous = FULL"); /* a batch that is paid for must not be lost */
        batch_drop_unfinished(b);
        int n = batch_open_count(b);
        if (n > 0)
            info("%d %s under way, of an earlier run", n, n == 1 ? "batch is" : "batches are");
        ok = batch_advance(b, e) >= 0;
    }
    if (!ok) {
        batch_free(b);
        return NULL;
    }
    return b;
}

/* ---- requests ---- */

static int batch_room(void *self)
{
    return BATCH_ROOM - ((struct batch *)self)->n_queue;
}

static void give_up(struct transport_answer *a, const struct batch_refusal *r)
{
    a->outcome = r->permanent ? TRANSPORT_REJECTED : TRANSPORT_FAILED;
    err_set(&a->err, "%s (in %d batches)", r->why, r->times);
}

/* Into the file, unless the budget does not reach. */
static void write_one(struct batch *b, const struct transport_request *r)
{
    double usd = b->o.cap < 0 ? 0 : BATCH_PRICE * drive_bound(&b->o.price, r->bytes_in,
                                                             r->service.max_tokens);
    b->wanted++;
    b->wanted_usd += usd;
    if (usd > 0 && b->spool.held_usd + usd > budget_left(b->db, b->o.cap)) {
        b->unwritten++;
        return;
    }
    b->broken = batch_spool_add(b, r, usd, &b->fault) < 0;
}

static void batch_submit(void *self, const struct transport_request *r)
{
    struct batch *b = self;
    struct batch_key k;
    struct transport_answer *a = &b->queue[b->n_queue++];
    *a = (struct transport_answer){.ctx = r->service.ctx, .outcome = TRANSPORT_DEFERRED};
    memset(&k, 0, sizeof k);
    memcpy(k.digest, r->node->digest, SHA256_BYTES);
    k.nth = r->node->nth;
    struct batch_refusal *refusal = batch_refused(b, &k);
    if (refusal && refusal->times >= BATCH_REFUSED_MAX)
        give_up(a, refusal);
    else if (!b->broken && !batch_has(b, &k))
        write_one(b, r);
}

static int batch_take_some(void *self, struct transport_answer *out, int max, int timeout_ms,
                           struct err *stop)
{
    struct batch *b = self;
    int n = 0;
    (void)timeout_ms;
    while (n < max && b->n_queue > 0)
        out[n++] = b->queue[--b->n_queue];
    if (n == 0 && b->broken) {
        *stop = b->fault;
        return -1;
    }
    return n;
}

/* ---- waiting ---- */

static int too_dear(struct batch *b, struct err *stop)
{
    return err_set(stop, "the budget of $%.4f does not allow a batch of the %lld requests that "
                         "are left, at most $%.4f at half price (spent or lost so far: $%.4f); "
                         "give a higher BUDGET to go on", b->o.cap, (long long)b->wanted,
                   b->wanted_usd, budget_spent(b->db));
}

/* Looks again and again, until all batches are done. */
static int wait_for_all(struct batch *b, struct err *stop)
{
    double pause = b->o.poll_s > 0 ? b->o.poll_s : POLL_S;
    double end = monotonic_s() + (b->o.wait_s < 0 ? WAIT_S : b->o.wait_s);
    for (int open; (open = batch_advance(b, stop)) != 0;) {
        double left = end - monotonic_s();
        if (open < 0)
            return -1;
        if (left <= 0)
            return batch_under_way(b, stop);
        if (batch_sleep(b, fmin(pause, left), stop) < 0)
            return -1;
        pause = fmin(pause * POLL_GROWTH, POLL_MOST_S);
    }
    return 0;
}

/* A service that takes money and gives nothing is not asked for ever. */
static int fruitful(struct batch *b, struct err *stop)
{
    if (b->quota)
        return err_set(stop, "the quota or the money of the account is used up (%.200s); run "
                             "again when there is more", b->why);
    b->barren = b->gained > 0 ? 0 : b->barren + 1;
    if (b->barren < BARREN_MAX)
        return 1;
    return err_set(stop, "%d rounds of batches in a row brought no answer at all; the last one: "
                         "%.200s", b->barren, *b->why ? b->why : "no results");
}

static int batch_finish(void *self, struct err *stop)
{
    struct batch *b = self;
    int64_t lines = b->spool.lines;
    int worth = b->unwritten == 0 || lines >= WORTH_LINES ||
                (double)lines >= WORTH_SHARE * (double)b->wanted;
    if (b->broken) {
        *stop = b->fault;
        return -1;
    }
    if (!worth)
        batch_spool_drop(b);
    if (batch_spool_close(b, stop) < 0)
        return -1;
    int none = batch_open_count(b) == 0, dear = b->unwritten > 0;
    if (none && dear)
        return too_dear(b, stop);
    if (none)
        return 0;
    if (dear)
        info("the budget of $%.4f leaves out %lld of %lld requests for now", b->o.cap,
             (long long)b->unwritten, (long long)b->wanted);
    b->wanted = b->unwritten = b->gained = 0;
    b->wanted_usd = 0;
    return wait_for_all(b, stop) < 0 ? -1 : fruitful(b, stop);
}

static void batch_close(void *self, struct buf *note)
{
    struct batch *b = self;
    struct err e;
    batch_spool_drop(b);
    if (stage_interrupted() && batch_open_count(b) > 0 && batch_under_way(b, &e) < 0)
        info("%s", e.text);
    chat_note_quirks(note, b->quirks);
    batch_free(b);
}

const struct transport transport_batch = {batch_open, batch_room, batch_submit,
                                          batch_take_some, batch_finish, batch_close, "batch", 0,
                                          BATCH_PRICE};
