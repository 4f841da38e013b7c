/* SPDX-License-Identifier: MIT */
/* How a request gets to a model and its answer back: one by one over HTTP (openai.c), many
 * as a file (batch.c), or not at all (replay.c). One table of functions each, chosen by the
 * backend's name (backend.c).
 *
 *     void *t = tr->open(&o, db, "summarize", &e);
 *     while (tr->room(t) > 0) tr->submit(t, &request);
 *     n = tr->take(t, answer, 64, 50, &stop);
 *     again = tr->finish(t, &stop);
 *     tr->close(t, &note);
 */
#ifndef MM_LLM_TRANSPORT_H
#define MM_LLM_TRANSPORT_H
#include "llm/ledger.h"
#include "llm/prices.h"
#include "llm/service.h"

struct transport_options {
    struct service_options service;
    struct price price; /* zeros: free */
    double cap;         /* dollars over the database's life; < 0: free, nothing is counted */
    double poll_s;      /* batch: seconds between looks, at first; 0: its default */
    double wait_s;      /* batch: at most; then the run ends and a later one goes on */
};

struct transport_request {
    struct service_request service; /* borrowed until submit returns */
    const struct ask_node *node;    /* for what the ledger wants to know */
    size_t bytes_in;                /* of the messages */
};

enum transport_outcome {
    TRANSPORT_ANSWER,   /* row holds it */
    TRANSPORT_TOO_LONG, /* row holds what is known of it */
    TRANSPORT_REJECTED, /* the same request would fail again: err */
    TRANSPORT_FAILED,   /* may pass another time: err */
    TRANSPORT_DEFERRED, /* will lie in the ledger when finish has returned */
};

/* Everything is the receiver's, to be released with transport_release. */
struct transport_answer {
    void *ctx; /* of the request */
    enum transport_outcome outcome;
    char *refusal;
    struct ledger_row row; /* answer, finish_reason, model, fingerprint, tokens, latency */
    struct err err;
};

struct transport {
    void *(*open)(const struct transport_options *o, struct db *db, const char *stage,
                  struct err *e);
    int (*room)(void *self);
    void (*submit)(void *self, const struct transport_request *r);
    /* Up to max answers, waiting timeout_ms at most for the first. -1: the run must stop. */
    int (*take)(void *self, struct transport_answer *out, int max, int timeout_ms,
                struct err *stop);
    /* All that was submitted has come back. 1: the ledger has more answers now, look again;
     * 0: nothing is left; -1: the run must stop. */
    int (*finish)(void *self, struct err *stop);
    void (*close)(void *self, struct buf *note); /* adds what was learnt, for people */
    const char *origin; /* in llm_answer */
    int counts_money;   /* the driver holds the money of each request while it is under way */
    double price;       /* what it pays of the prices of prices.tsv: 1, half, nothing */
};

extern const struct transport transport_openai, transport_batch, transport_replay;

void transport_release(struct transport_answer *a);

#endif
