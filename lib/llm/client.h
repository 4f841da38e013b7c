/* SPDX-License-Identifier: MIT */
/* What a tool needs to talk to a model: options, remembered settings, key, price and prompts,
 * put together and checked before anything is sent.
 *
 *     struct client_opts co = client_opts_none;
 *     const struct opt_def defs[] = {CLIENT_OPTS(co), {0}};
 *     ... client_remember(db, &co, CLIENT_SUMMARIES, &e) ...
 *     client_open(&c, db, &co, CLIENT_SUMMARIES, &e);
 *     client_close(&c);
 *
 * The key is in c.options.service.key and nowhere else.
 */
#ifndef MM_LLM_CLIENT_H
#define MM_LLM_CLIENT_H
#include "base/opts.h"
#include "llm/ask.h"
#include "llm/transport.h"

enum client_use { CLIENT_SUMMARIES, CLIENT_CAPTIONS };

struct client_opts {
    const char *url, *model, *key_file, *budget, *prompts, *ca_file, *prices;
    int64_t concurrency, rpm, tpm, context, reask, retries;
    double patience, timeout, wait, poll;
};
extern const struct client_opts client_opts_none;

#define CLIENT_OPTS(c) \
    {"model", OPT_STRING, &(c).model, 0, 0, "NAME", "the service's name of the model"}, \
    CLIENT_SERVICE_OPTS(c)
/* Without the model, for a tool that has models of its own. */
#define CLIENT_SERVICE_OPTS(c) \
    {"url", OPT_STRING, &(c).url, 0, 0, "URL", "base address, http://127.0.0.1:8080/v1"}, \
    {"key-file", OPT_STRING, &(c).key_file, 0, 0, "FILE", "holds the key (else LLM_API_KEY)"}, \
    {"ca-file", OPT_STRING, &(c).ca_file, 0, 0, "FILE", "certificates to trust besides"}, \
    {"concurrency", OPT_INT, &(c).concurrency, 1, 512, "N", "requests under way (default 8)"}, \
    {"rpm", OPT_INT, &(c).rpm, 0, 10000000, "N", "requests a minute at most, 0 = no limit"}, \
    {"tpm", OPT_INT, &(c).tpm, 0, 1e12, "N", "tokens a minute at most, 0 = no limit"}, \
    {"budget", OPT_STRING, &(c).budget, 0, 0, "USD", "may be spent over the database's life"}, \
    {"prices", OPT_STRING, &(c).prices, 0, 0, "FILE", "in place of the built-in prices.tsv"}, \
    {"prompts", OPT_STRING, &(c).prompts, 0, 0, "NAME", "default, paper, or a folder"}, \
    {"reask", OPT_INT, &(c).reask, 0, 10, "N", "times a bad answer is asked again (2)"}, \
    {"retries", OPT_INT, &(c).retries, 0, 100, "N", "of a request the service failed (6)"}, \
    {"patience", OPT_DOUBLE, &(c).patience, 0, 86400, "S", "without any answer (120)"}, \
    {"timeout", OPT_DOUBLE, &(c).timeout, 1, 86400, "S", "of one request (600)"}

struct client {
    struct transport_options options;
    struct prompts prompts;
    struct ask_limits limits;
    char *name; /* of the method: the model, and the prompts unless they are the default */
    char *url, *model, *key, *ca_file, *prices, *which;
    double spent;  /* dollars so far */
    double factor; /* of the price: 1, half of it for batches; the caller's to change */
    int priced;
};

/* Checks and remembers what was given; -1 names what is wrong. */
int client_remember(struct db *db, const struct client_opts *co, enum client_use use,
                    struct err *e) MM_MUST_CHECK;
/* `sends`: 0 for --plan, --show-prompt and replay: neither key nor address nor budget needed. */
int client_open(struct client *c, struct db *db, const struct client_opts *co,
                enum client_use use, int sends, struct err *e) MM_MUST_CHECK;
void client_close(struct client *c);

/* 16 hex digits: the prompt, the rules for answers, how parts are made. */
void client_recipe(char out[17], const struct client *c, const struct prompt *p);

#endif
