/* SPDX-License-Identifier: MIT */
/* No network: what the ledger does not have is a failure that names the request. */
#include "base/util.h"
#include "llm/ask.h"
#include "llm/transport.h"
#include <stdlib.h>

enum { ROOM = 64 };

struct replay {
    struct transport_answer miss[ROOM];
    int n;
};

static void *replay_open(const struct transport_options *o, struct db *db, const char *stage,
                         struct err *e)
{
    (void)o, (void)db, (void)stage, (void)e;
    return xcalloc(1, sizeof(struct replay));
}

static int replay_room(void *self)
{
    return ROOM - ((struct replay *)self)->n;
}

static void replay_submit(void *self, const struct transport_request *r)
{
    struct replay *p = self;
    char hex[SHA256_HEX];
    struct transport_answer *a = &p->miss[p->n++];
    *a = (struct transport_answer){.ctx = r->service.ctx, .outcome = TRANSPORT_FAILED};
    sha256_hex(hex, r->node->digest);
    err_set(&a->err, "no answer to request %s#%d (%.300s); import the answers, or choose "
                     "another LLM", hex, r->node->nth, buf_str(&r->node->request));
}

static int replay_take(void *self, struct transport_answer *out, int max, int timeout_ms,
                       struct err *stop)
{
    struct replay *p = self;
    int n = 0;
    (void)timeout_ms, (void)stop;
    while (n < max && p->n > 0)
        out[n++] = p->miss[--p->n];
    return n;
}

static int replay_finish(void *self, struct err *stop)
{
    (void)self, (void)stop;
    return 0;
}

static void replay_close(void *self, struct buf *note)
{
    (void)note;
    free(self);
}

const struct transport transport_replay = {replay_open, replay_room, replay_submit,
                                           replay_take, replay_finish, replay_close, "", 0, 0};
