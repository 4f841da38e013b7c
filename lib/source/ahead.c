/* SPDX-License-Identifier: MIT */
#include "source/ahead.h"
#include "base/quick.h"
#include "base/util.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BATCHES 4
#define ITEMS 512
#define BYTES ((size_t)128 << 10)

struct item {
    struct source_record r;
    struct source_reject *reject; /* or NULL: a record */
    unsigned char digest[SHA256_BYTES];
    int64_t stored_bytes;
};

struct batch {
    struct item item[ITEMS];
    int n;
    char *block; /* what the items point to */
    size_t used, cap;
};

struct ahead {
    const struct source_file *file;
    const struct source_options *options;
    struct source_stats stats; /* the reader's */
    struct ahead_digests *digests;
    struct sha256 *text_hash; /* the reader's: kept, as making one costs more than a text */
    pthread_mutex_t lock;
    pthread_cond_t turn;
    struct batch batch[BATCHES]; /* a ring: filled counts pushes, emptied pops */
    /* under the lock: */
    unsigned filled, emptied;
    int ended, stop;
    /* results, read after the threads have ended: */
    int read_rc, hash_rc;
    struct err read_err, hash_err;
};

/* ---- the reader's side ---- */

static struct batch *open_batch(struct ahead *a)
{
    return &a->batch[a->filled % BATCHES]; /* filled is only written by the reader */
}

/* Hands the batch over and waits for an empty one. -1: nobody wants more. */
static int push(struct ahead *a)
{
    pthread_mutex_lock(&a->lock);
    a->filled++;
    pthread_cond_broadcast(&a->turn);
    while (a->filled - a->emptied == BATCHES && !a->stop)
        pthread_cond_wait(&a->turn, &a->lock);
    int stop = a->stop;
    pthread_mutex_unlock(&a->lock);
    if (stop)
        return -1;
    open_batch(a)->n = 0;
    open_batch(a)->used = 0;
    return 0;
}

static size_t rounded(size_t n)
{
    return (n + 15) & ~(size_t)15;
}

/* An item with room for that many bytes, or NULL: stopped. */
static struct item *next_item(struct ahead *a, size_t bytes)
{
    struct batch *b = open_batch(a);
    if (b->n == ITEMS || (b->n && b->used + bytes > b->cap)) {
        if (push(a) < 0)
            return NULL;
        b = open_batch(a);
    }
    if (bytes > b->cap) { /* the batch is empty: nothing points into the block */
        free(b->block);
        b->cap = bytes > BYTES ? bytes : BYTES;
        b->block = xmalloc(b->cap);
    }
    struct item *x = &b->item[b->n++];
    x->reject = NULL;
    x->stored_bytes = a->stats.stored_bytes;
    return x;
}

static void *keep(struct batch *b, const void *p, size_t n)
{
    void *to = b->block + b->used;
    memcpy(to, p, n);
    b->used += rounded(n);
    return to;
}

/* The strings of a record, but for text and pics. */
static void list_strings(struct source_record *r, const char **at[11])
{
    const char **all[11] = {&r->business_key, &r->review_key, &r->user_key, &r->split,
                            &r->photo_key, &r->photo_path, &r->photo_caption, &r->name,
                            &r->categories, &r->price, NULL};
    memcpy(at, all, sizeof all);
}

static size_t room_of(const struct source_record *r)
{
    struct source_record copy = *r;
    const char **at[11];
    size_t n = rounded(r->text_bytes + 1) + rounded((size_t)r->n_pics * sizeof *r->pics);
    list_strings(&copy, at);
    for (int i = 0; at[i]; i++)
        n += *at[i] ? rounded(strlen(*at[i]) + 1) : 0;
    for (int i = 0; i < r->n_pics; i++)
        n += rounded(strlen(r->pics[i]) + 1);
    return n;
}

static void hash_text(struct ahead *a, unsigned char digest[SHA256_BYTES],
                      const struct source_record *r)
{
    sha256_add(a->text_hash, r->text, r->text_bytes);
    sha256_end(digest, a->text_hash);
}

static int put_record(void *ctx, const struct source_record *r)
{
    struct ahead *a = ctx;
    struct item *x = next_item(a, room_of(r));
    if (!x)
        return -1;
    struct batch *b = open_batch(a);
    const char **at[11];
    x->r = *r;
    list_strings(&x->r, at);
    for (int i = 0; at[i]; i++)
        if (*at[i])
            *at[i] = keep(b, *at[i], strlen(*at[i]) + 1);
    if (r->text) {
        char *text = keep(b, r->text, r->text_bytes + 1);
        text[r->text_bytes] = 0;
        x->r.text = text;
    }
    if (r->text && r->text_bytes)
        hash_text(a, x->digest, r);
    if (!r->n_pics)
        return 0;
    const char **pics = keep(b, r->pics, (size_t)r->n_pics * sizeof *pics);
    for (int i = 0; i < r->n_pics; i++)
        pics[i] = keep(b, r->pics[i], strlen(r->pics[i]) + 1);
    x->r.pics = pics;
    return 0;
}

static int put_reject(void *ctx, const struct source_reject *r)
{
    struct ahead *a = ctx;
    struct item *x = next_item(a, rounded(sizeof *r));
    if (!x)
        return -1;
    x->reject = keep(open_batch(a), r, sizeof *r);
    return 0;
}

static void *read_thread(void *ctx)
{
    struct ahead *a = ctx;
    struct source_sink sink = {put_record, put_reject, a};
    a->read_rc = source_read(a->file, a->options, &sink, &a->stats, &a->read_err);
    pthread_mutex_lock(&a->lock);
    if (open_batch(a)->n && !a->stop)
        a->filled++;
    a->ended = 1;
    pthread_cond_broadcast(&a->turn);
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

/* ---- the digests of the file ---- */

static int is_stopped(struct ahead *a)
{
    pthread_mutex_lock(&a->lock);
    int stop = a->stop;
    pthread_mutex_unlock(&a->lock);
    return stop;
}

static int hash_file(struct ahead *a, int fd, struct err *e)
{
    struct sha256 *h = sha256_new();
    struct quick *fast = quick_new();
    size_t cap = (size_t)64 << 10;
    char *block = xmalloc(cap);
    ssize_t n;
    while (((n = read(fd, block, cap)) > 0 || (n < 0 && errno == EINTR)) && !is_stopped(a))
        if (n > 0) {
            sha256_add(h, block, (size_t)n);
            quick_add(fast, block, (size_t)n);
        }
    int rc = n < 0 ? err_set(e, "%s: %s", a->file->path, strerror(errno)) : 0;
    sha256_end(a->digests->sha256, h);
    a->digests->quick = quick_end(fast);
    quick_free(fast);
    sha256_free(h);
    free(block);
    return rc;
}

static void *hash_thread(void *ctx)
{
    struct ahead *a = ctx;
    int fd = open(a->file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        a->hash_rc = err_set(&a->hash_err, "%s: %s", a->file->path, strerror(errno));
        return NULL;
    }
    a->hash_rc = hash_file(a, fd, &a->hash_err);
    close(fd);
    return NULL;
}

/* ---- the caller's side ---- */

static int give_batch(const struct batch *b, struct ahead_sink *sink,
                      struct source_stats *stats)
{
    int rc = 0;
    for (int i = 0; i < b->n && rc == 0; i++) {
        const struct item *x = &b->item[i];
        stats->stored_bytes = x->stored_bytes;
        stats->records += !x->reject;
        stats->rejects += x->reject != NULL;
        int hashed = !x->reject && x->r.text && x->r.text_bytes;
        rc = x->reject ? sink->reject(sink->ctx, x->reject)
                       : sink->record(sink->ctx, &x->r, hashed ? x->digest : NULL);
    }
    return rc;
}

static void stop(struct ahead *a)
{
    pthread_mutex_lock(&a->lock);
    a->stop = 1;
    pthread_cond_broadcast(&a->turn);
    pthread_mutex_unlock(&a->lock);
}

/* The next full batch, or NULL after the last one. */
static const struct batch *pop(struct ahead *a)
{
    pthread_mutex_lock(&a->lock);
    while (a->filled == a->emptied && !a->ended)
        pthread_cond_wait(&a->turn, &a->lock);
    const struct batch *b =
        a->filled != a->emptied ? &a->batch[a->emptied % BATCHES] : NULL;
    pthread_mutex_unlock(&a->lock);
    return b;
}

static int give_all(struct ahead *a, struct ahead_sink *sink, struct source_stats *stats)
{
    const struct batch *b;
    while ((b = pop(a)) != NULL) {
        if (give_batch(b, sink, stats) < 0)
            return -1;
        pthread_mutex_lock(&a->lock);
        a->emptied++;
        pthread_cond_broadcast(&a->turn);
        pthread_mutex_unlock(&a->lock);
    }
    return 0;
}

static void start(pthread_t *t, void *(*run)(void *), struct ahead *a)
{
    int rc = pthread_create(t, NULL, run, a);
    if (rc != 0)
        die("no thread: %s", strerror(rc));
}

/* Runs the threads around the sink. -1: the sink stopped it. */
static int run(struct ahead *a, struct ahead_sink *sink, struct source_stats *stats)
{
    pthread_t reader, hasher;
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old); /* inherited by both */
    start(&reader, read_thread, a);
    start(&hasher, hash_thread, a);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    int rc = give_all(a, sink, stats);
    if (rc < 0 || a->read_rc < 0) /* read_rc: the reader has ended */
        stop(a);
    pthread_join(reader, NULL);
    pthread_join(hasher, NULL);
    return rc;
}

int ahead_read(const struct source_file *f, const struct source_options *o,
               struct ahead_sink *sink, struct source_stats *stats,
               struct ahead_digests *digests, struct err *e)
{
    struct ahead *a = xcalloc(1, sizeof *a);
    a->file = f;
    a->options = o;
    a->digests = digests;
    a->text_hash = sha256_new();
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->turn, NULL);
    *stats = (struct source_stats){0};
    int stopped = run(a, sink, stats), rc = 0;
    *stats = a->stats;
    stats->stopped = stopped < 0;
    if (stopped < 0)
        rc = err_set(e, "%s: stopped", f->path);
    else if (a->read_rc < 0)
        rc = err_set(e, "%s", a->read_err.text);
    else if (a->hash_rc < 0)
        rc = err_set(e, "%s", a->hash_err.text);
    for (int i = 0; i < BATCHES; i++)
        free(a->batch[i].block);
    pthread_cond_destroy(&a->turn);
    pthread_mutex_destroy(&a->lock);
    sha256_free(a->text_hash);
    free(a);
    return rc;
}
