/* SPDX-License-Identifier: MIT */
#include "source/spool.h"
#include "base/util.h"
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/* A sorted stretch of the file, and the part of it that is in memory. */
struct run {
    off_t at;    /* of what is not in memory yet */
    size_t left; /* records of that */
    char *buf;
    size_t n, i; /* records in buf, and how many of them were given */
};

struct spool {
    size_t record, cap, n; /* bytes a record; records: room, in block */
    char *block;
    int fd; /* -1: no run was written */
    off_t end;
    struct run *runs;
    size_t n_runs;
    struct run **heap; /* runs that have records left, the smallest first; NULL: adding */
    size_t n_heap;
    int given; /* the first of heap[0] was returned */
};

struct spool *spool_new(size_t record_bytes, size_t bytes)
{
    struct spool *s = xcalloc(1, sizeof *s);
    s->record = record_bytes;
    s->cap = bytes / record_bytes;
    s->block = xmalloc(s->cap * record_bytes);
    s->fd = -1;
    return s;
}

void spool_free(struct spool *s)
{
    if (!s)
        return;
    if (s->fd >= 0)
        close(s->fd);
    free(s->block);
    free(s->runs);
    free(s->heap);
    free(s);
}

static int64_t number(const void *record)
{
    int64_t n;
    memcpy(&n, record, sizeof n);
    return n;
}

static int by_number(const void *a, const void *b)
{
    int64_t x = number(a), y = number(b);
    return (x > y) - (x < y);
}

static int open_temporary(void)
{
    const char *dir = getenv("TMPDIR");
    char *path = xasprintf("%s/mmrec-XXXXXX", dir && *dir ? dir : "/var/tmp");
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        die("%s: %s", path, strerror(errno));
    unlink(path);
    free(path);
    return fd;
}

static void write_run(struct spool *s)
{
    if (s->fd < 0)
        s->fd = open_temporary();
    qsort(s->block, s->n, s->record, by_number);
    s->runs = xrealloc(s->runs, s->n_runs + 1, sizeof *s->runs);
    s->runs[s->n_runs++] = (struct run){.at = s->end, .left = s->n};
    size_t bytes = s->n * s->record;
    for (size_t done = 0; done < bytes;) {
        ssize_t n = pwrite(s->fd, s->block + done, bytes - done, s->end);
        if (n < 0 && errno != EINTR)
            die("temporary file: %s", strerror(errno));
        if (n > 0) {
            done += (size_t)n;
            s->end += n;
        }
    }
    s->n = 0;
}

void spool_add(struct spool *s, const void *record)
{
    if (s->n == s->cap)
        write_run(s);
    memcpy(s->block + s->n++ * s->record, record, s->record);
}

/* ---- reading ---- */

/* Refills the run's buffer of `room` records. 0: the run has ended. */
static int fill(struct spool *s, struct run *r, size_t room)
{
    size_t n = r->left < room ? r->left : room, bytes = n * s->record;
    for (size_t done = 0; done < bytes;) {
        ssize_t got = pread(s->fd, r->buf + done, bytes - done, r->at);
        if (got == 0 || (got < 0 && errno != EINTR))
            die("temporary file: %s", got ? strerror(errno) : "cut short");
        if (got > 0) {
            done += (size_t)got;
            r->at += got;
        }
    }
    r->left -= n;
    r->n = n;
    r->i = 0;
    return n > 0;
}

static const char *head(const struct spool *s, size_t i)
{
    return s->heap[i]->buf + s->heap[i]->i * s->record;
}

static void sift_down(struct spool *s, size_t i)
{
    for (size_t child; (child = 2 * i + 1) < s->n_heap; i = child) {
        if (child + 1 < s->n_heap && by_number(head(s, child + 1), head(s, child)) < 0)
            child++;
        if (by_number(head(s, i), head(s, child)) <= 0)
            return;
        struct run *r = s->heap[i];
        s->heap[i] = s->heap[child];
        s->heap[child] = r;
    }
}

/* What is in memory is the only run, or the last one and goes to the file: the block becomes
 * the buffers of all runs. */
static void begin_reading(struct spool *s)
{
    if (s->n_runs == 0) {
        qsort(s->block, s->n, s->record, by_number);
        s->runs = xcalloc(1, sizeof *s->runs);
        s->runs[s->n_runs++] = (struct run){.buf = s->block, .n = s->n};
    } else {
        write_run(s);
        if (s->n_runs > s->cap)
            die("temporary file: %zu runs, memory for %zu", s->n_runs, s->cap);
        for (size_t i = 0; i < s->n_runs; i++) {
            s->runs[i].buf = s->block + i * (s->cap / s->n_runs) * s->record;
            fill(s, &s->runs[i], s->cap / s->n_runs);
        }
    }
    s->heap = xcalloc(s->n_runs, sizeof *s->heap);
    for (size_t i = 0; i < s->n_runs; i++)
        if (s->runs[i].n > 0)
            s->heap[s->n_heap++] = &s->runs[i];
    for (size_t i = s->n_heap; i-- > 0;)
        sift_down(s, i);
}

const void *spool_next(struct spool *s)
{
    if (!s->heap)
        begin_reading(s);
    if (s->given) {
        struct run *r = s->heap[0];
        if (++r->i == r->n && !fill(s, r, s->cap / s->n_runs))
            s->heap[0] = s->heap[--s->n_heap];
        sift_down(s, 0);
    }
    s->given = s->n_heap > 0;
    return s->given ? head(s, 0) : NULL;
}
