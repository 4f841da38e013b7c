/* SPDX-License-Identifier: MIT */
/* A request of a service on its way, with all that was tried, and lists of them.
 *
 *     struct item_list ready;
 *     item_list_init(&ready);
 *     item_push_back(&ready, item_new(&request));
 *     item_free(item_pop(&ready));
 */
#ifndef MM_LLM_ITEM_H
#define MM_LLM_ITEM_H
#include "base/buf.h"
#include "llm/service.h"

/* A request on its way: queued, in flight, or waiting to be sent again. */
struct item {
    struct item *next;
    struct service_request r; /* its pointers lead into data */
    struct buf body;          /* as sent */
    unsigned quirks;          /* as sent */
    int flying;               /* its place there */
    int attempts;
    int failures;             /* exponent of the back-off */
    int errors;               /* of the service, counted against retries */
    int faults;               /* broken connections while others were answered */
    uint64_t good_then;       /* s->good and ... */
    uint64_t answered_then;   /* ... s->answered at its last failure, or when submitted */
    double due;
    char data[];
};

struct item_list {
    struct item *head, **tail;
    int n;
};

struct item *item_new(const struct service_request *r); /* copies everything */
void item_free(struct item *i);

/* A list must not be copied or moved: its tail may point into it. */
void item_list_init(struct item_list *l);
void item_push_back(struct item_list *l, struct item *i);
void item_push_front(struct item_list *l, struct item *i);
struct item *item_pop(struct item_list *l); /* the first; the list is not empty */
void item_free_all(struct item_list *l);

#endif
