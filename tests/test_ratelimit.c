/* SPDX-License-Identifier: MIT */
#include "llm/ratelimit.h"
#include "base/rng.h"
#include "tap.h"

static void durations(void)
{
    static const struct {
        const char *s;
        double want;
    } all[] = {{"1s", 1},       {"6m0s", 360}, {"120ms", 0.12}, {"1h2m3.5s", 3723.5},
               {"0.5", 0.5},    {"7", 7},      {"1d", 86400},   {"2m59.56s", 179.56},
               {" 3s", 3},      {"0s", 0},     {"500us", 5e-4}, {"12ns", 12e-9},
               {"", -1},        {"s", -1},     {"1x", -1},      {"-1s", -1},
               {"1s2", -1},     {"inf", -1},   {"1e5", -1},     {"0x10", -1},
               {".5s", -1},     {"1..5s", -1}, {"99999999999h", -1}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        near(ratelimit_duration(all[i].s), all[i].want, 1e-9, all[i].s);
    near(ratelimit_duration(NULL), -1, 0, "no duration at all");
}

static void retry_after(void)
{
    const char *date = "Sun, 06 Nov 1994 08:49:37 GMT", *later = "Sun, 06 Nov 1994 08:50:07 GMT";
    near(ratelimit_retry_after(NULL, "7", NULL, 0), 7, 0, "seconds");
    near(ratelimit_retry_after("1500", "7", NULL, 0), 1.5, 0, "milliseconds come first");
    near(ratelimit_retry_after("soon", "7", NULL, 0), 7, 0, "milliseconds that are none");
    near(ratelimit_retry_after(NULL, later, NULL, 784111777), 30, 0, "a date, by our clock");
    near(ratelimit_retry_after(NULL, later, date, 0), 30, 0, "a date, by the service's clock");
    near(ratelimit_retry_after(NULL, date, later, 0), -1, 0, "a date gone by");
    near(ratelimit_retry_after(NULL, "0", NULL, 0), -1, 0, "0 asks for nothing");
    near(ratelimit_retry_after(NULL, "-5", NULL, 0), -1, 0, "nor does -5");
    near(ratelimit_retry_after(NULL, "tomorrow", NULL, 0), -1, 0, "a word is no date");
    near(ratelimit_retry_after(NULL, NULL, NULL, 0), -1, 0, "no header");
}

/* When n requests of so many tokens each have left, in seconds. */
static double seconds_for(double rpm, double tpm, int n, int64_t tokens)
{
    struct ratelimit r;
    double now = 100;
    ratelimit_init(&r, rpm, tpm, 8, now);
    for (int i = 0; i < n; i++) {
        for (double wait; (wait = ratelimit_wait(&r, tokens, now)) > 0;)
            now += wait;
        ratelimit_take(&r, tokens, now);
    }
    return now - 100;
}

static void buckets(void)
{
    near(seconds_for(0, 0, 1000, 1000), 0, 0, "no limit, no wait");
    near(seconds_for(60, 0, 11, 0), 10, 1e-6, "60 a minute: the first at once, ten in 10 s");
    near(seconds_for(6, 0, 3, 0), 20, 1e-6, "6 a minute: one each 10 s");
    near(seconds_for(600, 0, 110, 0), 10, 1e-6, "600 a minute: a burst of ten, no more");
    near(seconds_for(0, 6000, 21, 100), 20, 1e-6, "6,000 tokens a minute, 100 each");
    near(seconds_for(0, 6000, 4, 1000), 30, 1e-6, "larger than the bucket: leaves full, owes");
    near(seconds_for(60, 6000, 11, 200), 20, 1e-6, "both limits: the narrower counts");
}

static void holds(void)
{
    struct ratelimit r;
    ratelimit_init(&r, 0, 0, 8, 10);
    ratelimit_hold(&r, 15);
    ratelimit_hold(&r, 12);
    near(ratelimit_wait(&r, 1, 11), 4, 1e-9, "a hold is not moved back");
    near(ratelimit_wait(&r, 1, 15), 0, 0, "and ends");
    ratelimit_learn(&r, "3", "6m0s", 20);
    near(ratelimit_wait(&r, 1, 20), 0, 0, "3 remain: no hold");
    ratelimit_learn(&r, "0", NULL, 20);
    ratelimit_learn(&r, NULL, "1s", 20);
    ratelimit_learn(&r, "many", "1s", 20);
    ratelimit_learn(&r, "0", "soon", 20);
    near(ratelimit_wait(&r, 1, 20), 0, 0, "half a header: no hold");
    ratelimit_learn(&r, "0", "1m2.5s", 20);
    near(ratelimit_wait(&r, 1, 20), 62.5, 1e-9, "none remain: until the reset");
}

static void window(void)
{
    struct ratelimit r;
    ratelimit_init(&r, 0, 0, 64, 0);
    ok(ratelimit_window(&r) == 64, "all of the concurrency at first");
    for (int i = 0; i < 64; i++)
        ratelimit_refused(&r, 1, 2);
    ok(ratelimit_window(&r) == 32, "64 refusals of one burst halve it once");
    for (int i = 0; i < 20; i++)
        ratelimit_refused(&r, 3 + i, 3.5 + i);
    ok(ratelimit_window(&r) == 1, "never below 1");
    for (int i = 0; i < 100; i++)
        ratelimit_answered(&r);
    ok(ratelimit_window(&r) > 10 && ratelimit_window(&r) < 20, "100 answers: %d",
       ratelimit_window(&r));
    for (int i = 0; i < 10000; i++)
        ratelimit_answered(&r);
    ok(ratelimit_window(&r) == 64, "never above the concurrency");
}

/* Any bytes in a header: no crash, a number that is one. */
static void fuzz(void)
{
    static const char alphabet[] = "0123456789.hmsdun-+e: ,GMTJanSu\x80\xff";
    struct rng r;
    char s[24], ms[24];
    int bad = 0;
    rng_seed(&r, 1, 0);
    for (int i = 0; i < 100000; i++) {
        for (int k = 0; k < 23; k++) {
            s[k] = alphabet[rng_below(&r, sizeof alphabet)];
            ms[k] = alphabet[rng_below(&r, sizeof alphabet)];
        }
        s[23] = ms[23] = 0;
        double a = ratelimit_duration(s), b = ratelimit_retry_after(ms, s, ms, 0);
        bad += !((a >= 0 && a <= 1e9) || a == -1) || !(b > 0 || b == -1);
    }
    ok(bad == 0, "100,000 random headers: %d wrong numbers", bad);
}

int main(void)
{
    durations();
    retry_after();
    buckets();
    holds();
    window();
    fuzz();
    return done();
}
