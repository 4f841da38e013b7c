/* SPDX-License-Identifier: MIT */
/* Many HTTP requests at a time over libcurl's multi interface, driven by epoll.
 *
 *     struct http *h = http_new(&o, &e);
 *     http_send(h, &(struct http_request){.url = u, .body = b, .bytes = n, .ctx = item});
 *     while (http_busy(h))
 *         http_poll(h, 1000, on_result, self);
 *     http_free(h);
 *
 * Connections are kept and shared (HTTP/2 where TLS offers it). Redirects are not followed,
 * so the key is never sent elsewhere; certificates are always verified; proxies come from the
 * environment as libcurl reads it. A body is unpacked (gzip, ...) and its size is bounded as
 * unpacked. Seconds and bytes.
 */
#ifndef MM_LLM_HTTP_H
#define MM_LLM_HTTP_H
#include "base/buf.h"
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct http_options {
    const char *key;     /* sent as "Authorization: Bearer KEY"; NULL: none; borrowed */
    const char *ca_file; /* trusted beside the system's directory of certificates; or NULL */
    int concurrency;     /* requests in flight at most */
    double connect_s;
    double first_byte_s; /* from the request's sending to the first byte of the answer */
    double total_s;      /* of the whole request */
    double slow_s;       /* a body that brings less than 1 byte/s for so long ends */
    size_t answer_max;   /* bytes of a body, unpacked */
};

struct http_request {
    const char *url;  /* http or https; copied */
    const char *type; /* of the body; NULL: application/json */
    const void *body; /* borrowed until the result; NULL: GET */
    size_t bytes;
    const char *file; /* or this file from disk, as part "file" of a form beside ... */
    const char *purpose; /* ... the part "purpose" */
    FILE *to;         /* the body of a 2xx answer goes there and not into memory; or NULL */
    size_t to_max;    /* bytes of it, in place of answer_max */
    void *ctx; /* comes back */
};

enum http_fault {
    HTTP_WHOLE,       /* none: a whole answer with its status */
    HTTP_UNREACHABLE, /* name unknown, connection refused, reset, closed early, no HTTP */
    HTTP_TIMEOUT,     /* of any of the four kinds */
    HTTP_TOO_LARGE,   /* more than answer_max bytes */
    HTTP_ENCODING,    /* the packed body is broken */
    HTTP_TLS,         /* the certificate is not trusted, or the CA file is no good */
};

/* Valid until the callback returns. */
struct http_result {
    void *ctx;
    enum http_fault fault;
    int status;       /* 200, ...; 0 with a fault before the headers */
    struct err err;   /* of a fault */
    struct buf *body; /* may be modified; what arrived, with a fault */
    double latency_s; /* from sending to the end */
    double sent_at;   /* monotonic_s when http_send was called */
    void *easy;       /* for http_header */
};
typedef void http_result_fn(void *ctx, struct http_result *r);

/* NULL: a CA file that cannot be read, or libcurl has no memory or no sockets. */
struct http *http_new(const struct http_options *o, struct err *e) MM_MUST_CHECK;
void http_free(struct http *h); /* aborts what is in flight, without results; NULL accepted */

void http_send(struct http *h, const struct http_request *r); /* fewer than concurrency busy */
int http_busy(const struct http *h);

/* Waits for at most timeout_ms for something to happen and hands over each request that
 * ended. Returns how many did. The callback may call http_send while others than its own
 * request leave room. */
int http_poll(struct http *h, int timeout_ms, http_result_fn *fn, void *ctx);
bool http_interrupted(const struct http *h); /* a signal ended the last http_poll */

/* The value of the answer's header, or NULL. Valid until the callback returns. */
const char *http_header(const struct http_result *r, const char *name);

/* base with "/tail" appended to its path (a query stays behind it), unless it ends with that;
 * tail "": base checked. free() it. NULL: no http(s) URL, or one with a user or password. */
char *http_url(const char *base, const char *tail, struct err *e) MM_MUST_CHECK;

#endif
