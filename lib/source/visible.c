/* SPDX-License-Identifier: MIT */
#include "source/visible.h"
#include "base/rng.h"
#include "base/sha256.h"
#include "base/util.h"
#include "db/db.h"
#include "source/bulk.h"
#include "source/spool.h"
#include <stdlib.h>
#include <string.h>

#define MAX_FOLDS 64
#define FEED_BYTES ((size_t)2 << 20) /* each of two */

/* A review or a photo of one entity. */
struct member {
    unsigned char digest[SHA256_BYTES];
    double rating;
    int fold; /* 0.. train, VISIBLE_TO_ALL, VISIBLE_TO_NONE */
    unsigned char has_content, labelled, positive, photo;
};

/* One update of the table. */
struct work {
    struct db *db;
    int by_time;
    struct bulk *bulk; /* the table was empty: only append; else NULL */
    struct sha256 *h;
    unsigned char nothing[SHA256_BYTES]; /* the digest of no members */
    struct visible_stats *st;
};

struct entity {
    const char *kind;
    int64_t id;
    struct member *m;
    size_t n, cap;
};

static struct member *add_member(struct entity *en)
{
    if (en->n == en->cap) {
        en->cap = en->cap * 2 + 64;
        en->m = xrealloc(en->m, en->cap, sizeof *en->m);
    }
    struct member *m = &en->m[en->n++];
    *m = (struct member){0};
    return m;
}

static int by_digest(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    int d = memcmp(x->digest, y->digest, SHA256_BYTES);
    if (d || x->photo != y->photo)
        return d ? d : (int)x->photo - (int)y->photo;
    return (x->rating > y->rating) - (x->rating < y->rating); /* sums must not depend on order */
}

static int sees(int view, int fold, int by_time)
{
#ifdef MM_PLANT_LEAK_VISIBLE /* a test build that must be caught by v_leak */
    (void)view, (void)by_time;
    return fold >= -1;
#else
    if (fold < 0)
        return fold == VISIBLE_TO_ALL;
    return view < 0 || (by_time ? fold < view : fold != view);
#endif
}

/* One row of table visible. */
struct sums {
    const char *kind;
    int64_t entity, n_text, n_photo, labelled, positive;
    int view;
    double rating;
    unsigned char digest[2][SHA256_BYTES]; /* of the texts, of the photos */
};

static void sum_up(struct sums *s, const struct entity *en, int view, const struct work *w)
{
    *s = (struct sums){.kind = en->kind, .entity = en->id, .view = view};
    for (int photo = 0; photo < 2; photo++) {
        for (size_t i = 0; i < en->n; i++) {
            const struct member *m = &en->m[i];
            if (m->photo != photo || !sees(view, m->fold, w->by_time))
                continue;
            if (m->has_content) {
                sha256_add(w->h, m->digest, SHA256_BYTES);
                *(photo ? &s->n_photo : &s->n_text) += 1;
            }
            if (m->labelled) {
                s->labelled++;
                s->positive += m->positive;
                s->rating += m->rating;
            }
        }
        if (photo ? s->n_photo : s->n_text)
            sha256_end(s->digest[photo], w->h);
        else
            memcpy(s->digest[photo], w->nothing, SHA256_BYTES);
    }
}

/* Into the empty table. */
static void append(struct bulk *b, const struct sums *s)
{
    bulk_text(b, s->kind, strlen(s->kind));
    bulk_int(b, s->entity);
    bulk_int(b, s->view);
    bulk_int(b, s->n_text);
    bulk_int(b, s->labelled);
    bulk_int(b, s->positive);
    bulk_real(b, s->rating);
    bulk_blob(b, s->digest[0], SHA256_BYTES);
    bulk_int(b, s->n_photo);
    bulk_blob(b, s->digest[1], SHA256_BYTES);
    bulk_row(b, rng_mix((uint64_t)s->entity * 64 + (uint64_t)(s->view + 1)));
}

static void put(struct db *db, const struct sums *s, struct visible_stats *st)
{
    static const char sql_put[] =
        "INSERT INTO visible (kind, entity_id, fold, n_text, n_labelled, n_positive,\n"
        "rating_sum, text_digest, n_photo, photo_digest) VALUES (:kind, :entity, :fold,\n"
        ":n_text, :n_labelled, :n_positive, :rating_sum, :text_digest, :n_photo,\n"
        ":photo_digest) ON CONFLICT (kind, entity_id, fold) DO UPDATE SET\n"
        "n_text = excluded.n_text, n_labelled = excluded.n_labelled,\n"
        "n_positive = excluded.n_positive, rating_sum = excluded.rating_sum,\n"
        "text_digest = excluded.text_digest, n_photo = excluded.n_photo,\n"
        "photo_digest = excluded.photo_digest\n"
        "WHERE (n_text, n_labelled, n_positive, rating_sum, text_digest, n_photo,\n"
        "photo_digest) IS NOT (excluded.n_text, excluded.n_labelled, excluded.n_positive,\n"
        "excluded.rating_sum, excluded.text_digest, excluded.n_photo, excluded.photo_digest)";
    sqlite3_stmt *q = db_use(db, sql_put);
    db_text(q, ":kind", s->kind);
    db_int(q, ":entity", s->entity);
    db_int(q, ":fold", s->view);
    db_int(q, ":n_text", s->n_text);
    db_int(q, ":n_labelled", s->labelled);
    db_int(q, ":n_positive", s->positive);
    db_real(q, ":rating_sum", s->rating);
    db_blob(q, ":text_digest", s->digest[0], SHA256_BYTES);
    db_int(q, ":n_photo", s->n_photo);
    db_blob(q, ":photo_digest", s->digest[1], SHA256_BYTES);
    db_run(q);
    st->changed += db_changes(db);
}

/* Removes the views that the entity no longer has. */
static void drop_views(struct db *db, const struct entity *en, uint64_t folds, int has_any,
                       struct visible_stats *st)
{
    static const char sql_drop[] =
        "DELETE FROM visible WHERE kind = :kind AND entity_id = :entity AND NOT\n"
        "(:any AND (fold = -1 OR (:folds >> fold) & 1))";
    sqlite3_stmt *q = db_use(db, sql_drop);
    db_text(q, ":kind", en->kind);
    db_int(q, ":entity", en->id);
    db_int(q, ":any", has_any);
    db_int(q, ":folds", (int64_t)folds);
    db_run(q);
    st->changed += db_changes(db);
}

static void put_view(struct work *w, const struct entity *en, int view)
{
    struct sums s;
    sum_up(&s, en, view, w);
    if (w->bulk) {
        append(w->bulk, &s);
        w->st->changed++;
    } else
        put(w->db, &s, w->st);
}

static void finish_entity(struct work *w, struct entity *en)
{
    if (en->id == 0)
        return;
    uint64_t folds = 0;
    for (size_t i = 0; i < en->n; i++)
        if (en->m[i].labelled && en->m[i].fold >= 0 && en->m[i].fold < MAX_FOLDS)
            folds |= UINT64_C(1) << en->m[i].fold;
    if (en->n)
        qsort(en->m, en->n, sizeof *en->m, by_digest);
    if (!w->bulk)
        drop_views(w->db, en, folds, en->n > 0, w->st);
    if (en->n > 0)
        put_view(w, en, -1);
    for (int k = 0; k < MAX_FOLDS; k++)
        if (folds >> k & 1)
            put_view(w, en, k);
    w->st->entities++;
    en->n = 0;
    en->id = 0;
}

/* Columns of every query below: entity, split, fold, labelled, rating, positive, digest,
 * photo key (NULL for a review). */
static void take_row(struct entity *en, sqlite3_stmt *q, struct sha256 *h)
{
    struct member *m = add_member(en);
    const char *split = db_col_text(q, 1);
    m->fold = !strcmp(split, "train") ? sqlite3_column_int(q, 2)
              : !strcmp(split, "none") ? VISIBLE_TO_ALL
              : VISIBLE_TO_NONE;
    m->labelled = m->fold >= 0 && sqlite3_column_int(q, 3);
    m->rating = sqlite3_column_double(q, 4);
    m->positive = (unsigned char)sqlite3_column_int(q, 5);
    m->photo = sqlite3_column_type(q, 7) != SQLITE_NULL;
    m->has_content = sqlite3_column_type(q, 6) != SQLITE_NULL;
    if (m->has_content)
        memcpy(m->digest, sqlite3_column_blob(q, 6), SHA256_BYTES);
    if (m->photo) {
        /* The key belongs to the identity: a caption hangs on the photo, not on its bytes. */
        sha256_add(h, m->digest, SHA256_BYTES);
        sha256_add(h, db_col_text(q, 7), (size_t)sqlite3_column_bytes(q, 7));
        sha256_end(m->digest, h);
        m->has_content = 1;
    }
}

/* The unary + keeps SQLite from walking an index and fetching rows at random: a sort of short
 * records reads the table once, in order. */
static const char sql_all_users[] =
    "SELECT r.user_id, r.split, r.fold, r.labelled, r.rating, r.positive, c.digest, NULL\n"
    "FROM review r LEFT JOIN content c ON c.id = r.content_id ORDER BY +r.user_id";
static const char sql_all_businesses[] =
    "SELECT r.business_id AS b, r.split, r.fold, r.labelled, r.rating, r.positive, c.digest,\n"
    "NULL FROM review r LEFT JOIN content c ON c.id = r.content_id UNION ALL\n"
    "SELECT i.business_id, coalesce(r.split, 'none'), r.fold, 0, NULL, 0, c.digest, i.key\n"
    "FROM image i LEFT JOIN review r ON r.id = i.review_id\n"
    "LEFT JOIN content c ON c.id = i.content_id\n"
    "WHERE i.business_id IS NOT NULL AND (i.state = 'ok' OR i.caption IS NOT NULL)\n"
    "ORDER BY b";
static const char sql_one_user[] =
    "SELECT r.user_id, r.split, r.fold, r.labelled, r.rating, r.positive, c.digest, NULL\n"
    "FROM review r LEFT JOIN content c ON c.id = r.content_id WHERE r.user_id = :id";
static const char sql_one_business[] =
    "SELECT r.business_id, r.split, r.fold, r.labelled, r.rating, r.positive, c.digest, NULL\n"
    "FROM review r LEFT JOIN content c ON c.id = r.content_id WHERE r.business_id = :id\n"
    "UNION ALL\n"
    "SELECT i.business_id, coalesce(r.split, 'none'), r.fold, 0, NULL, 0, c.digest, i.key\n"
    "FROM image i LEFT JOIN review r ON r.id = i.review_id\n"
    "LEFT JOIN content c ON c.id = i.content_id WHERE i.business_id = :id\n"
    "AND (i.state = 'ok' OR i.caption IS NOT NULL)";

static void update_all(struct work *w, const char *kind, const char *sql)
{
    struct entity en = {.kind = kind};
    sqlite3_stmt *q = db_use(w->db, sql);
    while (db_step(q)) {
        int64_t id = sqlite3_column_int64(q, 0);
        if (id != en.id)
            finish_entity(w, &en);
        en.id = id;
        take_row(&en, q, w->h);
    }
    finish_entity(w, &en);
    free(en.m);
}

static void update_some(struct work *w, const char *kind, const char *sql,
                        const struct idset *ids)
{
    struct entity en = {.kind = kind};
    for (int64_t id = idset_next(ids, 1); id > 0; id = idset_next(ids, id + 1)) {
        sqlite3_stmt *q = db_use(w->db, sql);
        db_int(q, ":id", id);
        en.id = id;
        while (db_step(q))
            take_row(&en, q, w->h);
        finish_entity(w, &en);
    }
    free(en.m);
}

static void open_bulk(struct work *w, struct lane *lane)
{
    w->bulk = bulk_new(w->db, lane, "bulk_visible", 10,
        "INSERT OR ROLLBACK INTO visible (kind, entity_id, fold, n_text, n_labelled,\n"
        "n_positive, rating_sum, text_digest, n_photo, photo_digest)\n"
        "SELECT * FROM bulk_visible");
}

static void close_bulk(struct work *w)
{
    bulk_flush(w->bulk);
    bulk_free(w->bulk);
    w->bulk = NULL;
}

static void update_every(struct work *w)
{
    static const char sql_any[] = "SELECT EXISTS (SELECT 1 FROM visible)";
    static const char sql_orphans[] =
        "DELETE FROM visible WHERE (kind = 'user' AND entity_id NOT IN (SELECT id FROM user))\n"
        "OR (kind = 'business' AND entity_id NOT IN (SELECT id FROM business))";
    int fresh = db_one_int(db_use(w->db, sql_any), 0) == 0;
    if (fresh)
        open_bulk(w, NULL); /* no lane: it would insert while a SELECT is being stepped */
    update_all(w, "user", sql_all_users);
    update_all(w, "business", sql_all_businesses);
    if (fresh) {
        close_bulk(w);
    } else {
        db_run(db_use(w->db, sql_orphans));
        w->st->changed += db_changes(w->db);
    }
}

static void begin(struct work *w)
{
    w->h = sha256_new();
    sha256_of(w->nothing, "", 0);
}

void visible_update(struct db *db, int by_time, const struct idset *users,
                    const struct idset *businesses, struct visible_stats *st)
{
    struct work w = {.db = db, .by_time = by_time, .st = st};
    begin(&w);
    if (users && businesses) {
        update_some(&w, "user", sql_one_user, users);
        update_some(&w, "business", sql_one_business, businesses);
    } else
        update_every(&w);
    sha256_free(w.h);
}

/* ---- the same from what was met while loading ---- */

struct fed {
    int64_t entity;
    struct member m;
};

struct visible_feed {
    struct spool *users, *businesses;
    int64_t last_user, last_business; /* the largest ids */
};

struct visible_feed *visible_feed_new(void)
{
    struct visible_feed *f = xcalloc(1, sizeof *f);
    f->users = spool_new(sizeof(struct fed), FEED_BYTES);
    f->businesses = spool_new(sizeof(struct fed), FEED_BYTES);
    return f;
}

void visible_feed_free(struct visible_feed *f)
{
    if (!f)
        return;
    spool_free(f->users);
    spool_free(f->businesses);
    free(f);
}

void visible_feed_add(struct visible_feed *f, const struct visible_review *r)
{
    struct fed x = {.m = {.fold = r->fold, .labelled = r->fold >= 0 && r->labelled,
                          .rating = r->rating, .positive = (unsigned char)r->positive,
                          .has_content = r->digest != NULL}};
    if (r->digest)
        memcpy(x.m.digest, r->digest, SHA256_BYTES);
    x.entity = r->user;
    spool_add(f->users, &x);
    x.entity = r->business;
    spool_add(f->businesses, &x);
    f->last_user = r->user > f->last_user ? r->user : f->last_user;
    f->last_business = r->business > f->last_business ? r->business : f->last_business;
}

static void take_fed(struct work *w, const char *kind, struct spool *s,
                     const struct idset *touched)
{
    struct entity en = {.kind = kind};
    const struct fed *x;
    while ((x = spool_next(s)) != NULL) {
        if (x->entity != en.id)
            finish_entity(w, &en);
        if (idset_has(touched, x->entity))
            continue;
        en.id = x->entity;
        *add_member(&en) = x->m;
    }
    finish_entity(w, &en);
    free(en.m);
}

void visible_update_fed(struct db *db, struct lane *lane, struct visible_feed *f,
                        const struct idset *users, const struct idset *businesses,
                        struct visible_stats *st)
{
    struct work w = {.db = db, .st = st};
    const struct {
        const char *kind, *sql_all, *sql_one;
        struct spool *spool;
        const struct idset *touched;
        int64_t last;
    } part[2] = {{"user", sql_all_users, sql_one_user, f->users, users, f->last_user},
                 {"business", sql_all_businesses, sql_one_business, f->businesses, businesses,
                  f->last_business}};
    begin(&w);
    for (int i = 0; i < 2; i++) {
        /* Rows at random cost more than all rows in order when there are many of them. */
        int many = idset_count(part[i].touched) > part[i].last / 8;
        open_bulk(&w, many ? NULL : lane);
        if (many)
            update_all(&w, part[i].kind, part[i].sql_all);
        else
            take_fed(&w, part[i].kind, part[i].spool, part[i].touched);
        close_bulk(&w);
        if (!many)
            update_some(&w, part[i].kind, part[i].sql_one, part[i].touched);
    }
    sha256_free(w.h);
}
