/* SPDX-License-Identifier: MIT */
/* When the next request may be sent: buckets for requests and tokens a minute, what the
 * service says of its own limits, and how many may be in flight after it said "too many".
 *
 *     struct ratelimit rl;
 *     ratelimit_init(&rl, 500, 200000, 64, monotonic_s());
 *     if ((wait = ratelimit_wait(&rl, tokens, now)) <= 0)
 *         ratelimit_take(&rl, tokens, now), send();
 *
 * A bucket holds one second's worth and at least one request, so that requests leave evenly
 * and not in bursts of a minute. Every time is passed in, as seconds of one monotonic clock:
 * nothing here reads a clock.
 */
#ifndef MM_LLM_RATELIMIT_H
#define MM_LLM_RATELIMIT_H
#include <stdint.h>
#include <time.h>

#define RATELIMIT_RETRY_MAX 120.0 /* seconds: a longer Retry-After is not waited for */

struct ratelimit {
    double rate[2], cap[2], level[2]; /* requests and tokens; a second; 0: no limit */
    double at;                        /* when the levels were true */
    double hold;                      /* nothing is sent before */
    double window, window_max;        /* requests in flight at most */
    double shrunk;                    /* when the window shrank last */
};

void ratelimit_init(struct ratelimit *r, double rpm, double tpm, int concurrency, double now);

/* Seconds until a request of that many tokens may be sent; 0: now. */
double ratelimit_wait(struct ratelimit *r, int64_t tokens, double now);
void ratelimit_take(struct ratelimit *r, int64_t tokens, double now);
void ratelimit_hold(struct ratelimit *r, double until); /* never moves it back */

/* The window of requests in flight is halved by a 429 (once for all that were sent before it
 * shrank) and grows by one request a window of answers: additive increase, multiplicative
 * decrease, as TCP does (Chiu and Jain 1989). */
int ratelimit_window(const struct ratelimit *r);
void ratelimit_refused(struct ratelimit *r, double sent_at, double now);
void ratelimit_answered(struct ratelimit *r);

/* x-ratelimit-remaining-* and -reset-* of one kind (either may be NULL): when nothing
 * remains, holds until the reset. */
void ratelimit_learn(struct ratelimit *r, const char *remaining, const char *reset, double now);

/* "1s", "6m0s", "120ms", "1h2m3.5s", "1d", or plain seconds "0.5"; < 0: none of these. */
double ratelimit_duration(const char *s);

/* The wait that retry-after-ms or Retry-After (seconds or an HTTP date) asks for, in seconds;
 * < 0: neither is there, or it is no time ahead. date: the answer's Date, by whose clock an
 * HTTP date is read, or NULL: then wall is now. */
double ratelimit_retry_after(const char *ms, const char *seconds, const char *date, time_t wall);

#endif
