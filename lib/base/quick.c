/* SPDX-License-Identifier: MIT */
#include "base/quick.h"
#include "base/util.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum { BLOCK = 4 << 20, STEP = 1 << 18, THREADS = 4 };

struct quick {
    XXH3_state_t *block, *all; /* of the block that is not full, of the digests of full ones */
    size_t filled;             /* bytes in block */
};

static XXH3_state_t *state_new(void)
{
    XXH3_state_t *s = XXH3_createState();
    if (!s || XXH3_64bits_reset(s) != XXH_OK)
        die("out of memory");
    return s;
}

struct quick *quick_new(void)
{
    struct quick *h = xcalloc(1, sizeof *h);
    h->block = state_new();
    h->all = state_new();
    return h;
}

void quick_free(struct quick *h)
{
    if (!h)
        return;
    XXH3_freeState(h->block);
    XXH3_freeState(h->all);
    free(h);
}

static void update(XXH3_state_t *s, const void *p, size_t n)
{
    if (XXH3_64bits_update(s, p, n) != XXH_OK)
        die("XXH3 failed");
}

static void add_block(struct quick *h, uint64_t digest)
{
    update(h->all, &digest, sizeof digest);
}

static void close_block(struct quick *h)
{
    add_block(h, XXH3_64bits_digest(h->block));
    XXH3_64bits_reset(h->block);
    h->filled = 0;
}

void quick_add(struct quick *h, const void *p, size_t n)
{
    const char *at = p;
    while (n > 0) {
        size_t take = BLOCK - h->filled < n ? BLOCK - h->filled : n;
        update(h->block, at, take);
        at += take;
        n -= take;
        if ((h->filled += take) == BLOCK)
            close_block(h);
    }
}

int64_t quick_end(struct quick *h)
{
    int64_t v;
    if (h->filled)
        close_block(h);
    uint64_t u = XXH3_64bits_digest(h->all);
    memcpy(&v, &u, sizeof v);
    XXH3_64bits_reset(h->all);
    return v;
}

/* ---- files ---- */

struct reader {
    pthread_t thread;
    int fd, first, step, failed; /* failed: errno */
    int blocks;                  /* of the file, all full */
    uint64_t *digest;            /* [blocks], shared */
};

/* Up to n bytes at `at` into the state, in steps that stay in the cache. Returns how many, -1
 * with errno. */
static ssize_t read_some(XXH3_state_t *s, char *buf, int fd, off_t at, size_t n)
{
    size_t got = 0;
    while (got < n) {
        size_t want = n - got < STEP ? n - got : STEP;
        ssize_t r = pread(fd, buf, want, at + (off_t)got);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return -1;
        if (r == 0)
            break;
        update(s, buf, (size_t)r);
        got += (size_t)r;
    }
    return (ssize_t)got;
}

static void *read_blocks(void *arg)
{
    struct reader *r = arg;
    XXH3_state_t *s = state_new();
    char *buf = xmalloc(STEP);
    for (int b = r->first; b < r->blocks && !r->failed; b += r->step) {
        ssize_t n = read_some(s, buf, r->fd, (off_t)b * BLOCK, BLOCK);
        if (n < 0)
            r->failed = errno;
        r->digest[b] = XXH3_64bits_digest(s);
        XXH3_64bits_reset(s);
    }
    XXH3_freeState(s);
    free(buf);
    return NULL;
}

/* The full blocks, interleaved over the threads; this one is the first of them. */
static int read_full(struct quick *h, int fd, int blocks)
{
    struct reader r[THREADS];
    int n = cpu_count() < THREADS ? cpu_count() : THREADS, failed = 0;
    uint64_t *digest = xcalloc((size_t)blocks + 1, sizeof *digest);
    n = n < blocks ? n : blocks > 0 ? blocks : 1;
    for (int i = n - 1; i >= 0; i--) {
        r[i] = (struct reader){.fd = fd, .first = i, .step = n, .blocks = blocks,
                               .digest = digest};
        if (i > 0 && pthread_create(&r[i].thread, NULL, read_blocks, &r[i]) != 0)
            die("cannot start a thread");
    }
    read_blocks(&r[0]);
    for (int i = 0; i < n; i++) {
        if (i > 0)
            pthread_join(r[i].thread, NULL);
        failed = failed ? failed : r[i].failed;
    }
    for (int b = 0; b < blocks; b++)
        add_block(h, digest[b]);
    free(digest);
    return failed;
}

int quick_fd(int64_t *digest, int fd, struct err *e)
{
    struct stat st;
    struct quick *h = quick_new();
    char *buf = xmalloc(STEP);
    off_t at = 0;
    int failed = fstat(fd, &st) != 0 ? errno : 0;
    if (!failed && S_ISREG(st.st_mode)) {
        int blocks = (int)(st.st_size / BLOCK);
        failed = read_full(h, fd, blocks);
        at = (off_t)blocks * BLOCK;
    }
    while (!failed) { /* the rest, and what a file grew by meanwhile */
        ssize_t n = pread(fd, buf, STEP, at);
        if (n < 0 && errno != EINTR)
            failed = errno;
        if (n == 0)
            break;
        if (n > 0) {
            quick_add(h, buf, (size_t)n);
            at += n;
        }
    }
    *digest = quick_end(h);
    quick_free(h);
    free(buf);
    return failed ? err_set(e, "read: %s", strerror(failed)) : 0;
}
