/* SPDX-License-Identifier: MIT */
#include "source/loader.h"
#include "base/rng.h"
#include "base/util.h"
#include "db/db.h"
#include "source/bulk.h"
#include "source/lane.h"
#include "source/pics.h"
#include "source/settle.h"
#include <stdlib.h>
#include <string.h>

#define MET 32768 /* slots of the cache of reviews */
#define KEY 3     /* review keys among the hashes; users, businesses, photos are 0, 1, 2 */

/* A review that is in the table, by what makes another one equal to it. */
struct loader_met {
    int64_t user, business, content;
};

/* ---- split and fold ---- */

/* A number in [0, 1) from the unit's key and the seed. salt keeps split and fold apart. */
static double unit_hash(const struct loader *l, const struct source_record *r, uint64_t salt)
{
    uint64_t h = ids_hash(rng_mix(l->rule.seed) ^ salt, r->user_key);
    if (l->rule.unit != UNIT_USER)
        h = ids_hash(h, r->business_key);
    return (double)(h >> 11) * 0x1p-53;
}

static const char *split_of(const struct loader *l, const struct source_record *r)
{
    if (!r->labelled)
        return "none";
    if (l->rule.provided)
        return r->split;
    if (l->rule.unit == UNIT_TIME)
        return "train"; /* decided when all times are known: loader_end */
    double x = unit_hash(l, r, 1);
    return x < 0.8 ? "train" : x < 0.9 ? "val" : "test";
}

static int fold_of(const struct loader *l, const struct source_record *r)
{
    return (int)(unit_hash(l, r, 2) * l->rule.folds);
}

/* ---- one review ---- */

struct row {
    int64_t id, at, nth, content;
    int labelled, seen;
};

/* What the record says, ready for the table. */
struct wanted {
    int64_t user, business, at, nth, content;
    const char *split;
    int fold; /* -1: NULL */
    const unsigned char *digest; /* of the text, NULL: none */
    const struct source_record *r;
};

static void flush_reviews(struct loader *l)
{
    if (l->bulk_review)
        bulk_flush(l->bulk_review);
}

static uint64_t pair_hash(const struct wanted *w)
{
    return rng_mix(rng_mix((uint64_t)w->user) + (uint64_t)w->business);
}

static const char sql_pair[] =
    "SELECT id, at, nth, coalesce(content_id, 0), labelled, key FROM review\n"
    "WHERE user_id = :user AND business_id = :business ORDER BY at, nth";

/* The row that the record is, per the rules of the header, or none (id 0) and its nth. A seen
 * row is only returned for an equal content. */
static struct row match(struct loader *l, struct wanted *w)
{
    struct row best = {0}, row;
    int64_t used = 0; /* the smallest nth that no seen row of (u, b, t) has */
    int fits = 0;     /* 2: same time and content; 1: an unmatched row to be replaced */
    if (l->bulk_review && bulk_has(l->bulk_review, pair_hash(w)))
        flush_reviews(l);
    sqlite3_stmt *q = db_use(l->db, sql_pair);
    db_int(q, ":user", w->user);
    db_int(q, ":business", w->business);
    while (db_step(q)) {
        row = (struct row){sqlite3_column_int64(q, 0), sqlite3_column_int64(q, 1),
                           sqlite3_column_int64(q, 2), sqlite3_column_int64(q, 3),
                           sqlite3_column_int(q, 4), 0};
        row.seen = idset_has(&l->seen_reviews, row.id);
        if (l->fresh && row.labelled != w->r->labelled)
            idset_add(&l->mixed, w->user);
        int same_time = row.at == w->at || !w->r->labelled || !row.labelled;
        if (same_time && row.content == w->content && row.content && fits < 2) {
            best = row;
            fits = 2;
        }
        if (row.at != w->at)
            continue;
        if (row.seen && row.nth == used)
            used++;
        else if (!row.seen && row.nth == used && fits < 1) {
            best = row;
            fits = 1;
        }
    }
    w->nth = fits ? best.nth : used;
    return best;
}

static int64_t id_of_key(struct loader *l, const char *key)
{
    static const char sql_key[] = "SELECT id FROM review WHERE key = :key";
    if (!ids_maybe_met(&l->ids, ids_hash(KEY, key)))
        return 0;
    flush_reviews(l);
    sqlite3_stmt *q = db_use(l->db, sql_key);
    db_text(q, ":key", key);
    return db_one_int(q, 0);
}

static void bind_review(sqlite3_stmt *q, struct loader *l, const struct wanted *w)
{
    const struct source_record *r = w->r;
    db_int(q, ":user", w->user);
    db_int(q, ":business", w->business);
    db_int(q, ":at", w->at);
    db_int(q, ":nth", w->nth);
    db_text(q, ":key", r->labelled ? r->review_key : NULL);
    db_int(q, ":labelled", r->labelled);
    if (r->has_rating)
        db_real(q, ":rating", r->rating);
    if (r->labelled)
        db_int(q, ":positive", r->rating >= l->rule.positive);
    db_text(q, ":split", w->split);
    if (w->fold >= 0)
        db_int(q, ":fold", w->fold);
    if (w->content)
        db_int(q, ":content", w->content);
    db_int(q, ":source", l->source_id);
    db_int(q, ":line", r->line);
    if (w->content)
        db_textn(q, ":text", r->text, r->text_bytes);
}

static void feed_visible(struct loader *l, const struct wanted *w)
{
    const struct source_record *r = w->r;
    int none = strcmp(w->split, "none") == 0;
    struct visible_review v = {.user = w->user, .business = w->business, .digest = w->digest,
                               .rating = r->has_rating ? r->rating : 0, .labelled = r->labelled,
                               .positive = r->labelled && r->rating >= l->rule.positive,
                               .fold = w->fold >= 0 ? w->fold
                                       : none ? VISIBLE_TO_ALL : VISIBLE_TO_NONE};
    visible_feed_add(l->feed, &v);
}

/* The columns in the order of sql_bulk. */
static int64_t append_review(struct loader *l, const struct wanted *w)
{
    const struct source_record *r = w->r;
    struct bulk *b = l->bulk_review;
    const char *key = r->labelled ? r->review_key : NULL;
    bulk_int(b, ++l->last_review);
    bulk_int(b, w->user);
    bulk_int(b, w->business);
    bulk_int(b, w->at);
    bulk_int(b, w->nth);
    bulk_text(b, key, key ? strlen(key) : 0);
    bulk_int(b, r->labelled);
    r->has_rating ? bulk_real(b, r->rating) : bulk_null(b);
    r->labelled ? bulk_int(b, r->rating >= l->rule.positive) : bulk_null(b);
    bulk_text(b, w->split, strlen(w->split));
    w->fold >= 0 ? bulk_int(b, w->fold) : bulk_null(b);
    w->content ? bulk_int(b, w->content) : bulk_null(b);
    bulk_int(b, l->source_id);
    bulk_int(b, r->line);
    bulk_text(b, w->content ? r->text : NULL, r->text_bytes);
    bulk_row(b, pair_hash(w));
    if (l->feed)
        feed_visible(l, w);
    l->added++;
    return l->last_review;
}

static int64_t insert_review(struct loader *l, const struct wanted *w)
{
    static const char sql_insert[] =
        "INSERT INTO review (user_id, business_id, at, nth, key, labelled, rating, positive,\n"
        "split, fold, content_id, source_id, line, text) VALUES (:user, :business, :at, :nth,\n"
        ":key, :labelled, :rating, :positive, :split, :fold, :content, :source, :line, :text)";
    if (l->bulk_review)
        return append_review(l, w);
    sqlite3_stmt *q = db_use(l->db, sql_insert);
    bind_review(q, l, w);
    db_run(q);
    l->added++;
    return db_last_id(l->db);
}

/* 1 when anything that others read changed; a moved line only is not counted. */
static void update_review(struct loader *l, const struct wanted *w, int64_t id)
{
    static const char sql_place[] =
        "UPDATE review SET source_id = :source, line = :line\n"
        "WHERE id = :id AND (source_id, line) IS NOT (:source, :line)";
    static const char sql_update[] =
        "UPDATE review SET user_id = :user, business_id = :business, at = :at, nth = :nth,\n"
        "key = :key, labelled = :labelled, rating = :rating, positive = :positive,\n"
        "split = :split, fold = :fold, content_id = :content, source_id = :source,\n"
        "line = :line, text = :text\n"
        "WHERE id = :id AND (user_id, business_id, at, nth, key, labelled, rating, positive,\n"
        "split, fold, content_id) IS NOT (:user, :business, :at, :nth, :key, :labelled,\n"
        ":rating, :positive, :split, :fold, :content)";
    static const char sql_old[] = "SELECT user_id, business_id FROM review WHERE id = :id";
    flush_reviews(l);
    sqlite3_stmt *q = db_use(l->db, sql_old);
    db_int(q, ":id", id);
    int64_t old_user = 0, old_business = 0;
    if (db_step(q)) {
        old_user = sqlite3_column_int64(q, 0);
        old_business = sqlite3_column_int64(q, 1);
    }
    q = db_use(l->db, sql_update);
    bind_review(q, l, w);
    db_int(q, ":id", id);
    db_run(q);
    if (db_changes(l->db)) {
        l->changed++;
        idset_add(&l->users, old_user);
        idset_add(&l->businesses, old_business);
        idset_add(&l->users, w->user);
        idset_add(&l->businesses, w->business);
        return;
    }
    q = db_use(l->db, sql_place);
    db_int(q, ":source", l->source_id);
    db_int(q, ":line", w->r->line);
    db_int(q, ":id", id);
    db_run(q);
}

/* The record equals a row that this pass has already met. */
static int merge_into(struct loader *l, struct wanted *w, const struct row *row, struct err *e)
{
    if (w->r->labelled && row->labelled)
        return err_set(e, "the same review again (user, business, time and text)");
    l->merged_here++;
    if (w->r->labelled) { /* a history review turns out to have a label */
        w->nth = row->nth;
        w->at = row->at;
        if (w->r->review_key)
            ids_maybe_met(&l->ids, ids_hash(KEY, w->r->review_key));
        update_review(l, w, row->id);
    }
    pics_put(l, w->r, row->id, w->business);
    return 0;
}

/* The cache's slot of the review, or NULL without a cache or a text. */
static struct loader_met *met_slot(struct loader *l, const struct wanted *w)
{
    uint64_t hash = rng_mix(pair_hash(w) + (uint64_t)w->content);
    return l->met && w->content ? &l->met[hash % MET] : NULL;
}

static int is_met(const struct loader_met *m, const struct wanted *w)
{
    return m->user == w->user && m->business == w->business && m->content == w->content;
}

static int put_review(struct loader *l, const struct source_record *r,
                      const unsigned char *digest, struct err *e)
{
    struct wanted w = {.user = ids_user(&l->ids, r->user_key),
                       .business = ids_business(&l->ids, r->business_key),
                       .at = r->has_at ? r->at : 0, .r = r, .split = split_of(l, r), .fold = -1};
    if (!w.split)
        return err_set(e, "the record names no split; use SPLIT=random");
    if (!strcmp(w.split, "train"))
        w.fold = fold_of(l, r);
    w.digest = digest;
    if (digest)
        w.content = ids_content(&l->ids, digest, r->text_bytes);
    struct loader_met *met = met_slot(l, &w);
    if (met && !r->labelled && r->n_pics == 0 && is_met(met, &w)) {
        l->merged_here++; /* what match and merge_into would find */
        return 0;
    }
    struct row row = {0};
    if (ids_maybe_met(&l->ids, pair_hash(&w)))
        row = match(l, &w);
    struct loader_met is = {w.user, w.business, w.content};
    if (row.seen) {
        if (met)
            *met = is;
        return merge_into(l, &w, &row, e);
    }
    /* The key of a history review names its user and business, not the review. */
    int64_t keyed = r->review_key && r->labelled ? id_of_key(l, r->review_key) : 0;
    if (keyed && idset_has(&l->seen_reviews, keyed))
        return err_set(e, "the review id %.60s again", r->review_key);
    int64_t id = keyed ? keyed : row.id;
    if (id)
        update_review(l, &w, id);
    else {
        id = insert_review(l, &w);
        if (!l->fresh) {
            idset_add(&l->users, w.user);
            idset_add(&l->businesses, w.business);
        }
    }
    idset_add(&l->seen_reviews, id);
    if (met)
        *met = is;
    pics_put(l, r, id, w.business);
    return 0;
}

/* ---- businesses and photos ---- */

static void put_business(struct loader *l, const struct source_record *r)
{
    static const char sql_set[] =
        "UPDATE business SET name = :name, categories = :categories, price = :price\n"
        "WHERE id = :id AND (name, categories, price) IS NOT (:name, :categories, :price)";
    int64_t id = ids_business(&l->ids, r->business_key);
    ids_flush(&l->ids);
    sqlite3_stmt *q = db_use(l->db, sql_set);
    db_int(q, ":id", id);
    db_text(q, ":name", r->name);
    db_text(q, ":categories", r->categories);
    db_text(q, ":price", r->price);
    db_run(q);
    idset_add(&l->seen_businesses, id);
}

int loader_record(struct loader *l, const struct source_record *r, const unsigned char *digest,
                  struct err *e)
{
    switch (r->what) {
    case SOURCE_REVIEW:
        return put_review(l, r, digest, e);
    case SOURCE_BUSINESS:
        put_business(l, r);
        return 0;
    case SOURCE_PHOTO:
        pics_photo(l, r);
        return 0;
    }
    return err_set(e, "unknown kind of record");
}

/* ---- begin and end ---- */

static const char sql_bulk[] =
    "INSERT OR ROLLBACK INTO review (id, user_id, business_id, at, nth, key, labelled, rating,\n"
    "positive, split, fold, content_id, source_id, line, text) SELECT * FROM bulk_review";

static void wait_for_lane(void *lane)
{
    lane_wait(lane);
}

void loader_begin(struct loader *l, struct db *db, const struct loader_rule *rule)
{
    static const char sql_any[] =
        "SELECT NOT (EXISTS (SELECT 1 FROM review) OR EXISTS (SELECT 1 FROM image)\n"
        "OR EXISTS (SELECT 1 FROM user) OR EXISTS (SELECT 1 FROM business)\n"
        "OR EXISTS (SELECT 1 FROM content))";
    *l = (struct loader){.db = db, .rule = *rule};
    l->fresh = db_one_int(db_use(db, sql_any), 0) != 0;
    if (l->fresh) {
        l->lane = lane_new();
        db_share(db, wait_for_lane, l->lane);
        if (rule->unit != UNIT_TIME)
            l->feed = visible_feed_new();
    }
    ids_begin(&l->ids, db, l->lane);
    pics_begin(l);
    if (l->fresh) { /* one sort at the end instead of a random insert per row */
        db_exec(db, "DROP INDEX review_business; DROP INDEX review_content");
        l->met = xcalloc(MET, sizeof *l->met);
        l->bulk_review = bulk_new(db, l->lane, "bulk_review", 15, sql_bulk);
    }
}

void loader_source(struct loader *l, int64_t source_id)
{
    l->source_id = source_id;
    l->merged_here = 0;
}

static void release_caches(struct loader *l)
{
    bulk_free(l->bulk_review);
    l->bulk_review = NULL;
    free(l->met);
    l->met = NULL;
    ids_release(&l->ids);
}

static void release_lane(struct loader *l)
{
    db_share(l->db, NULL, NULL);
    lane_free(l->lane);
    l->lane = NULL;
}

void loader_end(struct loader *l)
{
    flush_reviews(l);
    ids_flush(&l->ids);
    release_caches(l); /* the sorts want the memory */
    /* Building an index sorts in as much memory again as the cache has, and reads in order. */
    if (l->fresh)
        db_exec(l->db, "PRAGMA cache_size = -4096");
    pics_close(l);
    if (l->fresh)
        db_exec(l->db, "CREATE INDEX review_business ON review (business_id);"
                       "CREATE INDEX review_content ON review (content_id)");
    settle(l);
}

void loader_visible(struct loader *l, struct visible_stats *st)
{
    int by_time = l->rule.unit == UNIT_TIME;
    if (l->feed)
        visible_update_fed(l->db, l->lane, l->feed, &l->users, &l->businesses, st);
    else if (l->fresh || by_time)
        visible_update(l->db, by_time, NULL, NULL, st);
    else
        visible_update(l->db, by_time, &l->users, &l->businesses, st);
}

void loader_release(struct loader *l)
{
    release_caches(l);
    bulk_free(l->bulk_image);
    release_lane(l);
    visible_feed_free(l->feed);
    idset_release(&l->mixed);
    idset_release(&l->seen_reviews);
    idset_release(&l->seen_images);
    idset_release(&l->seen_businesses);
    idset_release(&l->users);
    idset_release(&l->businesses);
}
