/* SPDX-License-Identifier: MIT */
/* mm-llm-summarize: a summary of every visible set of reviews, and for businesses the price
 * tag and the categories. What a worker read is recorded in table reading. */
#include "base/buf.h"
#include "base/embed.h"
#include "base/opts.h"
#include "base/sha256.h"
#include "base/util.h"
#include "db/db.h"
#include "db/method.h"
#include "db/pilot.h"
#include "db/setting.h"
#include "db/stage.h"
#include "llm/backend.h"
#include "llm/client.h"
#include "llm/drive.h"
#include "llm/exchange.h"
#include "llm/plan.h"
#include "llm/sets.h"
#include <stdlib.h>
#include <string.h>

static const struct opts_about about = {
    "mm-llm-summarize", "[options]",
    "Summarises the visible reviews of every user and business; tags price and categories."};

enum { TASKS = 3 }; /* summary, price, categories: bit i of llm/prompt.h */

struct job {
    struct db *db;
    const struct backend *backend;
    void *self;               /* of a backend that computes */
    struct client client;     /* of one that asks */
    int64_t method[TASKS];
    char recipe[TASKS + 1][17]; /* of businesses' tasks, then of users' summary; "": none */
    char *who;                /* behind the set in failure.item: "", " gpt-4o-mini@1f3c" */
    int by_time;              /* fold k sees only folds before k */
};

struct work {
    struct set *set;
    struct llm_text *text;     /* for a backend that computes */
    struct llm_result out;
    struct ask *ask[DRIVE_QUESTIONS]; /* for one that asks */
    int n_ask;
};

/* What of a set is missing or no longer what it would be made from now. */
#define NEEDS \
    "((s.set_digest IS NOT v.text_digest OR s.recipe IS NOT CASE v.kind WHEN 'user'\n" \
    "THEN :user_recipe ELSE :summary_recipe END) + 2 * (v.kind = 'business' AND\n" \
    "(p.set_digest IS NOT v.text_digest OR p.recipe IS NOT :price_recipe))\n" \
    "+ 4 * (v.kind = 'business' AND (c.set_digest IS NOT v.text_digest\n" \
    "OR c.recipe IS NOT :category_recipe)))"
#define FROM_SETS \
    "FROM visible v LEFT JOIN summary s ON s.visible_id = v.id AND s.method_id = :method\n" \
    "LEFT JOIN price_tag p ON p.visible_id = v.id AND p.method_id = :price\n" \
    "LEFT JOIN category c ON c.visible_id = v.id AND c.method_id = :category\n" \
    "AND c.position = 0 WHERE v.n_text > 0 AND " NEEDS " <> 0\n" \
    "AND " PILOT_SQL("v.kind", "v.entity_id") "\n" \
    "AND NOT EXISTS (SELECT 1 FROM failure f WHERE f.stage = 'summarize'\n" \
    "AND f.item = 'set ' || v.id || ' ' || hex(v.text_digest) || :who\n" \
    "AND (f.permanent = 1 OR f.attempts >= 3))\n"

static const char sql_count[] =
    "SELECT CASE WHEN s.id IS NULL THEN 'new' WHEN s.set_digest IS NOT v.text_digest\n"
    "THEN 'its reviews changed' ELSE 'the prompt or its limits changed' END, count(*)\n"
    FROM_SETS "GROUP BY 1";

static const char sql_pending[] =
    "SELECT v.id, v.kind, v.entity_id, v.fold, v.text_digest, " NEEDS "\n"
    FROM_SETS "AND v.id > :after ORDER BY v.id LIMIT :chunk";

static const char *recipe(const struct job *j, int i)
{
    return j->recipe[i][0] ? j->recipe[i] : NULL;
}

static void bind(void *ctx, sqlite3_stmt *q)
{
    struct job *j = ctx;
    db_int(q, ":method", j->method[0]);
    db_int(q, ":price", j->method[1]);
    db_int(q, ":category", j->method[2]);
    db_text(q, ":summary_recipe", recipe(j, 0));
    db_text(q, ":price_recipe", recipe(j, 1));
    db_text(q, ":category_recipe", recipe(j, 2));
    db_text(q, ":user_recipe", recipe(j, TASKS));
    db_text(q, ":who", j->who);
}

static void load(void *ctx, struct stage_item *item, sqlite3_stmt *row)
{
    struct job *j = ctx;
    struct work *w = xcalloc(1, sizeof *w);
    item->data = w;
    w->set = set_load(j->db, row, j->by_time);
}

/* ---- a backend that computes ---- */

static int compute(void *ctx, struct stage_item *item)
{
    struct job *j = ctx;
    struct work *w = item->data;
    w->text = xcalloc((size_t)w->set->n, sizeof *w->text);
    for (int i = 0; i < w->set->n; i++)
        w->text[i] = (struct llm_text){w->set->text[i].text, w->set->text[i].bytes};
    item->permanent = j->backend->permanent;
    return j->backend->run(&w->out, j->self, w->text, w->set->n, w->set->kind, &item->err);
}

static void put(struct job *j, const struct work *w, int wants, const struct llm_result *r,
                const struct set_from *from)
{
    if (wants & PROMPT_SUMMARY) {
        set_put_reading(j->db, w->set, j->method[0]);
        set_put_summary(j->db, w->set, j->method[0], r, from);
    }
    if (wants & PROMPT_PRICE && w->set->kind == LLM_BUSINESS)
        set_put_price(j->db, w->set, j->method[1], r, from);
    if (wants & PROMPT_CATEGORIES && w->set->kind == LLM_BUSINESS)
        set_put_categories(j->db, w->set, j->method[2], r, from);
}

static void store_computed(void *ctx, struct stage_item *item)
{
    struct work *w = item->data;
    put(ctx, w, PROMPT_SUMMARY | PROMPT_PRICE | PROMPT_CATEGORIES, &w->out, &(struct set_from){0});
}

/* ---- one that asks ---- */

static int questions(void *ctx, const struct stage_item *item, struct ask **out)
{
    struct job *j = ctx;
    struct work *w = item->data;
    const struct prompts *p = &j->client.prompts;
    struct ask_set set = {w->set->text, w->set->n, set_by_fold(j->db, w->set, j->by_time)};
    if (w->set->kind == LLM_USER) {
        w->ask[w->n_ask++] = ask_new(&p->user, &set, &j->client.limits);
    } else {
        for (int i = 0; i < p->n_business; i++)
            if (p->business[i].wants & w->set->needs)
                w->ask[w->n_ask++] = ask_new(&p->business[i], &set, &j->client.limits);
    }
    memcpy(out, w->ask, sizeof w->ask);
    return w->n_ask;
}

static void store_asked(void *ctx, struct stage_item *item)
{
    struct job *j = ctx;
    struct work *w = item->data;
    for (int i = 0; i < w->n_ask; i++) {
        const struct llm_result *r = ask_result(w->ask[i]);
        char made[17];
        client_recipe(made, &j->client, w->ask[i]->prompt);
        if (r)
            put(j, w, w->ask[i]->prompt->wants, r,
                &(struct set_from){w->ask[i]->root->answer_id, made});
    }
}

static void label(void *ctx, const struct stage_item *item, struct buf *name)
{
    const struct work *w = item->data;
    buf_adds(name, buf_str(&w->set->label));
    buf_adds(name, ((const struct job *)ctx)->who);
}

static void release(void *ctx, struct stage_item *item)
{
    struct work *w = item->data;
    (void)ctx;
    for (int i = 0; i < w->n_ask; i++)
        ask_free(w->ask[i]);
    llm_result_release(&w->out);
    set_free(w->set);
    free(w->text);
    free(w);
}

static const struct stage_task computing = {
    .what = "summaries", .sql_count = sql_count, .sql_pending = sql_pending, .chunk = 256,
    .load = load, .compute = compute, .store = store_computed, .label = label,
    .release = release, .bind = bind};
static const struct stage_task asking = {
    .what = "summaries", .sql_count = sql_count, .sql_pending = sql_pending, .chunk = 256,
    .load = load, .store = store_asked, .label = label, .release = release, .bind = bind};
static const struct drive_task driving = {&asking, questions, NULL};

/* ---- methods and recipes ---- */

/* The digest of the word list behind a built-in task is part of the method's identity. */
static void methods_computing(struct job *j, int plan)
{
    const struct backend *b = j->backend;
    for (int i = 0; i < TASKS; i++) {
        const struct embed_file *f = embed_find(b->inputs[i]);
        unsigned char digest[SHA256_BYTES];
        char hex[SHA256_HEX];
        sha256_of(digest, f->text, f->bytes);
        sha256_hex(hex, digest);
        char *params = xasprintf("{\"input\":\"%.16s\"}", hex);
        j->method[i] = method_id(j->db, &(struct method){backend_tasks[i], b->name, b->version,
                                                         params, 0, b->note}, plan);
        free(params);
    }
}

/* A model is a method whichever way its answers come; the prompts are recipes of its rows, so
 * that an edited prompt makes just its own rows anew. */
static void methods_asking(struct job *j, int plan)
{
    const struct prompts *p = &j->client.prompts;
    char *note = xasprintf("the language model %s, %s prompts", j->client.model, j->client.which);
    for (int i = 0; i < TASKS; i++)
        j->method[i] = method_id(j->db, &(struct method){backend_tasks[i], j->client.name, 1,
                                                         "{\"kind\":\"chat\"}", 0, note}, plan);
    for (int i = 0; i < p->n_business; i++)
        for (int t = 0; t < TASKS; t++)
            if (p->business[i].wants & 1 << t)
                client_recipe(j->recipe[t], &j->client, &p->business[i]);
    client_recipe(j->recipe[TASKS], &j->client, &p->user);
    unsigned char digest[SHA256_BYTES];
    char hex[SHA256_HEX];
    sha256_of(digest, j->recipe, sizeof j->recipe);
    sha256_hex(hex, digest);
    j->who = xasprintf(" %s%s@%.8s", j->backend->sends ? "" : "replay ", j->client.name, hex);
    free(note);
}

/* Failures of another backend, model or prompt say nothing of this one. A replay may have been
 * given the answers since. */
static void drop_failures(struct job *j)
{
    static const char sql_drop[] =
        "DELETE FROM failure WHERE stage = 'summarize' AND (:all OR item <>\n"
        "substr(item, 1, instr(substr(item, 5), ' ') + 4 + 64) || :who)";
    db_begin(j->db);
    sqlite3_stmt *q = db_use(j->db, sql_drop);
    db_int(q, ":all", j->backend->transport == &transport_replay);
    db_text(q, ":who", j->who);
    db_run(q);
    db_commit(j->db);
}

/* ---- runs ---- */

static void run_computing(struct job *j, struct stage *s)
{
    struct err e;
    if (!(j->self = j->backend->open(&e)))
        die("%s", e.text);
    stage_loop(s, &computing, j);
    buf_addf(&s->note, "%s summaries (%s)", j->backend->name, j->backend->note);
    j->backend->close(j->self);
}

static void run_asking(struct job *j, struct stage *s)
{
    struct drive d = {.transport = j->backend->transport, .options = &j->client.options};
    if (s->opts->plan) {
        plan_asking(s, &driving, j, &j->client);
        return;
    }
    drive_loop(s, &driving, j, &d);
    buf_addf(&s->note, "summaries of %s", j->client.name);
    plan_spent(&s->note, j->db, &j->client);
    if (d.note.len)
        buf_addf(&s->note, "; learnt: %s", buf_str(&d.note));
    buf_release(&d.note);
}

/* backend and pilot: as given, also with --plan, which remembers nothing. */
static int run(struct db *db, const struct opts *o, const struct client_opts *co,
               const char *backend, int64_t pilot)
{
    struct job j = {.db = db};
    struct stage s;
    struct err e;
    char *by_time = db_setting(db, "split_by_time");
    char *llm = backend ? xstrdup(backend) : setting_value(db, "LLM");
    j.by_time = by_time && *by_time == '1';
    if (!(j.backend = backend_choose(llm, &e)))
        die_usage("%s", e.text);
    int asks = j.backend->transport != NULL;
    if (asks && client_open(&j.client, db, co, CLIENT_SUMMARIES, j.backend->sends && !o->plan,
                            &e) < 0)
        die_usage("%s", e.text);
    if (asks)
        j.client.factor = j.backend->transport->price;
    stage_begin(&s, db, "summarize", o);
    pilot_fill(db, pilot);
    (asks ? methods_asking : methods_computing)(&j, o->plan);
    if (!j.who)
        j.who = xstrdup("");
    if (!o->plan) {
        set_drop_orphans(db);
        drop_failures(&j);
    }
    (asks ? run_asking : run_computing)(&j, &s);
    if (asks)
        client_close(&j.client);
    free(j.who);
    free(by_time);
    free(llm);
    return stage_end(&s);
}

int main(int argc, char **argv)
{
    struct opts o = opts_default;
    struct client_opts co = client_opts_none;
    const char *backend = NULL, *show = NULL, *to = NULL, *from = NULL;
    int64_t pilot = -1;
    const struct opt_def defs[] = {
        {"backend", OPT_STRING, &backend, 0, 0, "NAME", "extractive, openai, batch or replay"},
        CLIENT_OPTS(co),
        {"context", OPT_INT, &co.context, 1024, 10000000, "N", "tokens the model reads (8192)"},
        {"pilot", OPT_INT, &pilot, 0, 1000000000, "N", "only N businesses and their users"},
        {"wait", OPT_DOUBLE, &co.wait, 0, 1e7, "S", "batch: for results at most (90000)"},
        {"poll", OPT_DOUBLE, &co.poll, 0.01, 3600, "S", "batch: between looks, at first (10)"},
        {"show-prompt", OPT_STRING, &show, 0, 0, "ITEM", "print the request of user:KEY or "
                                                         "business:KEY"},
        {"export-answers", OPT_STRING, &to, 0, 0, "FILE", "write all paid answers to a new file"},
        {"import-answers", OPT_STRING, &from, 0, 0, "FILE", "read answers another one exported"},
        {0}};
    int first = opts_parse(argc, argv, &about, defs, &o);
    struct err e;
    char number[32];
    if (argv[first])
        die_usage("no arguments are taken, got '%s'", argv[first]);
    if (show || to)
        o.plan = 1; /* reads only */
    struct db *db = stage_open(&o, 0);
    if (!db)
        return close_stdout(EXIT_FAILED);
    snprintf(number, sizeof number, "%lld", (long long)pilot);
    if (!o.plan && ((backend && setting_change(db, "LLM", backend, &e) < 0) ||
                    (pilot >= 0 && setting_change(db, "PILOT", number, &e) < 0) ||
                    client_remember(db, &co, CLIENT_SUMMARIES, &e) < 0))
        die_usage("%s", e.text);
    int status = show ? plan_show(db, show, &co) : to ? exchange_export(db, to)
                 : from ? exchange_import(db, from) : run(db, &o, &co, backend, pilot);
    db_close(db);
    return close_stdout(status);
}
