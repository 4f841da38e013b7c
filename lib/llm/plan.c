/* SPDX-License-Identifier: MIT */
#include "llm/plan.h"
#include "base/util.h"
#include "db/db.h"
#include "llm/chat.h"
#include "llm/sets.h"
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct seen {
    unsigned char digest[SHA256_BYTES];
    UT_hash_handle hh;
};

struct estimate {
    int64_t calls, cached, bytes, full_bytes, full_sets;
    struct seen *seen; /* requests that were counted */
};

/* 1: the first time; equal sets ask once. */
static int first_time(struct estimate *x, const unsigned char *digest)
{
    struct seen *f;
    HASH_FIND(hh, x->seen, digest, SHA256_BYTES, f);
    if (f)
        return 0;
    f = xcalloc(1, sizeof *f);
    memcpy(f->digest, digest, SHA256_BYTES);
    HASH_ADD(hh, x->seen, digest, SHA256_BYTES, f);
    return 1;
}

static int64_t unknown_merges(const struct ask_node *n)
{
    int64_t all = n->part == LEDGER_MERGE && n->request.len == 0;
    for (int i = 0; i < n->n_child; i++)
        all += unknown_merges(n->child[i]);
    return all;
}

static size_t system_bytes(const struct ask *a)
{
    return a->prompt->system ? strlen(a->prompt->system) : 0;
}

static void count_ask(struct estimate *x, struct ask *a, struct db *db, struct buf *message)
{
    struct ask_wanted w = {0};
    enum ask_state st = ask_advance(a, db, &w);
    for (int i = 0; i < w.n; i++) {
        if (!first_time(x, w.node[i]->digest))
            continue;
        buf_clear(message);
        ask_message(message, w.node[i]);
        x->calls++;
        x->bytes += (int64_t)(message->len + system_bytes(a));
    }
    int requests = ask_requests(a);
    int64_t unknown = st == ASK_WAITING ? unknown_merges(a->root) : 0;
    x->calls += unknown;
    x->bytes += unknown * 2000;
    x->cached += requests - w.n - unknown;
    ask_wanted_release(&w);
}

static void count_item(struct estimate *x, const struct drive_task *t, void *ctx, struct db *db,
                       sqlite3_stmt *row, struct buf *message)
{
    struct stage_item item = {.id = sqlite3_column_int64(row, 0)};
    struct ask *ask[DRIVE_QUESTIONS];
    t->stage->load(ctx, &item, row);
    int n = t->questions(ctx, &item, ask);
    int full = sqlite3_column_count(row) > 3 && sqlite3_column_int(row, 3) == -1;
    for (int i = 0; i < n; i++) {
        count_ask(x, ask[i], db, message);
        x->full_bytes += full ? (int64_t)(ask[i]->bytes + strlen(ask[i]->prompt->reviews) +
                                          system_bytes(ask[i])) : 0;
        x->full_sets += full;
    }
    t->stage->release(ctx, &item);
}

/* Goes through all that is pending, a chunk at a time. */
static void count_all(struct estimate *x, const struct stage *s, const struct drive_task *t,
                      void *ctx)
{
    struct buf message = {0};
    int64_t after = 0, left = s->left;
    for (int n = 1; n > 0 && left != 0;) {
        sqlite3_stmt *q = db_use(s->db, t->stage->sql_pending);
        db_int(q, ":after", after);
        db_int(q, ":chunk", left > 0 && left < 256 ? left : 256);
        t->stage->bind(ctx, q);
        for (n = 0; db_step(q); n++) {
            after = sqlite3_column_int64(q, 0);
            count_item(x, t, ctx, s->db, q, &message);
        }
        sqlite3_reset(q);
        left -= left > 0 ? n : 0;
    }
    buf_release(&message);
}

static void forget(struct estimate *x)
{
    struct seen *f, *next;
    HASH_ITER (hh, x->seen, f, next) {
        HASH_DEL(x->seen, f);
        free(f);
    }
}

/* The slowest of what limits: the given rates, or the latency at so many at once. */
static double minutes(const struct estimate *x, const struct client *c, double tokens,
                      double latency_s)
{
    const struct service_options *s = &c->options.service;
    double m = (double)x->calls * latency_s / s->concurrency / 60;
    if (s->rpm > 0 && (double)x->calls / s->rpm > m)
        m = (double)x->calls / s->rpm;
    if (s->tpm > 0 && tokens / s->tpm > m)
        m = tokens / s->tpm;
    return m;
}

static void print(const struct estimate *x, const struct stage *s, const struct client *c)
{
    struct ledger_rate r;
    int64_t seen = ledger_rate(s->db, c->model, &r);
    double in = (double)x->bytes * r.in_per_byte;
    double out = (double)x->calls * r.out, full;
    printf("%s\tcalls\t%lld\t%s: about %.0f tokens in, %.0f out (%s)", s->def->name,
           (long long)x->calls, c->model, in, out,
           seen ? "by what its answers so far took" : "nothing of it was seen yet");
    if (c->priced)
        printf("; $%.4f", c->factor * (in * c->options.price.in + out * c->options.price.out));
    if (c->priced && c->options.cap >= 0)
        printf(" of BUDGET $%.4f, $%.4f gone", c->options.cap, c->spent);
    if (r.latency_s > 0 || c->options.service.rpm > 0 || c->options.service.tpm > 0)
        printf("; %.1f min at %d at once", minutes(x, c, in + out, r.latency_s),
               c->options.service.concurrency);
    if (x->cached)
        printf("; %lld known already", (long long)x->cached);
    full = (double)x->full_bytes * r.in_per_byte + (double)x->full_sets * r.out;
    if (full > 0)
        printf("; %.2f times a single pass without folds", (in + out) / full);
    printf("\n");
}

void plan_asking(struct stage *s, const struct drive_task *t, void *ctx, const struct client *c)
{
    struct estimate x = {0};
    sqlite3_stmt *q = db_use(s->db, t->stage->sql_count);
    t->stage->bind(ctx, q);
    while (db_step(q))
        stage_plan(s, t->stage->what, sqlite3_column_int64(q, 1), db_col_text(q, 0));
    if (s->pending == 0)
        return;
    count_all(&x, s, t, ctx);
    print(&x, s, c);
    forget(&x);
}

/* ---- one item ---- */

static int find_set(struct db *db, const char *item, sqlite3_stmt **row)
{
    static const char sql_set[] =
        "SELECT v.id, v.kind, v.entity_id, v.fold, v.text_digest, 7 FROM visible v\n"
        "LEFT JOIN user u ON v.kind = 'user' AND u.id = v.entity_id\n"
        "LEFT JOIN business b ON v.kind = 'business' AND b.id = v.entity_id\n"
        "WHERE v.kind = :kind AND v.fold = -1 AND coalesce(u.key, b.key) = :key";
    const char *colon = strchr(item, ':');
    if (!colon)
        return -1;
    char *kind = xasprintf("%.*s", (int)(colon - item), item);
    sqlite3_stmt *q = *row = db_use(db, sql_set);
    db_text(q, ":kind", kind);
    db_text(q, ":key", colon + 1);
    int found = db_step(q);
    free(kind);
    return found;
}

static void show_node(const struct ask_node *n, const struct client *c)
{
    struct buf message = {0}, body = {0};
    const struct prompt *p = n->ask->prompt;
    for (int i = 0; i < n->n_child; i++)
        show_node(n->child[i], c);
    if (n->part == LEDGER_MERGE)
        return; /* it will hold what the parts are answered */
    ask_message(&message, n);
    struct service_request r = {.system = p->system, .user = buf_str(&message),
                                .schema = p->schema, .schema_name = p->schema_name,
                                .max_tokens = p->max_tokens};
    chat_write_request(&body, c->model, &r, 0);
    printf("%s\n", buf_str(&body));
    buf_release(&message);
    buf_release(&body);
}

static void show_set(struct db *db, sqlite3_stmt *row, const struct client *c)
{
    struct set *w = set_load(db, row, 0);
    struct ask_set set = {w->text, w->n, set_by_fold(db, w, 0)};
    int n = w->kind == LLM_USER ? 1 : c->prompts.n_business;
    for (int i = 0; i < n && w->n > 0; i++) {
        struct ask *a = ask_new(w->kind == LLM_USER ? &c->prompts.user : &c->prompts.business[i],
                                &set, &c->limits);
        show_node(a->root, c);
        ask_free(a);
    }
    if (w->n == 0)
        warn("nothing of it is visible: no text in the training split");
    set_free(w);
}

int plan_show(struct db *db, const char *item, const struct client_opts *co)
{
    struct client c;
    struct err e;
    struct client_opts with = *co;
    sqlite3_stmt *row;
    if (!with.model) {
        char *model = db_setting(db, "LLM_MODEL");
        if (!model || !*model)
            with.model = "MODEL"; /* a look at the words needs no service */
        free(model);
    }
    if (client_open(&c, db, &with, CLIENT_SUMMARIES, 0, &e) < 0)
        die_usage("%s", e.text);
    int found = find_set(db, item, &row);
    if (found < 0)
        die_usage("--show-prompt takes user:KEY or business:KEY, got '%s'", item);
    if (found)
        show_set(db, row, &c);
    else
        warn("%s: no such user or business; keys are in tables user and business", item);
    client_close(&c);
    return found ? EXIT_DONE : EXIT_FAILED;
}

void plan_spent(struct buf *note, struct db *db, const struct client *c)
{
    static const char sql_rows[] = "SELECT count(*) FROM llm_answer";
    buf_addf(note, "; %lld answers in the ledger", (long long)db_one_int(db_use(db, sql_rows), 0));
    if (c->priced)
        buf_addf(note, ", $%.4f of $%.4f gone", budget_spent(db), c->options.cap);
}
