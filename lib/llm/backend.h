/* SPDX-License-Identifier: MIT */
/* Who writes the summaries: one line per backend in backend.c.
 *
 *     const struct backend *b = backend_choose("extractive", &e);
 *     void *self = b->open(&e);
 *     b->run(&out, self, texts, n, LLM_USER, &e);
 *     b->close(self);
 *
 * One that asks a service has a transport (llm/transport.h) instead of run, and is driven by
 * llm/drive.h. A new backend is one file and one line there.
 */
#ifndef MM_LLM_BACKEND_H
#define MM_LLM_BACKEND_H
#include "llm/extractive.h"
#include "llm/transport.h"

enum { BACKEND_TASKS = 3 };

struct backend {
    const char *name; /* of LLM */
    int version;      /* of the algorithm */
    const char *note; /* for people: what it is */
    /* Embedded files that the answers of summary, price and category depend on. */
    const char *inputs[BACKEND_TASKS];
    void *(*open)(struct err *e); /* NULL: not available, e says why */
    int (*run)(struct llm_result *out, void *self, const struct llm_text *texts, int n,
               enum llm_kind what, struct err *e); /* thread-safe */
    void (*close)(void *self);
    int permanent; /* the same texts fail again */
    const struct transport *transport; /* NULL: computed here, by run */
    int sends;                         /* over the network: needs an address, maybe a key */
};

extern const char *const backend_tasks[BACKEND_TASKS]; /* summary, price, category */

/* NULL: no such backend in this build. */
const struct backend *backend_choose(const char *name, struct err *e);

#endif
