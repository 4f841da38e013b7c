/* SPDX-License-Identifier: MIT */
#include "source/csv.h"
#include "base/rng.h"
#include "base/util.h"
#include "source/when.h"
#include "tap.h"
#include <stdlib.h>
#include <unistd.h>

static char path[] = "/tmp/mm_test_csv.XXXXXX";

static void put(const char *s, size_t n)
{
    unlink(path); /* truncating a file makes some file systems flush it */
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(s, 1, n, f) != n || fclose(f) != 0)
        die("cannot write %s", path);
}

/* The whole file as "2:a|b 5:X(reason)..." ; *rc of the last call. */
static const char *dump(const char *s, size_t n, int *rc, struct err *e)
{
    static struct buf out;
    struct csv_record r;
    buf_clear(&out);
    buf_reserve(&out, 0);
    put(s, n);
    struct gz *g = gz_open(path, e);
    struct csv *c = csv_open(g, e);
    *rc = -1;
    while (c && (*rc = csv_next(c, &r, e)) > 0) {
        buf_addf(&out, "%lld:", (long long)r.line);
        for (int i = 0; i < r.n && *rc == CSV_RECORD; i++)
            buf_addf(&out, "%s%s", i ? "|" : "", r.field[i]);
        buf_addf(&out, "%s;", *rc == CSV_REJECT ? r.reason : "");
    }
    csv_close(c);
    gz_close(g);
    return out.data;
}

static void expect(const char *file, const char *want, const char *name)
{
    struct err e = {{0}};
    int rc;
    is(dump(file, strlen(file), &rc, &e), want, name);
    ok(rc == 0, "%s: %s", name, rc < 0 ? e.text : "read to the end");
}

static void fails(const char *file, size_t n, const char *word)
{
    struct err e = {{0}};
    int rc;
    dump(file, n, &rc, &e);
    ok(rc < 0 && strstr(e.text, word), "error: %s", e.text);
}

static void test_forms(void)
{
    expect("a,b\n1,2\n3,4\n", "2:1|2;3:3|4;", "LF");
    expect("a,b\r\n1,2\r\n3,4", "2:1|2;3:3|4;", "CRLF, no last line end");
    expect("a,b\r1,2\r3,4\r", "2:1|2;3:3|4;", "lone CR");
    expect("a,b\r1,\"x\ny\"\r3,4\r\n5,6\r", "2:1|x\ny;4:3|4;5:5|6;",
           "Excel for Mac: CR ends records, LF inside quotes, one CRLF");
    expect("\xef\xbb\xbf"
           "a,b\n1,2\n",
           "2:1|2;", "byte order mark");
    expect("a,b\n1,\"he said \"\"no\"\", twice\"\n", "2:1|he said \"no\", twice;",
           "quotes in quotes");
    expect("a,b\n1,\"x\n\ny\"\n3,4\n", "2:1|x\n\ny;5:3|4;",
           "line numbers over quoted line ends");
    expect("a,b\n1,\"x\r\ny\"\n3,4\n", "2:1|x\r\ny;4:3|4;",
           "CRLF inside quotes is one line end");
    expect("\n\na,b\n\n1,2\n\n\n3,4\n", "5:1|2;8:3|4;", "blank lines");
    expect("a\tb c\n1\t\"x\ty\"\n\t4\n", "2:1|x\ty;3:|4;", "tabs");
    expect("a;b\n1,5;2\n", "2:1,5|2;", "semicolons");
    expect("\"a,x;;;;\",b\n1,2\n", "2:1|2;",
           "a delimiter in a quoted name does not count");
    expect("a,b\n1\n1,2,3\n1,2\n",
           "2:1 fields where the header has 2;3:3 fields where the header has 2;4:1|2;",
           "too few and too many fields");
    expect("a,b\n1,x\xffy\n", "2:1|x\xef\xbf\xbdy;", "invalid UTF-8");
    expect("a\n1\n2\n", "2:1;3:2;", "one column");
    expect("a,b\n1,2\n333,\"44\"\"4\"", "2:1|2;3:333|44\"4;", "a longer last row");
    expect("a,b\n", "", "a header alone");
    expect("a,b\n1,\"x\"", "2:1|x;", "the file ends with a closing quote");
    expect("a,b\n\"\",  x  \n", "2:|x;", "empty quoted field; white space is dropped");
}

static void test_errors(void)
{
    struct err e = {{0}};
    int rc;
    fails("a,b\n1,2\n3,\"open\n5,6\n", 19, "line 3");
    fails("", 0, "empty");
    fails("\xff\xfe"
          "a\0,\0",
          6, "UTF-16");
    fails("\0\1\2\3abc", 7, "NUL");
    is(dump("a,b\nx\0y,2\n", 10, &rc, &e), "2:x\xef\xbf\xbdy|2;", "NUL past the header");
    fails("\n\n", 2, "no header");
}

/* An unclosed quote swallows at most 4 MiB; memory stays bounded and reading goes on. */
static void test_caps(void)
{
    struct buf b = {0};
    struct err e = {{0}};
    int rc;
    buf_adds(&b, "a,b\n1,\"open\n");
    for (int i = 0; i < 6 * 1024; i++) {
        for (int k = 0; k < 16; k++)
            buf_adds(&b,
                     "0123456789012345678901234567890123456789012345678901234567890123");
        buf_addc(&b, '\n');
    }
    buf_adds(&b, "7,8\n");
    const char *got = dump(b.data, b.len, &rc, &e);
    ok(rc == 0 && strncmp(got, "2:record larger than 4 MiB", 26) == 0,
       "unclosed quote is a reject");
    ok(strlen(got) > 8 && strcmp(got + strlen(got) - 4, "7|8;") == 0,
       "and the end is read");
    buf_release(&b);
}

/* A field may lie across every border of the blocks. */
static void test_borders(void)
{
    struct buf b = {0};
    struct csv_record r;
    struct err e = {{0}};
    struct rng g;
    int n = 0, good = 0, rc;
    rng_seed(&g, 1, 0);
    buf_adds(&b, "id,text\n");
    for (int i = 0; i < 4000; i++) {
        buf_addf(&b, "%d,\"", i);
        for (uint32_t k = rng_below(&g, 600); k > 0; k--)
            buf_adds(&b, k % 50 == 0 ? "\n" : k % 31 == 0 ? "\"\"" : "x");
        buf_adds(&b, "\"\r\n");
    }
    put(b.data, b.len);
    struct gz *in = gz_open(path, &e);
    struct csv *c = csv_open(in, &e);
    while ((rc = csv_next(c, &r, &e)) > 0) {
        good +=
            rc == CSV_RECORD && atoi(r.field[0]) == n && strlen(r.field[1]) == r.bytes[1];
        n++;
    }
    ok(rc == 0 && n == 4000 && good == 4000, "%zu bytes: %d records in order", b.len,
       good);
    ok(csv_column(c, "text") == 1 && csv_column(c, "none") == -1, "columns by name");
    csv_close(c);
    gz_close(in);
    buf_release(&b);
}

static void test_fuzz(void)
{
    static const char seed[] = "a,b,c\n1,\"x\n\"\"y\",3\r\n4,5,\"\"\n\n6,7,8\n";
    static const char bytes[] = "\",\n\r\t; x\xff\0";
    struct rng g;
    int n = 0;
    rng_seed(&g, 2, 0);
    for (int i = 0; i < 3000; i++) {
        char text[sizeof seed];
        struct err e = {{0}};
        int rc;
        memcpy(text, seed, sizeof seed);
        for (uint32_t k = 0; k <= rng_below(&g, 4); k++)
            text[rng_below(&g, sizeof seed - 1)] = bytes[rng_below(&g, sizeof bytes - 1)];
        dump(text, sizeof seed - 1 - rng_below(&g, 5), &rc, &e);
        n += rc == 0 || (rc < 0 && e.text[0]);
    }
    ok(n == 3000, "3,000 mutated files end or fail with a sentence");
}

static void test_when(void)
{
    /* Seconds by Python's datetime(..., tzinfo=utc).timestamp(). */
    static const struct {
        const char *s;
        int64_t at;
    } t[] = {
        {"1525651200", 1525651200},
        {"1525651200.0", 1525651200},
        {"1634275259292", 1634275259},
        {"5/25/2019 15:54", 1558799640},
        {"05-25-2019 15:54", 1558799640},
        {"5/25/2019", 1558742400},
        {"12/31/1999 11:59:59 PM", 946684799},
        {"09 1, 2016", 1472688000},
        {"2016-09-01", 1472688000},
        {"2016/09/01", 1472688000},
        {"2018-07-07 22:09:11", 1531001351},
        {"2018-07-07T22:09:11Z", 1531001351},
        {"2018-07-07T22:09:11.123456Z", 1531001351},
        {"2018-07-07 22:09:11+02:00", 1530994151},
        {"2018-07-07 22:09:11 -0530", 1531021151},
        {"2020-02-29", 1582934400},
        {"2100-03-01", 4107542400},
        {"1970-01-01", 0},
        {"9999-12-31", 253402214400},
        {"25/5/2019", -1},
        {"2019-02-29", -1},
        {"2019-13-01", -1},
        {"2019", -1},
        {"7", -1},
        {"", -1},
        {"yesterday", -1},
        {"2 months ago", -1},
        {"5/25/2019 25:00", -1},
        {"5/25/2019 15:54 trailing", -1},
        {"99999999999999999999", -1},
        {"1969-12-31", -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        int64_t at = -1;
        int rc = when_parse(&at, t[i].s);
        ok(t[i].at < 0 ? rc < 0 : rc == 0 && at == t[i].at, "time '%s': %lld", t[i].s,
           rc < 0 ? -1LL : (long long)at);
    }
    int64_t day = when_days(1970, 1, 1);
    ok(day == 0 && when_days(2000, 3, 1) == 11017 && when_days(1600, 1, 1) == -135140 &&
           when_days(-1, 12, 31) == -719529,
       "days of the calendar");
}

int main(void)
{
    int fd = mkstemp(path);
    if (fd < 0)
        die("mkstemp");
    close(fd);
    test_forms();
    test_errors();
    test_caps();
    test_borders();
    test_fuzz();
    test_when();
    unlink(path);
    return done();
}
