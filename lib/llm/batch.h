/* SPDX-License-Identifier: MIT */
/* LLM=batch: requests as files, at half price, through OpenAI's Files and Batches API. One
 * transport (transport_batch of llm/transport.h); this is what its files share.
 *
 *     batch.c         the transport: what is new is written to a file, what is old is waited for
 *     batch_spool.c   that file, and its rows in llm_batch_request
 *     batch_state.c   filled -> uploaded -> sent -> ended -> done, in llm_batch
 *     batch_remote.c  what the service says of files and batches
 *     batch_results.c the files of results into the ledger
 *     batch_call.c    one small HTTP call, repeated where that helps
 *
 * A request is known to the service by its custom_id, "HEX OF DIGEST-NTH". Each step is
 * committed before the next begins, so a run may be killed anywhere:
 *   - a file that is not yet complete is dropped, nothing of it was sent;
 *   - a batch that was made and not yet noted is found in the service's list by the id of its
 *     file;
 *   - results are taken in again from the start, what has its row in the ledger is skipped.
 * A batch that the service has forgotten is given up by hand: DELETE FROM llm_batch WHERE id =
 * N; its requests are then asked again and its money counts as lost.
 *
 * A request that comes back without an answer is asked again in the next batch; after
 * BATCH_REFUSED_MAX times (within one run of the tool) its items fail, for good if the service
 * said that it was the request's fault. Being expired or cancelled does not count. Two rounds
 * that bring nothing at all end the run.
 *
 * Money: the upper bound of each line, halved, is held in llm_batch.held_usd from before the
 * file is sent; each answer turns its part into spent_usd.
 */
#ifndef MM_LLM_BATCH_H
#define MM_LLM_BATCH_H
#include "base/buf.h"
#include "base/rng.h"
#include "llm/ask.h"
#include "llm/chat.h"
#include "llm/http.h"
#include "llm/transport.h"
#include <stdio.h>
#include <uthash.h>

enum {
    BATCH_LINES_MAX = 50000, /* of one file, as the service has it */
    BATCH_ROOM = 64,         /* submits between takes */
    BATCH_ROWS = 256,        /* in one transaction */
    BATCH_REFUSED_MAX = 3,
};
#define BATCH_BYTES_MAX (190LL << 20) /* the service's 200 MB, and some air */
#define BATCH_PRICE 0.5               /* of the same tokens one by one */

struct batch_key {
    unsigned char digest[SHA256_BYTES];
    int nth;
};

/* A request of the present file that is not yet in llm_batch_request. */
struct batch_pending {
    struct batch_key key;
    char *task, *request;
    int64_t bytes_in;
};

struct batch_spool {
    int64_t id; /* of the batch to be; 0: no file */
    FILE *file;
    char *path;
    int64_t lines, bytes;
    double held_usd;
    struct batch_pending row[BATCH_ROWS];
    int n;
};

/* What came back without an answer, and how often in this run. */
struct batch_refusal {
    struct batch_key key;
    int times, permanent;
    int64_t batch_id; /* the last time */
    char why[256];
    UT_hash_handle hh;
};

struct batch {
    struct transport_options o;
    struct db *db;
    char *stage;
    char *base, *query;     /* address before and behind what a call names */
    char *path;             /* "/v1/chat/completions" */
    struct http *small, *bulk;
    struct rng rng;
    unsigned quirks;        /* learnt from refused lines */
    struct batch_spool spool;
    struct transport_answer queue[BATCH_ROOM];
    int n_queue;
    struct batch_refusal *refusals;
    int64_t wanted;         /* of this pass: requests that are in no batch yet, */
    double wanted_usd;      /* what they cost at most, */
    int64_t unwritten;      /* and how many of them the budget left out */
    int64_t gained;         /* since finish began: answers, items given up, quirks learnt */
    int barren;             /* rounds without any of these, in a row */
    int broken;             /* the spool cannot be written: fault */
    struct err fault;
    char *said;             /* status and progress last said, of any batch */
    char why[256];          /* of the last line without an answer */
    int quota;              /* a line said that the money is used up: why */
};

/* ---- batch_call.c ---- */

enum batch_heard {
    BATCH_GOOD,    /* 2xx; reply holds the body, unless it went to a file */
    BATCH_AGAIN,   /* waited; try again */
    BATCH_REFUSED, /* the same call fails again: e */
    BATCH_STOP,    /* the run must stop: e */
};

struct batch_call {
    const char *tail;          /* "/batches/batch_1" */
    const char *params;        /* "limit=100", or NULL */
    const struct buf *json;    /* to POST; NULL with file NULL: GET */
    const char *file;          /* to upload */
    FILE *to;                  /* for the body; rewound before each try */
    size_t to_max;
    int tries;
    double broken_since;       /* 0: not */
};

enum batch_heard batch_try(struct batch *b, struct batch_call *c, struct buf *reply,
                           struct err *e) MM_MUST_CHECK;
/* The same, until it is something else than BATCH_AGAIN. */
enum batch_heard batch_ask(struct batch *b, struct batch_call *c, struct buf *reply,
                           struct err *e) MM_MUST_CHECK;
/* -1: interrupted, and e says what is under way. */
int batch_sleep(struct batch *b, double seconds, struct err *e) MM_MUST_CHECK;

/* ---- batch_spool.c ---- */

/* "DB.d/batch-7.jsonl"; what: "jsonl", "output", "errors". free() it. */
char *batch_path(const struct batch *b, int64_t id, const char *what);
/* Opens for writing as a new file, 0600; NULL: e. */
FILE *batch_create(const char *path, struct err *e);
void batch_drop_unfinished(struct batch *b); /* of runs that were killed */
/* 1: the request is in a batch that is not done, or in the present file. */
int batch_has(struct batch *b, const struct batch_key *k);
int batch_spool_add(struct batch *b, const struct transport_request *r, double usd,
                    struct err *e) MM_MUST_CHECK;
/* Makes a batch of the present file, in state filled. 0: there was none, or the budget does
 * not allow it any more (then it is dropped). */
int batch_spool_close(struct batch *b, struct err *e) MM_MUST_CHECK;
void batch_spool_drop(struct batch *b);

/* ---- batch_remote.c ---- */

/* What the service says of a file or a batch; pointers into its answer, NULL: not said. */
struct batch_remote {
    char *id, *input, *status, *output, *errors;
    char *code, *message; /* of the first error of validation */
    int64_t line;         /* of the file, with that error; -1: not said */
    int64_t total, completed, failed;
};

/* body is rewritten. what: the call, for the sentence. */
int batch_remote(struct batch_remote *x, struct buf *body, const char *what, struct err *e)
    MM_MUST_CHECK;
/* Of a list of batches the one of that file: its id, malloc'd, into *id, if there is one. */
int batch_find(char **id, struct buf *body, const char *file, struct err *e) MM_MUST_CHECK;

/* ---- batch_state.c ---- */

/* Every batch of the stage as far as it goes without waiting. Returns how many are not done;
 * -1: the run must stop. */
int batch_advance(struct batch *b, struct err *e) MM_MUST_CHECK;
int batch_open_count(struct batch *b);
/* "2 batches are under way at the service; run again to fetch them": returns -1. */
int batch_under_way(struct batch *b, struct err *e);

/* ---- batch_results.c ---- */

/* Takes a file of results or errors into the ledger. -1: it cannot be read. */
int batch_take(struct batch *b, int64_t id, const char *path, struct err *e) MM_MUST_CHECK;
struct batch_refusal *batch_refused(struct batch *b, const struct batch_key *k); /* or NULL */

#endif
