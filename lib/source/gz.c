/* SPDX-License-Identifier: MIT */
#include "source/gz.h"
#include "base/util.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define PACKED_BYTES (256 * 1024)

struct gz {
    int fd;
    char *path;
    int64_t stored, size;
    bool started; /* gz_read has been called */
    char *head;   /* peeked bytes not read yet: head[head_at .. head_n) */
    size_t head_at, head_n;
    unsigned char *packed; /* NULL: the file is plain */
    bool ended;            /* the last gzip member has ended */
    z_stream z;
};

static int64_t read_fd(struct gz *g, void *p, size_t n, struct err *e)
{
    for (;;) {
        ssize_t got = read(g->fd, p, n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_set(e, "%s: %s", g->path, strerror(errno));
        g->stored += got;
        return got;
    }
}

static const char *other_packer(const unsigned char *m, size_t n)
{
    static const struct {
        const char *name, *magic;
        size_t bytes;
    } known[] = {
        {"a zip archive", "PK\x03\x04", 4},
        {"bzip2 data", "BZh", 3},
        {"xz data",
         "\xfd"
         "7zXZ",
         5},
        {"zstd data", "\x28\xb5\x2f\xfd", 4},
        {"a 7z archive", "7z\xbc\xaf\x27", 5},
    };
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (n >= known[i].bytes && memcmp(m, known[i].magic, known[i].bytes) == 0)
            return known[i].name;
    return NULL;
}

static int check_file(struct gz *g, struct err *e)
{
    struct stat st;
    if (fstat(g->fd, &st) != 0)
        return err_set(e, "%s: %s", g->path, strerror(errno));
    if (S_ISDIR(st.st_mode))
        return err_set(e, "%s: is a folder, not a file", g->path);
    if (!S_ISREG(st.st_mode))
        return err_set(e, "%s: is %s, not a regular file", g->path,
                       S_ISFIFO(st.st_mode) ? "a fifo" : "a device or socket");
    g->size = st.st_size;
    return 0;
}

static int start(struct gz *g, struct err *e)
{
    unsigned char magic[8];
    ssize_t n = pread(g->fd, magic, sizeof magic, 0);
    if (n < 0)
        return err_set(e, "%s: %s", g->path, strerror(errno));
    const char *packer = other_packer(magic, (size_t)n);
    if (packer)
        return err_set(e, "%s: is %s; unpack it first (only gzip is read)", g->path,
                       packer);
    if (n < 3 || memcmp(magic, "\x1f\x8b\x08", 3) != 0)
        return 0;
    /* 15 + 16: the widest window, gzip wrapper only. */
    if (inflateInit2(&g->z, 15 + 16) != Z_OK)
        return err_set(e, "%s: zlib: %s", g->path, g->z.msg ? g->z.msg : "cannot start");
    g->packed = xmalloc(PACKED_BYTES);
    return 0;
}

struct gz *gz_open(const char *path, struct err *e)
{
    /* O_NONBLOCK: opening a fifo must not wait for a writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        err_set(e, "%s: %s", path, strerror(errno));
        return NULL;
    }
    struct gz *g = xcalloc(1, sizeof *g);
    g->fd = fd;
    g->path = xstrdup(path);
    if (check_file(g, e) < 0 || start(g, e) < 0) {
        gz_close(g);
        return NULL;
    }
    posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return g;
}

void gz_close(struct gz *g)
{
    if (!g)
        return;
    if (g->packed)
        inflateEnd(&g->z);
    close(g->fd);
    free(g->packed);
    free(g->head);
    free(g->path);
    free(g);
}

/* More packed bytes into the inflater: 1, 0 at the end of the file, -1. */
static int refill(struct gz *g, struct err *e)
{
    int64_t n = read_fd(g, g->packed, PACKED_BYTES, e);
    if (n <= 0)
        return (int)n;
    g->z.next_in = g->packed;
    g->z.avail_in = (uInt)n;
    return 1;
}

/* Between two members: 1 another one begins, 0 the file ends, -1. */
static int next_member(struct gz *g, struct err *e)
{
    bool padding = false;
    for (;;) {
        if (g->z.avail_in == 0) {
            int rc = refill(g, e);
            if (rc <= 0)
                return rc;
        }
        if (*g->z.next_in != 0)
            break;
        padding = true;
        g->z.next_in++, g->z.avail_in--;
    }
    if (padding || *g->z.next_in != 0x1f)
        return err_set(e, "%s: bytes that are not gzip follow the gzip data", g->path);
    inflateReset(&g->z);
    return 1;
}

static int64_t read_packed(struct gz *g, void *p, size_t n, struct err *e)
{
    g->z.next_out = p;
    g->z.avail_out = (uInt)(n < (1u << 30) ? n : 1u << 30);
    uInt room = g->z.avail_out;
    while (!g->ended && g->z.avail_out > 0) {
        if (g->z.avail_in == 0) {
            int rc = refill(g, e);
            if (rc < 0)
                return -1;
            if (rc == 0)
                return err_set(e, "%s: gzip data is truncated after %lld bytes", g->path,
                               (long long)g->stored);
        }
        int rc = inflate(&g->z, Z_NO_FLUSH);
        if (rc == Z_STREAM_END) {
            int more = next_member(g, e);
            if (more < 0)
                return -1;
            g->ended = more == 0;
        } else if (rc != Z_OK && rc != Z_BUF_ERROR) {
            return err_set(e, "%s: gzip data is damaged near byte %lld: %s", g->path,
                           (long long)(g->stored - g->z.avail_in),
                           g->z.msg ? g->z.msg : "zlib gives no reason");
        }
    }
    return room - g->z.avail_out;
}

static int64_t read_any(struct gz *g, void *p, size_t n, struct err *e)
{
    return g->packed ? read_packed(g, p, n, e) : read_fd(g, p, n, e);
}

int64_t gz_read(struct gz *g, void *p, size_t n, struct err *e)
{
    g->started = true;
    size_t left = g->head_n - g->head_at;
    if (left == 0)
        return read_any(g, p, n, e);
    size_t take = left < n ? left : n;
    memcpy(p, g->head + g->head_at, take);
    g->head_at += take;
    return (int64_t)take;
}

int gz_peek(struct gz *g, const char **head, size_t *n, struct err *e)
{
    if (g->started)
        return err_set(e, "%s: peeked after reading began", g->path);
    if (!g->head)
        g->head = xmalloc(GZ_PEEK_MAX);
    while (g->head_n < GZ_PEEK_MAX) {
        int64_t got = read_any(g, g->head + g->head_n, GZ_PEEK_MAX - g->head_n, e);
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        g->head_n += (size_t)got;
    }
    *head = g->head;
    *n = g->head_n;
    return 0;
}

const char *gz_path(const struct gz *g)
{
    return g->path;
}

int64_t gz_stored_bytes(const struct gz *g)
{
    return g->stored - (g->packed ? (int64_t)g->z.avail_in : 0);
}

int64_t gz_size(const struct gz *g)
{
    return g->size;
}
