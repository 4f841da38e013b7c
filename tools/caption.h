/* SPDX-License-Identifier: MIT */
/* What the parts of mm-caption share: photos that are captioned, by a service (caption_http.c)
 * or by a network here (caption_blip2.c). */
#ifndef MM_TOOLS_CAPTION_H
#define MM_TOOLS_CAPTION_H
#include "base/sha256.h"
#include "db/pilot.h"
#include "db/stage.h"
#include "llm/client.h"
#include "model/blip2_opts.h"

/* As given: NULL or < 0 is what the database remembers. */
struct given {
    const char *caption, *api;
    int64_t side;
    struct client_opts client;
    struct blip2_given blip2;
    int image, ids;
};

struct job {
    struct db *db;
    int64_t method;
    char *recipe; /* of a row, before the photo's digest */
    char *who;    /* end of a failure's item: source of captions and what they depend on */
    char *root;   /* folder of photos */
    /* of a service: */
    struct client client;
    int side;
    /* of a network: */
    struct blip2 *blip2; /* NULL with --plan */
    struct blip2_options blip2_options;
    char *prompt;
    unsigned char model[SHA256_BYTES];
    int64_t circles, cut_off;
};

struct work {
    char *text, *key; /* text: of the data set or of the network */
    char *path;
    struct buf twins;    /* paths of other photos with the same bytes, each with its NUL */
    unsigned char digest[SHA256_BYTES];
    int64_t content;  /* of the photo's bytes */
    char *name;       /* what a request calls the photo */
    char *recipe;
    struct ask *ask;
    const char *flaw;
};

/* Photos that lack a row of this recipe and digest, so another picture under the same name is
 * captioned anew; and that have not failed for good. */
#define CAPTION_FROM_PHOTOS \
    "FROM image i JOIN content b ON b.id = i.content_id\n" \
    "LEFT JOIN caption c ON c.image_id = i.id AND c.method_id = :method\n" \
    "WHERE i.state = 'ok' AND i.business_id IS NOT NULL\n" \
    "AND c.recipe IS NOT :recipe || ' ' || hex(b.digest)\n" \
    "AND " PILOT_SQL("'business'", "i.business_id") "\n" \
    "AND NOT EXISTS (SELECT 1 FROM failure f WHERE f.stage = 'caption'\n" \
    "AND f.item = 'photo ' || i.key || ' ' || hex(b.digest) || :who\n" \
    "AND (f.permanent = 1 OR f.attempts >= 3))\n"
#define CAPTION_COLUMNS \
    "SELECT i.id, i.path, i.key, b.digest, :recipe || ' ' || hex(b.digest), b.id\n"
#define CAPTION_REASONS \
    "SELECT CASE WHEN c.id IS NULL THEN 'new' ELSE 'what it is made from changed' END, count(*) "

void caption_bind(void *ctx, sqlite3_stmt *q);
void caption_load(void *ctx, struct stage_item *item, sqlite3_stmt *row); /* CAPTION_COLUMNS */
void caption_label(void *ctx, const struct stage_item *item, struct buf *name);
void caption_release(void *ctx, struct stage_item *item);
void caption_put(struct job *j, int64_t image, const char *text, int64_t answer,
                 const char *recipe);
/* Before the loop: failures of another photo, source of captions, model or prompt say nothing of
 * this one; nor does a caption of the picture that a photo was before. */
void caption_tidy(struct job *j);

void caption_http_open(struct job *j, const struct opts *o, const struct given *g);
void caption_http_run(struct job *j, struct stage *s, const struct opts *o);

/* Everything that can be wrong with the model, before the stage begins. -1: interrupted. */
int caption_blip2_open(struct job *j, const struct opts *o, const struct given *g) MM_MUST_CHECK;
void caption_blip2_run(struct job *j, struct stage *s);
/* --image FILE...; paths ends with NULL. Returns the exit status. */
int caption_blip2_filter(const struct opts *o, const struct given *g, char **paths);

#endif
