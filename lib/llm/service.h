/* SPDX-License-Identifier: MIT */
/* Many requests in flight to one OpenAI-compatible chat service (or one that takes the bytes
 * of a photo and gives a caption), with its limits of rate, its faults and its quirks.
 *
 *     struct service *s = service_new(&o, &e);
 *     while (service_room(s) > 0 && next(&r))
 *         service_submit(s, &r);
 *     while (service_busy(s) && service_poll(s, 1000, on_answer, ctx, &stop) == 0)
 *         ;
 *
 * One thread drives a service; nothing is sent or received outside service_poll. Every
 * request that was submitted comes back exactly once through the callback, unless
 * service_poll returns -1 or the service is freed. service_submit may be called from within
 * the callback; service_poll and service_free may not.
 *
 * What is waited for and what is given up: an error of the service itself (408, 409, 429,
 * 5xx, an answer that is no completion) is asked again `retries` times with exponential
 * back-off; an error of the connection (refused, reset, time-out) is asked again for as long
 * as any HTTP answer came within the last patience_s seconds, and given up only when others
 * are answered while this request breaks its connection again and again. A 429 holds all
 * sending back and halves the number in flight; it costs a retry only when nobody got through
 * meanwhile. Times are seconds, sizes bytes.
 */
#ifndef MM_LLM_SERVICE_H
#define MM_LLM_SERVICE_H
#include "base/buf.h"
#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

enum service_kind {
    SERVICE_CHAT,          /* POST {url}/chat/completions, OpenAI's JSON both ways */
    SERVICE_IMAGE_TO_TEXT, /* POST {url}: bytes of a photo in, {"generated_text"} or [{...}] out */
};

struct service_options {
    const char *url;     /* base, "http://127.0.0.1:8377/v1"; "/chat/completions" is added
                            unless it ends with that; all strings here are copied but key */
    const char *model;   /* sent as "model"; not used by SERVICE_IMAGE_TO_TEXT */
    char *key;           /* of key_load, NULL: none; borrowed until service_free */
    const char *ca_file; /* certificates trusted beside the system's; NULL: none */
    enum service_kind kind;
    int concurrency;     /* requests in flight at most */
    double rpm, tpm;     /* requests, tokens a minute; 0: no limit */
    int retries;         /* of one request after errors of the service */
    double backoff_s;    /* the first pause at most; each next up to twice that, to 30 s */
    double patience_s;   /* without any HTTP answer before the run stops */
    double connect_s, first_byte_s, total_s; /* time-outs of one attempt */
    size_t answer_max;   /* bytes of a body at most, after decompression */
    uint64_t seed;       /* of the jitter */
};
/* SERVICE_CHAT, 8 in flight, no limits, 6 retries from 0.5 s on, patience 120 s, time-outs
 * 10, 600 and 600 s, 4 MiB. */
extern const struct service_options service_defaults;

struct service_request {
    const char *system;               /* may be NULL */
    const char *user;
    const char *schema, *schema_name; /* JSON schema as text, and its name; NULL: plain text */
    int max_tokens;                   /* 0: not sent */
    double temperature;               /* < 0: not sent */
    const void *image;                /* NULL: none */
    size_t image_bytes;
    const char *image_type;           /* "image/jpeg" */
    int64_t tokens;                   /* estimate of what it costs, for tpm */
    void *ctx;                        /* comes back */
};

enum service_outcome {
    SERVICE_ANSWER,   /* a well-formed completion; text may still be NULL (refusal) */
    SERVICE_TOO_LONG, /* more than the model's context: split the texts */
    SERVICE_REJECTED, /* would fail again: 400 about its content, content policy, 413, 422 */
    SERVICE_FAILED,   /* may pass another time: retries used up, or answers that are none */
};

/* Pointers are valid until the callback returns and NULL for what was absent. */
struct service_answer {
    void *ctx;
    enum service_outcome outcome;
    const char *text, *refusal, *finish_reason, *model, *fingerprint;
    size_t text_bytes;
    int64_t tokens_in, tokens_cached, tokens_out; /* -1: the service did not say */
    double latency_s; /* of the last attempt, from sending to the end of the body */
    int attempts;     /* HTTP requests made for it */
    struct err err;   /* unless SERVICE_ANSWER: HTTP status and the service's own message */
};
typedef void service_answer_fn(void *ctx, const struct service_answer *a);

/* NULL: an option out of range, no such CA file, or an URL that is not http(s). */
struct service *service_new(const struct service_options *o, struct err *e) MM_MUST_CHECK;
void service_free(struct service *s); /* aborts what is in flight; NULL is accepted */

void service_submit(struct service *s, const struct service_request *r); /* copies it all */
int service_room(const struct service *s); /* submits that keep it busy: 2*concurrency - busy */
int service_busy(const struct service *s); /* queued, in flight and waiting for a retry */

/* Sends and receives for at most timeout_ms and returns soon after the first requests ended,
 * each of which was handed to fn. -1: the run must stop, and stop says why and what to do
 * (wrong key, no such model or URL, quota used up, certificate, no answer for patience_s, the
 * same rejection 20 times in a row). What was queued is dropped, never called back, and
 * nothing is sent any more; what is in flight stays busy, and further calls hand over its
 * answers, which were paid for, and return -1 again. */
int service_poll(struct service *s, int timeout_ms, service_answer_fn *fn, void *ctx,
                 struct err *stop) MM_MUST_CHECK;

/* What was learnt about the service, for people: "no response_format, no temperature"; adds
 * nothing when there is nothing to say. */
void service_note(const struct service *s, struct buf *out);

#endif
