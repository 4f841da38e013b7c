/* SPDX-License-Identifier: MIT */
/* stage_loop: three chunks are alive at once. While the workers compute one, this thread
 * stores the one before and reads the one after. */
#include "base/util.h"
#include "db/db.h"
#include "db/stage.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct chunk {
    struct stage_item *item; /* [cap] */
    int n;
    int *group; /* [cap + 1]: first item of each group, then n */
    int groups;
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
    struct chunk *now;   /* what the workers compute */
    atomic_int next;     /* group of now */
    struct worker *worker; /* [opts->threads] */
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

static void *work(void *arg)
{
    struct worker *w = arg;
    struct loop *l = w->loop;
    const struct chunk *c = l->now;
    while (!stage_interrupted()) {
        int g = atomic_fetch_add(&l->next, 1);
        if (g >= c->groups)
            break;
        compute(l, &c->item[c->group[g]], c->group[g + 1] - c->group[g], w->scratch);
    }
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
}

static void start_workers(struct loop *l, struct chunk *c)
{
    make_groups(l, c);
    l->now = c;
    atomic_store(&l->next, 0);
    for (int64_t i = 0; i < l->s->opts->threads; i++)
        if (pthread_create(&l->worker[i].thread, NULL, work, &l->worker[i]) != 0)
            die("cannot start a thread");
}

static void join_workers(struct loop *l)
{
    struct chunk *c = l->now;
    for (int64_t i = 0; i < l->s->opts->threads; i++)
        pthread_join(l->worker[i].thread, NULL);
    int taken = atomic_load(&l->next);
    if (taken < c->groups) { /* interrupted: what nobody took is not stored */
        for (int i = c->group[taken]; i < c->n; i++)
            l->t->release(l->ctx, &c->item[i]);
        c->n = c->group[taken];
    }
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

static void workers_new(struct loop *l)
{
    l->worker = xcalloc((size_t)l->s->opts->threads, sizeof *l->worker);
    for (int64_t i = 0; i < l->s->opts->threads; i++) {
        l->worker[i].loop = l;
        if (l->t->scratch_new)
            l->worker[i].scratch = l->t->scratch_new(l->ctx);
    }
}

static void workers_free(struct loop *l)
{
    for (int64_t i = 0; i < l->s->opts->threads; i++)
        if (l->t->scratch_free)
            l->t->scratch_free(l->ctx, l->worker[i].scratch);
    free(l->worker);
}

void stage_loop(struct stage *s, const struct stage_task *t, void *ctx)
{
    int64_t total = count(s, t, ctx);
    if (s->opts->plan || total == 0)
        return;
    struct loop l = {.s = s, .t = t, .ctx = ctx};
    struct chunk ring[3] = {{0}};
    for (int i = 0; i < 3; i++) {
        ring[i].item = xcalloc((size_t)t->chunk, sizeof *ring[i].item);
        ring[i].group = xcalloc((size_t)t->chunk + 1, sizeof *ring[i].group);
    }
    workers_new(&l);
    progress_start(&l.p, t->what, s->left >= 0 && s->left < total ? s->left : total);
    struct chunk *before = &ring[0], *now = &ring[1], *ahead = &ring[2];
    read_chunk(&l, now);
    while (now->n > 0) {
        start_workers(&l, now);
        store_chunk(&l, before);
        read_chunk(&l, ahead);
        join_workers(&l);
        struct chunk *t3 = before;
        before = now;
        now = ahead;
        ahead = t3;
    }
    store_chunk(&l, before);
    progress_end(&l.p);
    workers_free(&l);
    for (int i = 0; i < 3; i++) {
        free(ring[i].item);
        free(ring[i].group);
    }
    buf_release(&l.name);
}
