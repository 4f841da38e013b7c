/* SPDX-License-Identifier: MIT */
/* stage_loop: three chunks are alive at once. While the workers compute one, and begin the one
 * behind it as soon as the first has no group left to take, this thread reads and stores. So
 * nobody waits at the end of a chunk, and chunks, which are transactions, can be short. */
#include "base/util.h"
#include "db/db.h"
#include "db/stage.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct chunk {
    struct stage_item *item; /* [cap] */
    int n;
    int *group; /* [cap + 1]: first item of each group, then n */
    int groups, taken, done; /* of them */
};

struct loop;

struct worker {
    struct loop *loop;
    pthread_t thread;
    void *scratch;
};

struct loop {
    struct stage *s;
    const struct stage_task *t;
    void *ctx;
    pthread_mutex_t lock;  /* of taken, done, chunk and last */
    pthread_cond_t work, finished;
    struct chunk *chunk[2]; /* what the workers compute, in order; NULL: nothing */
    int last;               /* no more will come */
    struct worker *worker; /* [workers] */
    int64_t workers;
    int64_t after;
    struct buf name;
    struct progress p;
};

static void compute(struct loop *l, struct stage_item *item, int n, void *scratch)
{
    if (l->t->compute_group) {
        l->t->compute_group(l->ctx, item, n, scratch);
        return;
    }
    for (int i = 0; i < n; i++)
        item[i].failed = l->t->compute(l->ctx, &item[i]) < 0;
}

/* The next group, in order; NULL: there will be none. Holds the lock. */
static struct chunk *take(struct loop *l, int *group)
{
    for (;;) {
        for (int i = 0; i < 2 && !stage_interrupted(); i++)
            if (l->chunk[i] && l->chunk[i]->taken < l->chunk[i]->groups) {
                *group = l->chunk[i]->taken++;
                return l->chunk[i];
            }
        if (l->last || stage_interrupted())
            return NULL;
        pthread_cond_wait(&l->work, &l->lock);
    }
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct loop *l = w->loop;
    struct chunk *c;
    int g;
    pthread_mutex_lock(&l->lock);
    while ((c = take(l, &g)) != NULL) {
        pthread_mutex_unlock(&l->lock);
        compute(l, &c->item[c->group[g]], c->group[g + 1] - c->group[g], w->scratch);
        pthread_mutex_lock(&l->lock);
        c->done++;
        pthread_cond_signal(&l->finished);
    }
    pthread_cond_signal(&l->finished); /* interrupted: nobody takes the rest */
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

/* Without costs every item is a group of its own. */
static void make_groups(struct loop *l, struct chunk *c)
{
    int64_t cost = 0;
    c->groups = 0;
    for (int i = 0; i < c->n; i++) {
        if (cost == 0)
            c->group[c->groups++] = i;
        cost += l->t->cost ? l->t->cost(l->ctx, &c->item[i]) + 1 : l->t->group_cost + 1;
        if (cost > l->t->group_cost)
            cost = 0;
    }
    c->group[c->groups] = c->n;
    c->taken = c->done = 0;
}

/* Gives the workers one more chunk, or word that it was the last. */
static void give(struct loop *l, struct chunk *c)
{
    make_groups(l, c);
    pthread_mutex_lock(&l->lock);
    if (c->n > 0)
        l->chunk[l->chunk[0] != NULL] = c;
    else
        l->last = 1;
    pthread_cond_broadcast(&l->work);
    pthread_mutex_unlock(&l->lock);
}

/* Waits for the first chunk; what an interruption left untaken is released. */
static struct chunk *receive(struct loop *l)
{
    pthread_mutex_lock(&l->lock);
    struct chunk *c = l->chunk[0];
    while (c && c->done < c->groups && !(stage_interrupted() && c->done == c->taken))
        pthread_cond_wait(&l->finished, &l->lock);
    l->chunk[0] = l->chunk[1];
    l->chunk[1] = NULL;
    pthread_mutex_unlock(&l->lock);
    if (c && c->taken < c->groups) {
        for (int i = c->group[c->taken]; i < c->n; i++)
            l->t->release(l->ctx, &c->item[i]);
        c->n = c->group[c->taken];
    }
    return c;
}

static void read_chunk(struct loop *l, struct chunk *c)
{
    const struct stage_task *t = l->t;
    int64_t want = t->chunk;
    c->n = 0;
    if (l->s->left >= 0 && l->s->left < want)
        want = l->s->left;
    if (want == 0 || stage_interrupted()) {
        l->s->cut |= want == 0;
        return;
    }
    sqlite3_stmt *q = db_use(l->s->db, t->sql_pending);
    db_int(q, ":after", l->after);
    db_int(q, ":chunk", want);
    if (t->bind)
        t->bind(l->ctx, q);
    while (c->n < want && db_step(q)) {
        struct stage_item *it = &c->item[c->n++];
        *it = (struct stage_item){.id = sqlite3_column_int64(q, 0)};
        l->after = it->id;
        t->load(l->ctx, it, q);
    }
    sqlite3_reset(q);
    if (l->s->left >= 0)
        l->s->left -= c->n;
}

static void store_chunk(struct loop *l, struct chunk *c)
{
    const struct stage_task *t = l->t;
    if (c->n == 0)
        return;
    db_begin(l->s->db);
    for (int i = 0; i < c->n; i++) {
        struct stage_item *it = &c->item[i];
        if (it->left) {
            t->release(l->ctx, it);
            continue;
        }
        buf_clear(&l->name);
        t->label(l->ctx, it, &l->name);
        if (it->failed)
            stage_fail(l->s, buf_str(&l->name), it->err.text, it->permanent);
        else {
            t->store(l->ctx, it);
            stage_unfail(l->s, buf_str(&l->name));
            l->s->done++;
        }
        t->release(l->ctx, it);
    }
    db_commit(l->s->db);
    progress_set(&l->p, l->p.done + c->n);
    c->n = 0;
}

/* Counts what is pending; with --plan prints it by reason. */
static int64_t count(struct stage *s, const struct stage_task *t, void *ctx)
{
    int64_t total = 0;
    sqlite3_stmt *q = db_use(s->db, t->sql_count);
    if (t->bind)
        t->bind(ctx, q);
    while (db_step(q)) {
        int64_t rows = sqlite3_column_int64(q, 1);
        if (s->opts->plan)
            stage_plan(s, t->what, rows, db_col_text(q, 0));
        total += rows;
    }
    return total;
}

static void start_workers(struct loop *l)
{
    l->workers = l->t->alone ? 1 : l->s->opts->threads;
    l->worker = xcalloc((size_t)l->workers, sizeof *l->worker);
    for (int64_t i = 0; i < l->workers; i++) {
        l->worker[i].loop = l;
        if (l->t->scratch_new)
            l->worker[i].scratch = l->t->scratch_new(l->ctx);
        if (pthread_create(&l->worker[i].thread, NULL, work, &l->worker[i]) != 0)
            die("cannot start a thread");
    }
}

static void join_workers(struct loop *l)
{
    for (int64_t i = 0; i < l->workers; i++) {
        pthread_join(l->worker[i].thread, NULL);
        if (l->t->scratch_free)
            l->t->scratch_free(l->ctx, l->worker[i].scratch);
    }
    free(l->worker);
}

static void run(struct loop *l, struct chunk *ring)
{
    struct chunk *c;
    int next = 2;
    for (int i = 0; i < 2; i++) {
        read_chunk(l, &ring[i]);
        give(l, &ring[i]);
    }
    while ((c = receive(l)) != NULL) {
        read_chunk(l, &ring[next]);
        give(l, &ring[next]);
        store_chunk(l, c);
        next = (next + 1) % 3;
    }
}

void stage_loop(struct stage *s, const struct stage_task *t, void *ctx)
{
    int64_t total = count(s, t, ctx);
    if (s->opts->plan || total == 0)
        return;
    struct loop l = {.s = s, .t = t, .ctx = ctx, .lock = PTHREAD_MUTEX_INITIALIZER,
                     .work = PTHREAD_COND_INITIALIZER, .finished = PTHREAD_COND_INITIALIZER};
    struct chunk ring[3] = {{0}};
    for (int i = 0; i < 3; i++) {
        ring[i].item = xcalloc((size_t)t->chunk, sizeof *ring[i].item);
        ring[i].group = xcalloc((size_t)t->chunk + 1, sizeof *ring[i].group);
    }
    start_workers(&l);
    progress_start(&l.p, t->what, s->left >= 0 && s->left < total ? s->left : total);
    run(&l, ring);
    join_workers(&l);
    progress_end(&l.p);
    for (int i = 0; i < 3; i++) {
        free(ring[i].item);
        free(ring[i].group);
    }
    buf_release(&l.name);
}
