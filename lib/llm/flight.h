/* SPDX-License-Identifier: MIT */
/* Requests that are queued or under way, by digest: a second node that wants the same answer
 * waits beside the first.
 *
 *     flight_join(&fs, node, 0);              // queued, unless it flies already
 *     struct flight *f = flight_next(&fs);    // the oldest that is queued, or NULL
 *     flight_end(&fs, f);                     // its nodes are a list by node->waiter
 */
#ifndef MM_LLM_FLIGHT_H
#define MM_LLM_FLIGHT_H
#include "llm/ask.h"
#include <uthash.h>

struct flight {
    struct {
        unsigned char digest[SHA256_BYTES];
        int nth;
    } key;
    struct ask_node *first, **last; /* linked by ->waiter */
    struct flight *next;            /* in the queue */
    double held_usd;
    size_t bytes_in;
    int sent;
    UT_hash_handle hh;
};

struct flights {
    struct flight *table, *queue, **end;
    int n_queued, n_sent;
};

/* first: before all that is queued. What continues an item that has answers goes first, so that
 * few items are half done when a run is stopped. */
void flight_join(struct flights *fs, struct ask_node *n, int first);
struct flight *flight_next(struct flights *fs); /* stays queued until flight_sent */
void flight_sent(struct flights *fs, struct flight *f);
void flight_end(struct flights *fs, struct flight *f); /* frees it */

#endif
