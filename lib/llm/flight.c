/* SPDX-License-Identifier: MIT */
#include "llm/flight.h"
#include "base/util.h"
#include <stdlib.h>
#include <string.h>

static void enqueue(struct flights *fs, struct flight *f, int first)
{
    if (!fs->queue)
        fs->end = &fs->queue;
    if (first) {
        f->next = fs->queue;
        fs->queue = f;
        if (!f->next)
            fs->end = &f->next;
    } else {
        *fs->end = f;
        fs->end = &f->next;
    }
    fs->n_queued++;
}

void flight_join(struct flights *fs, struct ask_node *n, int first)
{
    struct flight probe, *f;
    memset(&probe.key, 0, sizeof probe.key);
    memcpy(probe.key.digest, n->digest, SHA256_BYTES);
    probe.key.nth = n->nth;
    n->waiter = NULL;
    HASH_FIND(hh, fs->table, &probe.key, sizeof probe.key, f);
    if (!f) {
        f = xcalloc(1, sizeof *f);
        f->key = probe.key;
        f->last = &f->first;
        HASH_ADD(hh, fs->table, key, sizeof f->key, f);
        enqueue(fs, f, first);
    }
    *f->last = n;
    f->last = &n->waiter;
}

struct flight *flight_next(struct flights *fs)
{
    return fs->queue;
}

void flight_sent(struct flights *fs, struct flight *f)
{
    fs->queue = f->next;
    f->sent = 1;
    fs->n_queued--;
    fs->n_sent++;
}

void flight_end(struct flights *fs, struct flight *f)
{
    HASH_DEL(fs->table, f);
    fs->n_sent -= f->sent;
    free(f);
}
