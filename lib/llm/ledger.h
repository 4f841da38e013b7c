/* SPDX-License-Identifier: MIT */
/* Table llm_answer: what was asked, what came back, what it cost. Nothing is sent before it
 * was looked for here, and nothing that came back is used before it lies here.
 *
 *     struct ledger_row r;
 *     if (ledger_get(db, digest, 0, &r)) ... r.answer ... ledger_release(&r);
 *     ledger_put(db, &r);                       // inside a transaction
 *
 * A request is known by the SHA-256 of its description, the JSON text of ledger_request: the
 * model, the digest of the prompt file, its limits, and the digests of the texts in order.
 * The address of the service, the way (one by one or as a batch) and the time are no part of
 * it: an answer that is moved to another database is found there.
 */
#ifndef MM_LLM_LEDGER_H
#define MM_LLM_LEDGER_H
#include "base/buf.h"
#include "base/sha256.h"
#include "llm/prompt.h"
#include <stdint.h>

struct db;

struct ledger_row {
    int64_t id;         /* of llm_answer; set by get and put */
    unsigned char digest[SHA256_BYTES];
    int nth;
    const char *task, *requested, *request; /* put only: borrowed */
    char *answer;       /* NULL: none */
    size_t answer_bytes;
    char *verdict, *finish_reason, *model, *fingerprint; /* may be NULL */
    int attempts;
    int64_t tokens_in, tokens_cached, tokens_out, bytes_in;
    double usd, latency_s;
    const char *origin; /* put only: literal */
};

enum ledger_part { LEDGER_REVIEWS, LEDGER_MERGE, LEDGER_PHOTO };

/* A verdict that is no fault of the answer: the texts must be split. */
#define LEDGER_TOO_LONG "too long for the model"

/* The description of a request and its digest. name [n]: names of the texts: "HEX" of their
 * digests, "HEX:FROM+LENGTH" of a piece, and for a merge the digests of the requests whose
 * answers go in. */
void ledger_request(struct buf *request, unsigned char digest[SHA256_BYTES], const char *model,
                    const struct prompt *p, enum ledger_part part, char *const *name, int n);

/* 1: found; the caller releases. 0: never asked. */
int ledger_get(struct db *db, const unsigned char *digest, int nth, struct ledger_row *r);
void ledger_release(struct ledger_row *r); /* frees what get allocated */

/* The rest: inside the caller's transaction. put: a second answer to the same question is
 * dropped, the first stays (returns 0 then, 1 otherwise); r->id is the row's either way. */
int ledger_put(struct db *db, struct ledger_row *r);
void ledger_used(struct db *db, int64_t id); /* the cache answered instead of the service */
/* What is thought of an answer now: of a batch it was not known, rules may have changed. */
void ledger_judged(struct db *db, int64_t id, const char *verdict);

/* What the ledger has seen of a model: tokens a byte of message, tokens an answer. Returns the
 * number of answers behind it (0: out holds the guesses 0.25 and 120). */
struct ledger_rate {
    double in_per_byte, out, latency_s;
};
int64_t ledger_rate(struct db *db, const char *model, struct ledger_rate *out);

#endif
