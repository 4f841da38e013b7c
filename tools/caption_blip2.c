/* SPDX-License-Identifier: MIT */
/* mm-caption: captions of BLIP-2, run here; for the database, or as a filter. */
#include "base/util.h"
#include "caption.h"
#include "db/db.h"
#include "db/method.h"
#include "model/captioner.h"
#include "source/photos.h"
#include <stdlib.h>
#include <string.h>

/* Photos with the same bytes are one: the first of them. */
#define FIRST_OF_THEM \
    "AND NOT EXISTS (SELECT 1 FROM image o WHERE o.content_id = i.content_id AND o.id < i.id\n" \
    "AND o.state = 'ok' AND o.business_id IS NOT NULL AND " \
    PILOT_SQL("'business'", "o.business_id") ")\n"
/* Photos that came later with bytes that have a caption already: t, whose is c. */
#define LATER_ONES \
    "FROM image t JOIN content b ON b.id = t.content_id\n" \
    "JOIN caption c ON c.id = (SELECT min(k.id) FROM image o JOIN caption k\n" \
    "    ON k.image_id = o.id AND k.method_id = :method\n" \
    "    WHERE o.content_id = t.content_id AND k.recipe = :recipe || ' ' || hex(b.digest))\n" \
    "LEFT JOIN caption own ON own.image_id = t.id AND own.method_id = :method\n" \
    "WHERE t.state = 'ok' AND t.business_id IS NOT NULL\n" \
    "AND own.recipe IS NOT :recipe || ' ' || hex(b.digest)"
static const char sql_count[] = CAPTION_REASONS CAPTION_FROM_PHOTOS FIRST_OF_THEM "GROUP BY 1\n"
    "UNION ALL SELECT 'has the bytes of another photo', count(*) " LATER_ONES
    " HAVING count(*) > 0";
static const char sql_pending[] = CAPTION_COLUMNS CAPTION_FROM_PHOTOS FIRST_OF_THEM
    "AND i.id > :after ORDER BY i.id LIMIT :chunk";

/* ---- one batch ---- */

static void load(void *ctx, struct stage_item *item, sqlite3_stmt *row)
{
    static const char sql_twins[] =
        "SELECT path FROM image WHERE content_id = :photo AND id <> :id AND state = 'ok'\n"
        "ORDER BY id";
    struct job *j = ctx;
    caption_load(ctx, item, row);
    struct work *w = item->data;
    sqlite3_stmt *q = db_use(j->db, sql_twins);
    db_int(q, ":photo", w->content);
    db_int(q, ":id", item->id);
    while (db_step(q)) {
        const char *path = db_col_text(q, 0);
        buf_add(&w->twins, path, strlen(path) + 1);
    }
    sqlite3_reset(q);
}

/* The photo, or where it is gone another one that had the same bytes. */
static int read_any(struct buf *bytes, const struct job *j, const struct work *w, struct err *e)
{
    struct err none;
    int rc = photos_read(bytes, j->root, w->path, w->digest, e);
    const char *twin = w->twins.data, *end = twin ? twin + w->twins.len : twin;
    for (; rc < 0 && twin < end; twin += strlen(twin) + 1)
        rc = photos_read(bytes, j->root, twin, w->digest, &none);
    return rc;
}

static int64_t cost(void *ctx, const struct stage_item *item)
{
    (void)ctx, (void)item;
    return 0; /* all the same: a group is so many photos */
}

static void caption_group(void *ctx, struct stage_item *item, int n, void *scratch)
{
    struct job *j = ctx;
    struct photo *p = xcalloc((size_t)n, sizeof *p);
    struct buf *bytes = xcalloc((size_t)n, sizeof *bytes);
    (void)scratch;
    for (int i = 0; i < n; i++) {
        const struct work *w = item[i].data;
        if (read_any(&bytes[i], j, w, &p[i].err) < 0)
            continue;
        p[i].bytes = buf_str(&bytes[i]);
        p[i].n = bytes[i].len;
    }
    int stopped = captioner_run(j->blip2, p, n) < 0;
    for (int i = 0; i < n; i++) {
        struct work *w = item[i].data;
        item[i].left = stopped;
        item[i].failed = p[i].failed;
        /* What cannot be read may be there again; what the model says stays. */
        item[i].permanent = !p[i].bytes ? 0 : p[i].empty ? STAGE_FOR_GOOD : STAGE_DEFECT;
        item[i].err = p[i].err;
        w->flaw = p[i].flaw;
        w->text = p[i].text;
        p[i].text = NULL;
        buf_release(&bytes[i]);
    }
    captioner_release(p, n);
    free(bytes);
    free(p);
}

/* For all photos with these bytes. */
static void store(void *ctx, struct stage_item *item)
{
    static const char sql_put[] =
        "INSERT INTO caption (image_id, method_id, content_id, text, recipe, flaw)\n"
        "SELECT i.id, :method, :content, :text, :recipe, :flaw FROM image i\n"
        "WHERE i.content_id = :photo AND i.state = 'ok' AND i.business_id IS NOT NULL\n"
        "ON CONFLICT (image_id, method_id) DO UPDATE SET content_id = excluded.content_id,\n"
        "text = excluded.text, recipe = excluded.recipe, flaw = excluded.flaw";
    static const char sql_unfail[] =
        "DELETE FROM failure WHERE stage = 'caption' AND item IN (SELECT 'photo ' || i.key || ' '\n"
        "|| hex(b.digest) || :who FROM content b JOIN image i ON i.content_id = b.id\n"
        "WHERE b.id = :photo)";
    struct job *j = ctx;
    const struct work *w = item->data;
    unsigned char digest[SHA256_BYTES];
    size_t n = strlen(w->text);
    sha256_of(digest, w->text, n);
    int64_t content = db_content(j->db, digest, (int64_t)n);
    sqlite3_stmt *q = db_use(j->db, sql_put);
    db_int(q, ":method", j->method);
    db_int(q, ":content", content);
    db_text(q, ":text", w->text);
    db_text(q, ":recipe", w->recipe);
    db_text(q, ":flaw", w->flaw);
    db_int(q, ":photo", w->content);
    db_run(q);
    q = db_use(j->db, sql_unfail);
    db_int(q, ":photo", w->content);
    db_text(q, ":who", j->who);
    db_run(q);
    j->circles += w->flaw && strcmp(w->flaw, "circles") == 0;
    j->cut_off += w->flaw && strcmp(w->flaw, "cut off") == 0;
}

static const struct stage_task task = {
    .what = "captions", .sql_count = sql_count, .sql_pending = sql_pending, .load = load,
    .compute_group = caption_group, .cost = cost, .alone = 1, .store = store,
    .label = caption_label, .release = caption_release, .bind = caption_bind};

/* ---- the stage ---- */

static void copy_to_twins(struct job *j)
{
    static const char sql_copy[] =
        "INSERT OR REPLACE INTO caption (image_id, method_id, content_id, text, recipe, flaw)\n"
        "SELECT t.id, c.method_id, c.content_id, c.text, c.recipe, c.flaw " LATER_ONES;
    db_begin(j->db);
    sqlite3_stmt *q = db_use(j->db, sql_copy);
    db_int(q, ":method", j->method);
    db_text(q, ":recipe", j->recipe);
    db_run(q);
    db_commit(j->db);
}

/* What failed for a photo failed for all with its bytes. */
static void share_failures(struct job *j)
{
    static const char sql_share[] =
        "INSERT INTO failure (stage, item, reason, attempts, permanent, at)\n"
        "SELECT 'caption', 'photo ' || t.key || ' ' || hex(b.digest) || :who, f.reason,\n"
        "f.attempts, f.permanent, f.at FROM image o\n" /* CROSS: by the index of failure */
        "CROSS JOIN content b ON b.id = o.content_id\n"
        "CROSS JOIN failure f ON f.stage = 'caption'\n"
        "AND f.item = 'photo ' || o.key || ' ' || hex(b.digest) || :who\n"
        "CROSS JOIN image t ON t.content_id = b.id AND t.id <> o.id AND t.state = 'ok'\n"
        "AND t.business_id IS NOT NULL WHERE 1\n"
        "ON CONFLICT (stage, item) DO UPDATE SET reason = excluded.reason, at = excluded.at,\n"
        "attempts = max(attempts, excluded.attempts),\n"
        "permanent = max(permanent, excluded.permanent)";
    db_begin(j->db);
    sqlite3_stmt *q = db_use(j->db, sql_share);
    db_text(q, ":who", j->who);
    db_run(q);
    db_commit(j->db);
}

static int tell(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    double *last = ctx, now = monotonic_s();
    if (now - *last > 10) {
        info("%s, %.1f of %.1f GB", what, (double)done / 1e9, (double)total / 1e9);
        *last = now;
    }
    return stage_interrupted();
}

/* NULL after an interruption. */
static struct blip2 *open_model(const char *dir, struct blip2_options *o, int64_t threads)
{
    struct err e;
    uint64_t needs;
    double last = monotonic_s();
    stage_catch_signals();
    o->threads = (int)threads;
    o->stop = stage_interrupted;
    o->tell = tell;
    o->tell_ctx = &last;
    if (blip2_needs(&needs, dir, o, &e) == 0)
        info("blip2 in %s, %s: up to %.1f GiB of memory", dir, blip2_arithmetic(o),
             (double)needs / (1 << 30));
    struct blip2 *m = blip2_open(dir, o, &e);
    if (!m && !stage_interrupted())
        die("%s", e.text);
    return m;
}

static void name_method(struct job *j, int plan)
{
    const struct blip2_options *o = &j->blip2_options;
    struct buf params = {0};
    unsigned char id[SHA256_BYTES];
    char hex[SHA256_HEX];
    blip2_params(&params, o, j->model);
    sha256_of(id, buf_str(&params), params.len);
    sha256_hex(hex, id);
    j->recipe = xstrdup("blip2");
    j->who = xasprintf(" blip2@%.8s", hex);
    sha256_hex(hex, j->model);
    char *note = xasprintf("captions by BLIP-2, model %.12s, %s%s", hex, blip2_arithmetic(o),
                           *o->prompt ? ", prompted" : "");
    j->method = method_id(j->db, &(struct method){"caption", "blip2", BLIP2_VERSION,
                                                  buf_str(&params), 0, note}, plan);
    free(note);
    buf_release(&params);
}

int caption_blip2_open(struct job *j, const struct opts *o, const struct given *g)
{
    struct err e;
    struct blip2_options *bo = &j->blip2_options;
    char *dir = blip2_folder(j->db, &g->blip2);
    if (blip2_options_of(bo, &j->prompt, j->db, &g->blip2, &e) < 0)
        die_usage("%s", e.text);
    if (o->plan) { /* of weights that nobody has hashed yet: zeros */
        if (blip2_identity(j->model, dir, bo->precision, &e) < 0)
            die("%s", e.text);
    } else if ((j->blip2 = open_model(dir, bo, o->threads)) != NULL) {
        memcpy(j->model, blip2_digest(j->blip2), sizeof j->model);
    }
    free(dir);
    return o->plan || j->blip2 ? 0 : -1;
}

void caption_blip2_run(struct job *j, struct stage *s)
{
    struct stage_task t = task;
    t.chunk = j->blip2_options.batch;
    t.group_cost = t.chunk - 1;
    name_method(j, s->opts->plan);
    pilot_fill(j->db, -1);
    if (!s->opts->plan) {
        caption_tidy(j);
        copy_to_twins(j);
    }
    stage_loop(s, &t, j);
    if (!s->opts->plan)
        share_failures(j);
    buf_addf(&s->note, "captions by BLIP-2, %lld in circles, %lld cut off",
             (long long)j->circles, (long long)j->cut_off);
    blip2_close(j->blip2);
}

/* ---- the filter ---- */

int caption_blip2_filter(const struct opts *o, const struct given *g, char **paths)
{
    struct err e;
    struct blip2_options bo;
    struct captioner_filter f = {.ids = g->ids};
    char *prompt, *dir = blip2_folder(NULL, &g->blip2);
    if (blip2_options_of(&bo, &prompt, NULL, &g->blip2, &e) < 0)
        die_usage("%s", e.text);
    struct blip2 *m = open_model(dir, &bo, o->threads);
    double start = monotonic_s();
    int rc = m ? captioner_files(paths, stdout, m, bo.batch, &f) : -1;
    info("done %lld, failed %lld, in circles %lld, cut off %lld, %.1f s", (long long)f.done,
         (long long)f.failed, (long long)f.circles, (long long)f.cut_off, monotonic_s() - start);
    blip2_close(m);
    free(prompt);
    free(dir);
    return rc < 0 ? EXIT_INTERRUPTED : rc || f.failed ? EXIT_FAILED : EXIT_DONE;
}
