/* SPDX-License-Identifier: MIT */
#include "source/jsonscan.h"
#include "base/rng.h"
#include "base/util.h"
#include "tap.h"
#include <stdlib.h>
#include <unistd.h>

static char path[] = "/tmp/mm_test_jsonscan.XXXXXX";

static void put(const char *s, size_t n)
{
    unlink(path); /* truncating a file makes some file systems flush it */
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(s, 1, n, f) != n || fclose(f) != 0)
        die("cannot write %s", path);
}

/* What a scan gave: "R1:{...}" for records (with array name), "X2" for rejects, in one line. */
struct seen {
    struct buf log;
    char reason[160], excerpt[UTF8_EXCERPT];
    int records, rejects, rc;
    int64_t repaired;
    struct err e;
};

static void scan(struct seen *s, enum jsonshape shape)
{
    struct jsonscan_record r;
    struct err e = {{0}};
    buf_release(&s->log);
    *s = (struct seen){.rc = -1};
    struct gz *g = gz_open(path, &e);
    struct jsonscan *scan = jsonscan_open(g, shape);
    while ((s->rc = jsonscan_next(scan, &r, &e)) > 0) {
        size_t n;
        const char *head = jsonscan_head(scan, &n);
        if (s->rc == JSONSCAN_RECORD) {
            s->records++;
            if (r.bytes < 200)
                buf_addf(&s->log, "%s%lld:%s ", r.array ? r.array : "", (long long)r.line,
                         r.text);
            if (strlen(r.text) != r.bytes)
                buf_adds(&s->log, "NOT-TERMINATED ");
        } else {
            s->rejects++;
            buf_addf(&s->log, "X%lld ", (long long)r.line);
            snprintf(s->reason, sizeof s->reason, "%s", r.reason);
            utf8_excerpt(s->excerpt, head, n);
        }
    }
    s->repaired = jsonscan_repaired(scan);
    s->e = e;
    jsonscan_close(scan);
    gz_close(g);
    buf_reserve(&s->log, 0);
}

static void expect(enum jsonshape shape, const char *file, const char *want, int rc,
                   const char *name)
{
    struct seen s = {0};
    put(file, strlen(file));
    scan(&s, shape);
    is(buf_str(&s.log), want, name);
    ok(s.rc == rc, "%s: %s", name, s.rc < 0 ? s.e.text : "read to the end");
    buf_release(&s.log);
}

#define LINES JSONSHAPE_LINES
#define TREE JSONSHAPE_TREE

static void test_lines(void)
{
    expect(LINES, "{\"a\":1}\n{\"a\":2}\n", "1:{\"a\":1} 2:{\"a\":2} ", 0, "LF");
    expect(LINES, "{\"a\":1}\r\n{\"a\":2}\r\n", "1:{\"a\":1} 2:{\"a\":2} ", 0, "CRLF");
    expect(LINES, "\xef\xbb\xbf{\"a\":1}\n\n  \n{\"a\":2}", "1:{\"a\":1} 4:{\"a\":2} ", 0,
           "byte order mark, blank lines, no last line end");
    expect(LINES, "{\"a\":1}\n{\"a\": \"half", "1:{\"a\":1} ", -1,
           "ends inside a string");
    expect(LINES, "{\"a\":1}\n{\"a\": {}", "1:{\"a\":1} ", -1, "ends inside an object");
    expect(LINES, "", "", 0, "empty file");
    expect(LINES, "nonsense\n{\"a\":1}\n", "1:nonsense 2:{\"a\":1} ", 0,
           "what a line holds is not judged here");
    struct seen s = {0};
    static const char odd[] = "{\"a\":\"x\xff\xc3\"}\n{\"b\":\"\0\"}\n";
    put(odd, sizeof odd - 1);
    scan(&s, LINES);
    is(buf_str(&s.log),
       "1:{\"a\":\"x\xef\xbf\xbd\xef\xbf\xbd\"} 2:{\"b\":\"\xef\xbf\xbd\"} ",
       "invalid UTF-8 and NUL become U+FFFD");
    ok(s.repaired == 3, "%d repaired", (int)s.repaired);
    buf_release(&s.log);
}

static void test_tree(void)
{
    expect(
        TREE, "{\"train\":[{\"a\":1},{\"a\":[2]}],\"val\":[],\"test\":[{\"a\":\"]}\"}]}",
        "train1:{\"a\":1} train2:{\"a\":[2]} test3:{\"a\":\"]}\"} ", 0, "giant object");
    expect(TREE, "\xef\xbb\xbf [\n {\"a\": 1},\r\n {\"a\": 2}\n]\n",
           "1:{\"a\": 1} 2:{\"a\": 2} ", 0, "array over several lines");
    expect(TREE, "{\"train\":[{\"a\":\"\\\\\"},{\"a\":\"\\\"}\"}]}",
           "train1:{\"a\":\"\\\\\"} train2:{\"a\":\"\\\"}\"} ", 0,
           "backslashes and quotes");
    expect(TREE, "{}", "", 0, "empty object");
    expect(TREE, "{\"meta\":{\"a\":1},\"train\":[{\"a\":1}]}", "X1 train2:{\"a\":1} ", 0,
           "a value that is no array is a reject");
    expect(TREE, "[{\"a\":1},7,\"x\",[1],null,{\"a\":2}]",
           "1:{\"a\":1} X2 X3 X4 X5 6:{\"a\":2} ", 0, "elements that are no objects");
    expect(TREE, "{\"train\":[{\"a\":1},{\"a\":2", "train1:{\"a\":1} ", -1,
           "ends inside record 2");
    expect(TREE, "{\"train\":[{\"a\":1},{\"a\":2}", "train1:{\"a\":1} train2:{\"a\":2} ",
           -1, "closing bracket missing");
    expect(TREE, "{\"train\":[{\"a\":1}]", "train1:{\"a\":1} ", -1,
           "closing brace missing");
    expect(TREE, "{\"train\":[{\"a\":1}]} x", "train1:{\"a\":1} ", -1,
           "text behind the end");
    expect(TREE, "[{\"a\":1}]\n\n", "1:{\"a\":1} ", 0, "blank lines behind the end");
}

static void test_resync(void)
{
    expect(
        TREE,
        "{\"train\":[{\"a\":1,\"t\":\"he \"said\" b\"},{\"a\":2}],\"val\":[{\"a\":3}]}",
        "X1 train2:{\"a\":2} val3:{\"a\":3} ", 0, "unescaped quotes");
    expect(TREE,
           "{\"train\":[{\"a\":1,\"t\":\"5\" wide\"},{\"a\":2}],\"val\":[{\"a\":3}]}",
           "X1 train2:{\"a\":2} val3:{\"a\":3} ", 0, "one quote too many");
    expect(TREE, "{\"train\":[{\"a\":1,\"p\":[\"x\"},{\"a\":2}]}", "X1 train2:{\"a\":2} ",
           0, "bracket missing");
    expect(TREE, "{\"train\":[{\"a\":1,{\"a\":2}]}", "X1 train2:{\"a\":2} ", 0,
           "brace missing");
    expect(TREE, "{\"train\":[{\"a\":1}},{\"a\":2}]}",
           "train1:{\"a\":1} X1 train2:{\"a\":2} ", 0, "one brace too many");
    expect(TREE, "{\"train\":[{\"a\":1} {\"a\":2}]}",
           "train1:{\"a\":1} X1 train2:{\"a\":2} ", 0, "comma missing");
    expect(TREE, "{\"train\":[{\"a\":1},{\"a\": oops } ], \"val\" : [ {\"a\":3}]}",
           "train1:{\"a\":1} X2 val3:{\"a\":3} ", 0,
           "the last of an array: the next array's name");
    expect(TREE, "{\"train\":[{\"a\":1},{\"a\": oops}]}", "train1:{\"a\":1} X2 ", 0,
           "the last of the file");
    expect(TREE, "{\"train\":[{\"a\":1},{\"a\": oops]", "train1:{\"a\":1} X2 ", -1,
           "structure lost for good");
    struct seen s = {0};
    const char *lost = "{\"train\":[{\"a\":1,{\"a\":2}]}";
    put(lost, strlen(lost));
    scan(&s, TREE);
    ok(strstr(s.reason, "byte 0x7b at offset 7"), "a lost brace is seen at once: %s", s.reason);
    char deep[200] = "[{\"a\":", *end = deep + strlen(deep);
    memset(end, '[', 65);
    memset(end + 65, ']', 65);
    strcpy(end + 130, "},{\"a\":2}]");
    put(deep, strlen(deep));
    scan(&s, TREE);
    ok(s.records == 1 && s.rejects == 1 && strstr(s.reason, "too deep"), "depth cap: %s",
       s.reason);
    ok(strncmp(s.excerpt, deep + 1, 140) == 0, "the excerpt begins with the record");
    const char *odd = "{\"train\":[{\"a\":\"\xff\xfe\" x}]}";
    put(odd, strlen(odd));
    scan(&s, TREE);
    is(s.excerpt, "{\"a\":\"\xef\xbf\xbd\xef\xbf\xbd\" x}]}", "an excerpt is UTF-8");
    buf_release(&s.log);
}

/* Records across all window borders: as many come back as were written. */
static void test_borders(void)
{
    struct buf tree = {0}, lines = {0};
    struct seen s = {0};
    struct rng r;
    rng_seed(&r, 5, 0);
    buf_adds(&tree, "{\"train\": [");
    for (int i = 0; i < 3000; i++) {
        struct buf one = {0};
        uint32_t n = i % 500 == 7 ? 700000 : rng_below(&r, 900);
        buf_addf(&one, "{\"id\": %d, \"t\": \"", i);
        for (uint32_t k = 0; k < n; k++)
            buf_adds(&one, k % 17 == 3 ? "\\\"" : k % 29 == 5 ? "}," : "x");
        buf_adds(&one, "\\\\\"}");
        buf_addf(&tree, "%s%s", i ? ", " : "", one.data);
        buf_addf(&lines, "%s\r\n", one.data);
        buf_release(&one);
    }
    buf_adds(&tree, "]}");
    put(tree.data, tree.len);
    scan(&s, TREE);
    ok(s.rc == 0 && s.records == 3000 && s.rejects == 0, "tree of %zu bytes: %d records",
       tree.len, s.records);
    put(lines.data, lines.len);
    scan(&s, LINES);
    ok(s.rc == 0 && s.records == 3000 && s.rejects == 0, "lines of %zu bytes: %d records",
       lines.len, s.records);
    buf_release(&tree);
    buf_release(&lines);
    buf_release(&s.log);
}

static void test_too_large(void)
{
    struct seen s = {0};
    size_t n = JSONSCAN_RECORD_MAX + 1000000;
    char *text = xmalloc(n + 100);
    for (int shape = LINES; shape <= TREE; shape++) {
        memset(text, 'x', n + 100);
        memcpy(text, shape == TREE ? "[{\"a\":\"" : " {\"a\":\"", 7);
        const char *end = shape == TREE ? "\"},{\"a\":1}]" : "\"}\n{\"a\":1}\n";
        memcpy(text + n, end, strlen(end));
        put(text, n + strlen(end));
        scan(&s, (enum jsonshape)shape);
        is(buf_str(&s.log), "X1 2:{\"a\":1} ",
           "a record of 65 MB is a reject, the next is read");
        ok(s.rc == 0 && strstr(s.reason, "larger than 64 MiB"), "reason: %s", s.reason);
    }
    free(text);
    buf_release(&s.log);
}

static void test_shape(void)
{
    static const struct {
        const char *head;
        enum jsonshape shape;
    } t[] = {
        {"{\"train\": [{\"a\": 1}, {\"a\"", TREE},
        {"{\"train\":[],\"val\":[{", TREE},
        {"[{\"a\":1}]", TREE},
        {"{\"a\":1}\n{\"a\":2}\n", LINES},
        {"{\"pics\":[{\"id\":\"x\"}],\"user\":\"u\"}\n", LINES},
        {"\xef\xbb\xbf {\"a\":1}", LINES},
        {"user,text\n", JSONSHAPE_NONE},
        {"{'a': 1}", JSONSHAPE_NONE},
        {"[1,2]", JSONSHAPE_NONE},
        {"", JSONSHAPE_NONE},
    };
    for (size_t i = 0; i < ARRAY_LEN(t); i++)
        ok(jsonshape_guess(t[i].head, strlen(t[i].head)) == t[i].shape, "shape of %s",
           t[i].head);
}

/* Deterministic mutations: every scan must end, and never find more than there was. */
static void test_fuzz(void)
{
    static const char seed[] =
        "{\"train\":[{\"a\":1,\"t\":\"x\\\"y\"},{\"a\":2,\"p\":[[\"u\",{}]]}],"
        "\"val\":[{\"a\":3}]}\n{\"a\":\"\xc3\xa9\"}";
    static const char bytes[] = "\"\\{}[],:a1 \n\xff\0tn";
    struct rng r;
    struct seen s = {0};
    int wrong = 0;
    rng_seed(&r, 11, 0);
    for (int i = 0; i < 4000; i++) {
        char text[sizeof seed];
        size_t n = sizeof seed - 1;
        memcpy(text, seed, n);
        for (uint32_t k = 0; k <= rng_below(&r, 4); k++)
            text[rng_below(&r, (uint32_t)n)] = bytes[rng_below(&r, sizeof bytes - 1)];
        if (rng_below(&r, 4) == 0)
            n = rng_below(&r, (uint32_t)n);
        put(text, n);
        scan(&s, i & 1 ? LINES : TREE);
        wrong += s.records + s.rejects > 20;
    }
    ok(wrong == 0, "4,000 mutated files scanned to an end");
    buf_release(&s.log);
}

int main(void)
{
    int fd = mkstemp(path);
    if (fd < 0)
        die("mkstemp");
    close(fd);
    test_lines();
    test_tree();
    test_resync();
    test_borders();
    test_too_large();
    test_shape();
    test_fuzz();
    unlink(path);
    return done();
}
