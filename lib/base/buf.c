/* SPDX-License-Identifier: MIT */
#include "base/buf.h"
#include "base/util.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void buf_reserve(struct buf *b, size_t more)
{
    if (more >= SIZE_MAX / 2 - b->len)
        die("out of memory: buffer of %zu + %zu bytes", b->len, more);
    size_t need = b->len + more + 1;
    if (need <= b->cap)
        return;
    size_t cap = b->cap ? b->cap : 64;
    while (cap < need)
        cap += cap / 2 + 64;
    b->data = xrealloc(b->data, cap, 1);
    b->cap = cap;
    b->data[b->len] = 0;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
    buf_reserve(b, n);
    if (n)
        memcpy(b->data + b->len, p, n);
    b->len += n;
    b->data[b->len] = 0;
}

void buf_adds(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}

void buf_addc(struct buf *b, int c)
{
    char ch = (char)c;
    buf_add(b, &ch, 1);
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        die("bad format '%s'", fmt);
    buf_reserve(b, (size_t)n);
    va_start(ap, fmt);
    vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)n;
}

void buf_json(struct buf *b, const char *s, size_t n)
{
    buf_addc(b, '"');
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c == '"' || c == '\\')
            buf_addf(b, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            buf_addf(b, "\\u%04x", c);
        else if (c == 0xc2 && i + 1 < n && (unsigned char)s[i + 1] < 0xa0)
            buf_addf(b, "\\u%04x", (unsigned char)s[++i]); /* U+0080 to U+009F */
        else
            buf_addc(b, c);
    }
    buf_addc(b, '"');
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    if (b->data)
        b->data[0] = 0;
}

void buf_release(struct buf *b)
{
    free(b->data);
    *b = (struct buf){0};
}

const char *buf_str(const struct buf *b)
{
    return b->data ? b->data : "";
}

static int read_all(struct buf *b, int fd, size_t max_bytes, const char *path, struct err *e)
{
    for (;;) {
        buf_reserve(b, 65536);
        ssize_t n = read(fd, b->data + b->len, b->cap - b->len - 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(e, "%s: %s", path, strerror(errno));
        if (n == 0)
            break;
        b->len += (size_t)n;
        if (b->len > max_bytes)
            return err_set(e, "%s: larger than %zu bytes", path, max_bytes);
    }
    b->data[b->len] = 0;
    return 0;
}

int buf_read_file(struct buf *b, const char *path, size_t max_bytes, struct err *e)
{
    /* O_NONBLOCK: opening a fifo must not wait for a writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc = -1;
    if (fd < 0)
        return err_set(e, "%s: %s", path, strerror(errno));
    struct stat st;
    if (fstat(fd, &st) != 0)
        err_set(e, "%s: %s", path, strerror(errno));
    else if (!S_ISREG(st.st_mode))
        err_set(e, "%s: not a regular file", path);
    else if ((uintmax_t)st.st_size > max_bytes)
        err_set(e, "%s: %lld bytes, more than the allowed %zu", path, (long long)st.st_size,
                max_bytes);
    else
        rc = read_all(b, fd, max_bytes, path, e);
    close(fd);
    return rc;
}
