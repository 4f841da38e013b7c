/* SPDX-License-Identifier: MIT */
#include "llm/ratelimit.h"
#include <curl/curl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { REQUESTS, TOKENS };

void ratelimit_init(struct ratelimit *r, double rpm, double tpm, int concurrency, double now)
{
    *r = (struct ratelimit){.at = now, .window = concurrency, .window_max = concurrency};
    r->rate[REQUESTS] = rpm / 60;
    r->rate[TOKENS] = tpm / 60;
    for (int i = 0; i < 2; i++)
        r->level[i] = r->cap[i] = fmax(1, r->rate[i]);
    r->shrunk = -INFINITY;
}

static void refill(struct ratelimit *r, double now)
{
    for (int i = 0; i < 2; i++)
        r->level[i] = fmin(r->cap[i], r->level[i] + r->rate[i] * fmax(0, now - r->at));
    r->at = fmax(r->at, now);
}

double ratelimit_wait(struct ratelimit *r, int64_t tokens, double now)
{
    double wait = fmax(0, r->hold - now);
    double need[2] = {1, (double)tokens};
    refill(r, now);
    for (int i = 0; i < 2; i++) {
        /* What is larger than a bucket leaves when the bucket is full, and owes the rest. */
        double lacking = fmin(need[i], r->cap[i]) - r->level[i];
        if (r->rate[i] > 0 && lacking > 1e-9)
            wait = fmax(wait, lacking / r->rate[i]);
    }
    return wait;
}

void ratelimit_take(struct ratelimit *r, int64_t tokens, double now)
{
    refill(r, now);
    if (r->rate[REQUESTS] > 0)
        r->level[REQUESTS] -= 1;
    if (r->rate[TOKENS] > 0)
        r->level[TOKENS] -= (double)tokens;
}

void ratelimit_hold(struct ratelimit *r, double until)
{
    r->hold = fmax(r->hold, until);
}

int ratelimit_window(const struct ratelimit *r)
{
    return (int)r->window;
}

void ratelimit_refused(struct ratelimit *r, double sent_at, double now)
{
    if (sent_at < r->shrunk)
        return;
    r->window = fmax(1, r->window / 2);
    r->shrunk = now;
}

void ratelimit_answered(struct ratelimit *r)
{
    if (r->window < r->window_max)
        r->window = fmin(r->window_max, r->window + 1 / r->window);
}

void ratelimit_learn(struct ratelimit *r, const char *remaining, const char *reset, double now)
{
    if (!remaining || !reset)
        return;
    char *end;
    double left = strtod(remaining, &end), wait = ratelimit_duration(reset);
    if (end != remaining && left <= 0 && wait > 0)
        ratelimit_hold(r, now + wait);
}

/* Digits with an optional fraction. strtod would take "1e5", "inf" and hex as well. */
static double number(const char **s)
{
    double v = 0, unit = 1;
    const char *p = *s;
    while (*p >= '0' && *p <= '9')
        v = v * 10 + (*p++ - '0');
    if (p > *s && *p == '.')
        for (p++; *p >= '0' && *p <= '9'; p++)
            v += (*p - '0') * (unit /= 10);
    if (p == *s)
        return -1;
    *s = p;
    return v;
}

double ratelimit_duration(const char *s)
{
    static const struct {
        const char *unit;
        double seconds;
    } units[] = {{"ms", 1e-3}, {"us", 1e-6}, {"ns", 1e-9}, {"d", 86400},
                 {"h", 3600},  {"m", 60},    {"s", 1}};
    double sum = 0;
    if (!s)
        return -1;
    while (*s == ' ')
        s++;
    for (int parts = 0; parts == 0 || *s; parts++) {
        double v = number(&s);
        if (v < 0)
            return -1;
        if (!*s)
            return parts == 0 ? v : -1;
        size_t i = 0, n = sizeof units / sizeof *units;
        while (i < n && strncmp(s, units[i].unit, strlen(units[i].unit)) != 0)
            i++;
        if (i == n)
            return -1;
        s += strlen(units[i].unit);
        sum += v * units[i].seconds;
    }
    return sum <= 1e9 ? sum : -1;
}

/* A whole header value as a number of seconds, < 0 otherwise. */
static double plain(const char *s)
{
    double v = number(&s);
    while (*s == ' ')
        s++;
    return *s ? -1 : v;
}

double ratelimit_retry_after(const char *ms, const char *seconds, const char *date, time_t wall)
{
    double v = ms ? plain(ms) : -1;
    if (v > 0)
        return v / 1000;
    if (!seconds)
        return -1;
    v = plain(seconds);
    if (v > 0)
        return v;
    if (v == 0 || !strchr(seconds, ':'))
        return -1;
    time_t then = curl_getdate(seconds, NULL);
    time_t here = date ? curl_getdate(date, NULL) : -1;
    v = then < 0 ? -1 : difftime(then, here >= 0 ? here : wall);
    return v > 0 ? v : -1;
}
