/* SPDX-License-Identifier: MIT */
/* The loop of a stage that asks a service: what stage_loop is for stages that compute. Items
 * are read as there is room, their questions go as far as the ledger answers, requests go out,
 * answers go into the ledger and on to the items that wait for them. Nobody waits for a commit:
 * the transport runs beside it.
 *
 *     struct drive d = {.transport = b->transport, .options = &o, ...};
 *     drive_loop(&s, &task, ctx, &d);      // in place of stage_loop
 *
 * Kill it at any moment: what was committed is never asked again; lost are the requests under
 * way and what came in within the last DRIVE_COMMIT_MS. SIGINT: nothing new is sent, what is
 * under way is waited for. Two items that ask the same (equal sets) wait for one request.
 */
#ifndef MM_LLM_DRIVE_H
#define MM_LLM_DRIVE_H
#include "db/stage.h"
#include "llm/ask.h"
#include "llm/budget.h"
#include "llm/transport.h"

enum { DRIVE_QUESTIONS = 3, DRIVE_COMMIT_MS = 50, DRIVE_PERMANENT = -2 };
/* Temperature of asking again: at 0 a model gives the same unusable answer (seen). */
#define DRIVE_AGAIN 0.7

struct drive_task {
    const struct stage_task *stage; /* its load, store, label, release, bind and SQL */
    /* The item's questions; they stay the tool's, to be freed in release. Returns how many. */
    int (*questions)(void *ctx, const struct stage_item *item, struct ask **out);
    /* Photos: the bytes to send, malloc'd; -1: the item fails, DRIVE_PERMANENT: for good. NULL:
     * there are none. */
    int (*attach)(void *ctx, const struct stage_item *item, struct service_request *r,
                  struct err *e);
};

struct drive {
    const struct transport *transport;
    const struct transport_options *options;
    struct buf note; /* what was learnt about the service */
};

/* Runs to the end, an interruption, or a reason to stop: then s->stopped is set and the tool
 * ends with EXIT_FAILED. */
void drive_loop(struct stage *s, const struct drive_task *t, void *ctx, struct drive *d);

/* An upper bound of what a request may cost: a token has at least one byte. */
double drive_bound(const struct price *p, size_t bytes_in, int max_tokens);

#endif
