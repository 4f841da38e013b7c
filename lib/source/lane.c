/* SPDX-License-Identifier: MIT */
#include "source/lane.h"
#include "base/util.h"
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct lane {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t turn;
    /* under the lock: */
    void (*job)(void *); /* NULL: idle */
    void *ctx;
    int ended;
};

static void *work(void *arg)
{
    struct lane *l = arg;
    pthread_mutex_lock(&l->lock);
    for (;;) {
        while (!l->job && !l->ended)
            pthread_cond_wait(&l->turn, &l->lock);
        if (!l->job)
            break;
        pthread_mutex_unlock(&l->lock);
        l->job(l->ctx); /* the owner leaves both alone until the job is done */
        pthread_mutex_lock(&l->lock);
        l->job = NULL;
        pthread_cond_broadcast(&l->turn);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

struct lane *lane_new(void)
{
    struct lane *l = xcalloc(1, sizeof *l);
    sigset_t all, old;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->turn, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old); /* inherited */
    int rc = pthread_create(&l->thread, NULL, work, l);
    if (rc != 0)
        die("no thread: %s", strerror(rc));
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return l;
}

void lane_wait(struct lane *l)
{
    pthread_mutex_lock(&l->lock);
    while (l->job)
        pthread_cond_wait(&l->turn, &l->lock);
    pthread_mutex_unlock(&l->lock);
}

void lane_run(struct lane *l, void (*job)(void *), void *ctx)
{
    lane_wait(l);
    pthread_mutex_lock(&l->lock);
    l->job = job;
    l->ctx = ctx;
    pthread_cond_broadcast(&l->turn);
    pthread_mutex_unlock(&l->lock);
}

void lane_free(struct lane *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->lock);
    l->ended = 1;
    pthread_cond_broadcast(&l->turn);
    pthread_mutex_unlock(&l->lock);
    pthread_join(l->thread, NULL);
    pthread_cond_destroy(&l->turn);
    pthread_mutex_destroy(&l->lock);
    free(l);
}
