/* SPDX-License-Identifier: MIT */
#include "source/gz.h"
#include "base/buf.h"
#include "base/util.h"
#include "source/window.h"
#include "tap.h"
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

static char dir[] = "/tmp/mm_test_gz.XXXXXX";
static char path[64];

static const char *put(const void *bytes, size_t n)
{
    snprintf(path, sizeof path, "%s/f", dir);
    unlink(path); /* truncating a file makes some file systems flush it */
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(bytes, 1, n, f) != n || fclose(f) != 0)
        die("cannot write %s", path);
    return path;
}

/* One gzip member of the n bytes at s. */
static void pack(struct buf *out, const void *s, size_t n)
{
    z_stream z = {0};
    if (deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        die("deflateInit2");
    buf_reserve(out, deflateBound(&z, n));
    z.next_in = (unsigned char *)(uintptr_t)s;
    z.avail_in = (uInt)n;
    z.next_out = (unsigned char *)out->data + out->len;
    z.avail_out = (uInt)(out->cap - out->len - 1);
    if (deflate(&z, Z_FINISH) != Z_STREAM_END)
        die("deflate");
    out->len += z.total_out;
    deflateEnd(&z);
}

/* Reads the file in pieces of `step`; -1 and e on failure. */
static int slurp(struct buf *out, size_t step, bool peek, struct err *e)
{
    char block[1000];
    const char *head;
    size_t n;
    int64_t got = 0;
    *e = (struct err){{0}};
    buf_clear(out);
    struct gz *g = gz_open(path, e);
    if (!g)
        return -1;
    if (peek && gz_peek(g, &head, &n, e) < 0)
        got = -1;
    while (got >= 0 && (got = gz_read(g, block, step, e)) > 0)
        buf_add(out, block, (size_t)got);
    gz_close(g);
    return got < 0 ? -1 : 0;
}

static void test_plain_and_packed(const char *text, size_t n)
{
    struct buf out = {0}, gz = {0};
    struct err e;
    put(text, n);
    ok(slurp(&out, 1000, false, &e) == 0 && out.len == n &&
           memcmp(out.data, text, n) == 0,
       "plain file comes back");
    ok(slurp(&out, 7, true, &e) == 0 && out.len == n && memcmp(out.data, text, n) == 0,
       "plain file comes back behind a peek");
    pack(&gz, text, n);
    put(gz.data, gz.len);
    ok(slurp(&out, 1000, false, &e) == 0 && out.len == n &&
           memcmp(out.data, text, n) == 0,
       "gzip file comes back without a .gz in its name");
    ok(slurp(&out, 999, true, &e) == 0 && out.len == n && memcmp(out.data, text, n) == 0,
       "gzip file comes back behind a peek");
    pack(&gz, "second", 6);
    buf_add(&gz, "\0\0\0", 3);
    put(gz.data, gz.len);
    ok(slurp(&out, 1000, false, &e) == 0 && out.len == n + 6 &&
           memcmp(out.data + n, "second", 6) == 0,
       "two members with zero padding");
    pack(&gz, "third", 5);
    put(gz.data, gz.len);
    ok(slurp(&out, 1000, false, &e) < 0, "nothing may follow the padding: %s", e.text);
    buf_release(&out);
    buf_release(&gz);
}

static void test_damage(const char *text, size_t n)
{
    struct buf out = {0}, gz = {0};
    struct err e;
    pack(&gz, text, n);
    put(gz.data, gz.len / 2);
    ok(slurp(&out, 1000, false, &e) < 0 && strstr(e.text, "truncated"), "truncated: %s",
       e.text);
    put(gz.data, gz.len - 4);
    ok(slurp(&out, 1000, false, &e) < 0 && strstr(e.text, "truncated"), "trailer cut: %s",
       e.text);
    gz.data[gz.len - 6] ^= 1; /* its checksum */
    put(gz.data, gz.len);
    ok(slurp(&out, 1000, false, &e) < 0 && strstr(e.text, "damaged"), "checksum: %s",
       e.text);
    gz.data[gz.len - 6] ^= 1;
    buf_adds(&gz, "garbage");
    put(gz.data, gz.len);
    ok(slurp(&out, 1000, false, &e) < 0 && strstr(e.text, "not gzip"),
       "garbage behind: %s", e.text);
    put(gz.data, 5);
    ok(slurp(&out, 1000, false, &e) < 0 && strstr(e.text, "truncated"), "header only: %s",
       e.text);
    buf_release(&out);
    buf_release(&gz);
}

static void refused(const char *p, const char *word)
{
    struct err e = {{0}};
    struct gz *g = gz_open(p, &e);
    ok(!g && strstr(e.text, word), "refused: %s", e.text);
    gz_close(g);
}

static void test_refusals(void)
{
    char p[80];
    refused("/nonexistent/file", "No such file");
    refused(dir, "folder");
    snprintf(p, sizeof p, "%s/fifo", dir);
    if (mkfifo(p, 0600) == 0)
        refused(p, "fifo"); /* must not wait for a writer */
    unlink(p);
    put("PK\x03\x04xxxxxxxx", 12);
    refused(path, "zip");
    put("\xfd"
        "7zXZ\0xxxx",
        10);
    refused(path, "xz");
    put("x", 1);
    chmod(path, 0);
    if (geteuid() == 0)
        skip("root may read everything");
    else
        refused(path, "Permission");
    chmod(path, 0600);
}

static void test_peek(void)
{
    struct buf big = {0};
    struct err e = {{0}};
    const char *head;
    size_t n;
    for (int i = 0; i < 20000; i++)
        buf_addf(&big, "line %d\n", i);
    put(big.data, big.len);
    struct gz *g = gz_open(path, &e);
    ok(g && gz_peek(g, &head, &n, &e) == 0 && n == GZ_PEEK_MAX &&
           memcmp(head, big.data, n) == 0,
       "peek gives the first 64 KiB");
    ok(gz_size(g) == (int64_t)big.len, "size of the file as stored");
    char block[10];
    ok(gz_read(g, block, 10, &e) == 10 && gz_peek(g, &head, &n, &e) < 0,
       "no peek after a read");
    gz_close(g);
    put("", 0);
    g = gz_open(path, &e);
    ok(g && gz_peek(g, &head, &n, &e) == 0 && n == 0, "empty file: an empty head");
    gz_close(g);
    buf_release(&big);
}

static void test_lines(void)
{
    struct err e = {{0}};
    struct window w;
    char *line;
    size_t n;
    put("\xef\xbb\xbfone\r\n\ntoo long a line\nlast", 30);
    struct gz *g = gz_open(path, &e);
    window_init(&w, g);
    ok(window_skip_bom(&w, &e) == 0, "byte order mark");
    ok(window_line(&w, &line, &n, 10, &e) == WINDOW_LINE && n == 3, "CRLF is cut");
    is(line, "one", "first line");
    ok(window_line(&w, &line, &n, 10, &e) == WINDOW_LINE && n == 0, "empty line");
    ok(window_line(&w, &line, &n, 10, &e) == WINDOW_LONG, "long line is told");
    is(line, "too long a line", "and its beginning given");
    ok(window_line(&w, &line, &n, 10, &e) == WINDOW_LINE && w.unterminated,
       "no line end");
    is(line, "last", "last line");
    ok(window_line(&w, &line, &n, 10, &e) == WINDOW_END, "end");
    window_release(&w);
    gz_close(g);
}

int main(void)
{
    if (!mkdtemp(dir))
        die("mkdtemp");
    struct buf text = {0};
    for (int i = 0; i < 50000; i++)
        buf_addf(&text, "%d,%x;", i, i ^ 0x5a5a);
    test_plain_and_packed(text.data, text.len);
    test_damage(text.data, text.len);
    test_refusals();
    test_peek();
    test_lines();
    buf_release(&text);
    unlink(path);
    rmdir(dir);
    return done();
}
