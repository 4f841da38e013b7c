/* SPDX-License-Identifier: MIT */
#include "llm/client.h"
#include "base/util.h"
#include "db/db.h"
#include "db/setting.h"
#include "llm/budget.h"
#include "llm/key.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const struct client_opts client_opts_none = {.concurrency = -1, .rpm = -1, .tpm = -1,
                                             .context = -1, .reask = -1, .retries = -1,
                                             .patience = -1, .timeout = -1, .wait = -1,
                                             .poll = -1};

/* ---- what is remembered ---- */

static int remember(struct db *db, const char *name, const char *value, struct err *e)
{
    return value && setting_change(db, name, value, e) < 0 ? -1 : 0;
}

/* A file is remembered by its full name: the next run may stand in another folder. */
static int remember_file(struct db *db, const char *name, const char *value, struct err *e)
{
    char full[PATH_MAX];
    if (!value)
        return 0;
    if (*value && !realpath(value, full))
        return err_set(e, "%s: no such file or folder", value);
    return remember(db, name, *value ? full : "", e);
}

static int remember_int(struct db *db, const char *name, int64_t value, struct err *e)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)value);
    return value < 0 ? 0 : remember(db, name, text, e);
}

static int built_in(const char *prompts)
{
    return strcmp(prompts, "default") == 0 || strcmp(prompts, "paper") == 0;
}

int client_remember(struct db *db, const struct client_opts *co, enum client_use use,
                    struct err *e)
{
    int captions = use == CLIENT_CAPTIONS;
    if (remember(db, captions ? "CAPTION_URL" : "LLM_URL", co->url, e) < 0 ||
        remember(db, captions ? "CAPTION_MODEL" : "LLM_MODEL", co->model, e) < 0 ||
        remember(db, "BUDGET", co->budget, e) < 0 ||
        remember_file(db, "LLM_KEY_FILE", co->key_file, e) < 0 ||
        remember_file(db, "LLM_CA_FILE", co->ca_file, e) < 0 ||
        remember_file(db, "PRICES", co->prices, e) < 0 ||
        remember_int(db, "CONCURRENCY", co->concurrency, e) < 0 ||
        remember_int(db, "RPM", co->rpm, e) < 0 || remember_int(db, "TPM", co->tpm, e) < 0 ||
        remember_int(db, "LLM_CONTEXT", co->context, e) < 0 ||
        remember_int(db, "REASK", co->reask, e) < 0)
        return -1;
    return co->prompts && built_in(co->prompts) ? remember(db, "PROMPTS", co->prompts, e)
                                                : remember_file(db, "PROMPTS", co->prompts, e);
}

/* An option that was given counts also where nothing is remembered (--plan). */
static char *text_of(struct db *db, const char *given, const char *name)
{
    return given ? xstrdup(given) : setting_value(db, name);
}

static int64_t int_of(struct db *db, int64_t given, const char *name)
{
    return given >= 0 ? given : setting_int(db, name);
}

/* ---- money ---- */

/* An address of this machine, and not a name that only begins like one. */
static int local(const char *url)
{
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    size_t n = strcspn(host, *host == '[' ? "]/" : ":/");
    return (n == 9 && strncmp(host, "localhost", n) == 0) || strncmp(host, "[::1]", 5) == 0 ||
           (strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == n);
}

static int read_price(struct client *c, struct err *e)
{
    char today[16];
    time_t now = time(NULL);
    struct tm tm;
    strftime(today, sizeof today, "%Y-%m-%d", localtime_r(&now, &tm));
    int found = prices_find(&c->options.price, *c->prices ? c->prices : NULL, c->model, today, e);
    if (found < 0)
        return -1;
    c->priced = found && (c->options.price.in > 0 || c->options.price.out > 0);
    if (!found && *c->url && !local(c->url))
        return err_set(e, "no price is known for the model '%s': add a line to prices.tsv (zeros "
                          "if it is free), or name a file with --prices", c->model);
    return 0;
}

static int read_budget(struct client *c, struct db *db, const struct client_opts *co, int sends,
                       struct err *e)
{
    c->options.cap = -1;
    if (!c->priced)
        return 0;
    char *text = text_of(db, co->budget, "BUDGET");
    int given = *text != 0;
    int bad = given && parse_double(&c->options.cap, text, 0, 1e9, e) < 0;
    free(text);
    if (bad)
        return -1;
    if (!given && sends)
        return err_set(e, "the model '%s' costs money ($%g and $%g a million tokens in and out): "
                          "give BUDGET= in dollars; --plan estimates what is needed",
                       c->model, c->options.price.in * 1e6, c->options.price.out * 1e6);
    return 0;
}

/* ---- opening ---- */

static int need(const char *value, const char *variable, const char *option, struct err *e)
{
    return *value ? 0 : err_set(e, "%s= (%s) is not set", variable, option);
}

static void read_limits(struct client *c, struct db *db, const struct client_opts *co)
{
    enum { BYTES_A_TOKEN = 3, FRAME = 1024 };
    int64_t context = int_of(db, co->context, "LLM_CONTEXT"), most = 0;
    struct service_options *s = &c->options.service;
    for (int i = -1; i < c->prompts.n_business; i++) {
        const struct prompt *p = i < 0 ? &c->prompts.user : &c->prompts.business[i];
        int64_t own = (int64_t)p->max_tokens + (int64_t)(strlen(p->system) +
                      strlen(p->reviews)) / BYTES_A_TOKEN;
        most = own > most ? own : most;
    }
    int64_t bytes = (context - most) * BYTES_A_TOKEN - FRAME;
    c->limits = (struct ask_limits){c->model, (size_t)(bytes > FRAME ? bytes : FRAME),
                                    (int)int_of(db, co->reask, "REASK")};
    *s = service_defaults;
    s->url = c->url;
    s->model = c->model;
    s->key = c->key;
    s->ca_file = *c->ca_file ? c->ca_file : NULL;
    s->concurrency = (int)int_of(db, co->concurrency, "CONCURRENCY");
    s->rpm = (double)int_of(db, co->rpm, "RPM");
    s->tpm = (double)int_of(db, co->tpm, "TPM");
    if (co->retries >= 0)
        s->retries = (int)co->retries;
    if (co->patience >= 0)
        s->patience_s = co->patience;
    if (co->timeout > 0) {
        s->total_s = s->first_byte_s = co->timeout;
    }
    c->options.wait_s = co->wait;
    c->options.poll_s = co->poll > 0 ? co->poll : 0;
}

/* "gpt-4o-mini", "gpt-4o-mini/paper": a model row names it so. */
static char *name_of(const char *model, const char *prompts)
{
    const char *base = strrchr(prompts, '/');
    if (strcmp(prompts, "default") == 0)
        return xstrdup(model);
    return xasprintf("%s/%s", model, base && base[1] ? base + 1 : prompts);
}

int client_open(struct client *c, struct db *db, const struct client_opts *co,
                enum client_use use, int sends, struct err *e)
{
    int captions = use == CLIENT_CAPTIONS;
    char *file = text_of(db, co->key_file, "LLM_KEY_FILE");
    *c = (struct client){.url = text_of(db, co->url, captions ? "CAPTION_URL" : "LLM_URL"),
                         .model = text_of(db, co->model, captions ? "CAPTION_MODEL" : "LLM_MODEL"),
                         .ca_file = text_of(db, co->ca_file, "LLM_CA_FILE"),
                         .prices = text_of(db, co->prices, "PRICES"),
                         .which = text_of(db, co->prompts, "PROMPTS"), .factor = 1};
    c->spent = budget_spent(db);
    int ok = need(c->model, captions ? "CAPTION_MODEL" : "LLM_MODEL", "--model", e) == 0 &&
             (!sends || need(c->url, captions ? "CAPTION_URL" : "LLM_URL", "--url", e) == 0) &&
             prompts_open(&c->prompts, c->which, e) == 0 && read_price(c, e) == 0 &&
             read_budget(c, db, co, sends, e) == 0 &&
             (!sends || key_load(&c->key, *file ? file : NULL, e) == 0);
    free(file);
    if (!ok) {
        client_close(c);
        return -1;
    }
    if (c->key && strncmp(c->url, "http://", 7) == 0 && !local(c->url))
        warn("%s: the key goes over the network unencrypted; https:// would not", c->url);
    c->name = name_of(c->model, c->which);
    read_limits(c, db, co);
    return 0;
}

void client_close(struct client *c)
{
    key_free(c->key);
    prompts_free(&c->prompts);
    free(c->name);
    free(c->url);
    free(c->model);
    free(c->ca_file);
    free(c->prices);
    free(c->which);
    *c = (struct client){0};
}

void client_recipe(char out[17], const struct client *c, const struct prompt *p)
{
    unsigned char digest[SHA256_BYTES];
    char hex[SHA256_HEX];
    char *all = xasprintf("%s %s %d %d %d %zu", p->name, p->digest, PROMPT_VERSION, ANSWER_VERSION,
                          ASK_VERSION, c->limits.bytes);
    sha256_of(digest, all, strlen(all));
    sha256_hex(hex, digest);
    snprintf(out, 17, "%.16s", hex);
    free(all);
}
