/* SPDX-License-Identifier: MIT */
/* The price table: which line counts, and what is refused. */
#include "llm/prices.h"
#include "tap.h"
#include <stdlib.h>
#include <unistd.h>

static char path[] = "/tmp/test_prices.XXXXXX";

static void put(const char *text)
{
    FILE *f = fopen(path, "w");
    fputs(text, f);
    fclose(f);
}

static int find(struct price *p, const char *model, const char *today)
{
    struct err e = {0};
    int rc = prices_find(p, path, model, today, &e);
    if (rc < 0)
        printf("# %s\n", e.text);
    return rc;
}

static void test_choice(void)
{
    struct price p;
    put("# model\tsince\tin\tcached\tout\n"
        "gpt-4o-2024-05-13\t2024-05-13\t5\t5\t15\n"
        "gpt-4o\t2024-05-13\t5\t5\t15\n"
        "gpt-4o\t2024-10-02\t2.50\t1.25\t10.00\r\n"
        "\n"
        "gpt-4o-mini\t2024-07-18\t0.15\t0.075\t0.60\n"
        "own model:7b\t2024-01-01\t0\t0\t0");
    ok(find(&p, "gpt-4o", "2026-11-23") == 1, "the name itself");
    near(p.in, 2.5e-6, 1e-15, "the newest line counts, a token");
    near(p.cached, 1.25e-6, 1e-15, "cached");
    near(p.out, 10e-6, 1e-15, "out");
    is(p.since, "2024-10-02", "since");
    ok(find(&p, "gpt-4o", "2024-10-01") == 1 && p.in == 5e-6, "the day before: the line before");
    ok(find(&p, "gpt-4o", "2024-10-02") == 1 && p.in == 2.5e-6, "the day itself: the new line");
    ok(find(&p, "gpt-4o", "2024-05-12") == 0 && p.in == 0, "before the first line: none");
    ok(find(&p, "gpt-4o-mini-2024-07-18", "2026-11-23") == 1 && p.in == 0.15e-6,
       "a snapshot is under the longer name");
    ok(find(&p, "gpt-4o-mini-2024-07-18", "2024-07-01") == 0, "not under the shorter one");
    ok(find(&p, "gpt-4o-2024-08-06", "2026-11-23") == 1 && p.in == 2.5e-6, "a snapshot");
    ok(find(&p, "gpt-4o-2024-05-13", "2026-11-23") == 1 && p.in == 5e-6,
       "a snapshot with a line of its own");
    ok(find(&p, "gpt-4o-latest", "2026-11-23") == 1, "-latest");
    ok(find(&p, "gpt-4o-audio-preview", "2026-11-23") == 0, "another model is no snapshot");
    ok(find(&p, "gpt-4", "2026-11-23") == 0, "a shorter name is none");
    ok(find(&p, "gpt-4o.5", "2026-11-23") == 0, "a version behind a dot is none");
    ok(find(&p, "gpt-4o-", "2026-11-23") == 0, "a dash alone is none");
    ok(find(&p, "", "2026-11-23") == 0, "no name, no price");
    ok(find(&p, "own model:7b", "2026-11-23") == 1 && p.out == 0, "a free model is found");
}

static void refuse(const char *text, const char *why)
{
    struct price p;
    struct err e = {0};
    put(text);
    int rc = prices_find(&p, path, "a", "2026-11-23", &e);
    ok(rc == -1 && strstr(e.text, why) && strncmp(e.text, path, strlen(path)) == 0, "%s", e.text);
}

static void test_refused(void)
{
    struct price p;
    struct err e = {0};
    refuse("a\t2024-01-01\t1\t1\t1\nb\t2024-01-01\t1\t1\n", ":2: 4 fields");
    refuse("a\t2024-01-01\t1\t1\t1\t1\n", ":1: 6 fields");
    refuse("a 2024-01-01 1 1 1\n", ":1: 1 fields");
    refuse("\t2024-01-01\t1\t1\t1\n", ":1: model name of 0 bytes");
    refuse("a\t2024-1-1\t1\t1\t1\n", "not a date");
    refuse("a\t2024-13-01\t1\t1\t1\n", "not a date");
    refuse("a\t2024-01-01x\t1\t1\t1\n", "not a date");
    refuse("a\t2024-01-01\tx\t1\t1\n", ":1: ");
    refuse("a\t2024-01-01\t-1\t-1\t1\n", ":1: ");
    refuse("a\t2024-01-01\tnan\t1\t1\n", ":1: ");
    refuse("a\t2024-01-01\t\t1\t1\n", ":1: ");
    refuse("a\t2024-01-01\t1\t2\t1\n", "cached tokens cost more");
    put("");
    ok(prices_find(&p, path, "a", "2026-11-23", &e) == 0, "an empty file names no model");
    ok(prices_find(&p, path, "a", "today", &e) == -1, "%s", e.text);
    ok(prices_find(&p, "/nowhere/prices.tsv", "a", "2026-11-23", &e) == -1, "%s", e.text);
}

static void test_built_in(void)
{
    struct price p;
    struct err e = {0};
    ok(prices_find(&p, NULL, "gpt-4o-mini-2024-07-18", "2026-11-23", &e) == 1 &&
           fabs(p.cached - 0.075e-6) < 1e-15, "the built-in file knows gpt-4o-mini %s", e.text);
    ok(prices_find(&p, NULL, "no-such-model", "2026-11-23", &e) == 0, "and not what it does not");
}

static void test_usd(void)
{
    struct price p = {2e-6, 1e-6, 8e-6, "2024-01-01"};
    near(price_usd(&p, 1000000, 0, 0), 2, 1e-12, "a million tokens in");
    near(price_usd(&p, 1000000, 400000, 500000), 1.2 + 0.4 + 4, 1e-12, "cached is part of in");
    near(price_usd(&p, 10, 20, 0), 10e-6, 1e-15, "cached is never more than in");
    near(price_usd(&p, -5, -5, -5), 0, 0, "negative counts are nothing");
    near(price_usd(&p, INT64_C(4000000000), 0, 0), 8000, 1e-6, "counts beyond 32 bits");
}

int main(void)
{
    int fd = mkstemp(path);
    if (fd < 0)
        return 1;
    close(fd);
    test_choice();
    test_refused();
    test_built_in();
    test_usd();
    unlink(path);
    return done();
}
