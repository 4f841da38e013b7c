/* SPDX-License-Identifier: MIT */
#include "base/team.h"
#include "base/util.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* Looks at a counter before a thread lies down, some 20 microseconds: a step of a decoder takes
 * a few hundred, and waking a thread costs 50. */
#define SPINS 4000

struct member {
    struct team *team;
    pthread_t id;
    int thread;
};

struct team {
    int threads, spins;
    struct member *member; /* [threads - 1] */
    void (*piece)(void *ctx, int i, int thread);
    void *ctx;
    int n;
    atomic_int next;   /* the piece that is taken next */
    atomic_int busy;   /* members that have not finished this job */
    atomic_uint job;   /* counts jobs; changes when there is one */
    atomic_int quit;
    pthread_mutex_t lock;
    pthread_cond_t news, idle;
};

static void take_pieces(struct team *t, int thread)
{
    for (int i; (i = atomic_fetch_add_explicit(&t->next, 1, memory_order_relaxed)) < t->n;)
        t->piece(t->ctx, i, thread);
}

static inline void pause_a_moment(void)
{
#ifdef __x86_64__
    __builtin_ia32_pause();
#endif
}

/* Until the number of the job is another one than last. */
static unsigned await_job(struct team *t, unsigned last)
{
    unsigned now = atomic_load_explicit(&t->job, memory_order_acquire);
    for (int i = 0; i < t->spins && now == last; i++) {
        pause_a_moment();
        now = atomic_load_explicit(&t->job, memory_order_acquire);
    }
    if (now != last)
        return now;
    pthread_mutex_lock(&t->lock);
    while ((now = atomic_load_explicit(&t->job, memory_order_acquire)) == last)
        pthread_cond_wait(&t->news, &t->lock);
    pthread_mutex_unlock(&t->lock);
    return now;
}

static void *work(void *arg)
{
    struct member *m = arg;
    struct team *t = m->team;
    unsigned job = 0;
    for (;;) {
        job = await_job(t, job);
        if (atomic_load(&t->quit))
            return NULL;
        take_pieces(t, m->thread);
        if (atomic_fetch_sub_explicit(&t->busy, 1, memory_order_acq_rel) == 1) {
            pthread_mutex_lock(&t->lock);
            pthread_cond_signal(&t->idle);
            pthread_mutex_unlock(&t->lock);
        }
    }
}

struct team *team_new(int threads)
{
    struct team *t = xcalloc(1, sizeof *t);
    t->threads = threads;
    t->spins = threads <= cpu_count() ? SPINS : 0;
    t->member = xcalloc((size_t)threads, sizeof *t->member);
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->news, NULL);
    pthread_cond_init(&t->idle, NULL);
    for (int i = 0; i < threads - 1; i++) {
        t->member[i] = (struct member){.team = t, .thread = i + 1};
        if (pthread_create(&t->member[i].id, NULL, work, &t->member[i]) != 0)
            die("cannot start a thread");
    }
    return t;
}

int team_threads(const struct team *t)
{
    return t->threads;
}

static void announce(struct team *t)
{
    pthread_mutex_lock(&t->lock);
    atomic_fetch_add_explicit(&t->job, 1, memory_order_release);
    pthread_cond_broadcast(&t->news);
    pthread_mutex_unlock(&t->lock);
}

static void await_members(struct team *t)
{
    for (int i = 0; i < t->spins; i++) {
        if (atomic_load_explicit(&t->busy, memory_order_acquire) == 0)
            return;
        pause_a_moment();
    }
    pthread_mutex_lock(&t->lock);
    while (atomic_load_explicit(&t->busy, memory_order_acquire) > 0)
        pthread_cond_wait(&t->idle, &t->lock);
    pthread_mutex_unlock(&t->lock);
}

void team_run(struct team *t, void (*piece)(void *ctx, int i, int thread), void *ctx, int n)
{
    t->piece = piece;
    t->ctx = ctx;
    t->n = n;
    atomic_store_explicit(&t->next, 0, memory_order_relaxed);
    if (n > 1 && t->threads > 1) {
        atomic_store_explicit(&t->busy, t->threads - 1, memory_order_relaxed);
        announce(t);
    }
    take_pieces(t, 0);
    if (n > 1 && t->threads > 1)
        await_members(t);
}

void team_free(struct team *t)
{
    if (!t)
        return;
    atomic_store(&t->quit, 1);
    announce(t);
    for (int i = 0; i < t->threads - 1; i++)
        pthread_join(t->member[i].id, NULL);
    pthread_mutex_destroy(&t->lock);
    pthread_cond_destroy(&t->news);
    pthread_cond_destroy(&t->idle);
    free(t->member);
    free(t);
}
