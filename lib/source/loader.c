/* SPDX-License-Identifier: MIT */
#include "source/loader.h"
#include "base/rng.h"
#include "base/sha256.h"
#include "base/util.h"
#include "db/db.h"
#include "source/settle.h"
#include <stdlib.h>
#include <string.h>

#define NAMES 16384 /* slots of the caches of ids */
#define TEXTS 8192
#define LOG2_MET 25 /* 4 MiB */

/* As in schema.sql; a fresh load drops them and makes them again. */
static const char image_indices[] =
    "CREATE UNIQUE INDEX image_key ON image (key);"
    "CREATE INDEX image_business ON image (business_id);"
    "CREATE INDEX image_content ON image (content_id) WHERE content_id IS NOT NULL";

/* ---- keys to ids ---- */

static uint64_t hash_text(uint64_t h, const char *s)
{
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * UINT64_C(0x100000001b3); /* FNV-1a */
    return rng_mix(h);
}

/* 0: certainly not in the tables yet. */
static int maybe_met(struct loader *l, uint64_t hash)
{
    return !l->fresh || bloom_add(&l->met, hash);
}

static int64_t find_or_add(struct loader *l, const char *sql_find, const char *sql_add,
                           const char *key, uint64_t kind)
{
    uint64_t hash = hash_text(kind, key);
    struct loader_name *slot = &l->names[hash % NAMES];
    if (slot->key && slot->key[0] == (char)('0' + kind) && strcmp(slot->key + 1, key) == 0)
        return slot->id;
    sqlite3_stmt *q;
    int64_t id = 0;
    if (maybe_met(l, hash)) {
        q = db_use(l->db, sql_find);
        db_text(q, ":key", key);
        id = db_one_int(q, 0);
    }
    if (!id) {
        q = db_use(l->db, sql_add);
        db_text(q, ":key", key);
        db_run(q);
        id = db_last_id(l->db);
    }
    free(slot->key);
    slot->key = xasprintf("%c%s", (char)('0' + kind), key);
    slot->id = id;
    return id;
}

static int64_t user_id(struct loader *l, const char *key)
{
    static const char sql_find[] = "SELECT id FROM user WHERE key = :key";
    static const char sql_add[] = "INSERT INTO user (key) VALUES (:key)";
    return find_or_add(l, sql_find, sql_add, key, 0);
}

static int64_t business_id(struct loader *l, const char *key)
{
    static const char sql_find[] = "SELECT id FROM business WHERE key = :key";
    static const char sql_add[] = "INSERT INTO business (key) VALUES (:key)";
    return find_or_add(l, sql_find, sql_add, key, 1);
}

static int64_t content_of(struct loader *l, const char *text, size_t bytes)
{
    unsigned char digest[SHA256_BYTES];
    uint64_t hash;
    sha256_of(digest, text, bytes);
    memcpy(&hash, digest, sizeof hash);
    struct loader_text *slot = &l->texts[hash % TEXTS];
    if (slot->id && memcmp(slot->digest, digest, sizeof digest) == 0)
        return slot->id;
    slot->id = maybe_met(l, hash) ? db_content(l->db, digest, (int64_t)bytes)
                                  : db_content_new(l->db, digest, (int64_t)bytes);
    memcpy(slot->digest, digest, sizeof digest);
    return slot->id;
}

/* ---- split and fold ---- */

/* A number in [0, 1) from the unit's key and the seed. salt keeps split and fold apart. */
static double unit_hash(const struct loader *l, const struct source_record *r, uint64_t salt)
{
    uint64_t h = hash_text(rng_mix(l->rule.seed) ^ salt, r->user_key);
    if (l->rule.unit != UNIT_USER)
        h = hash_text(h, r->business_key);
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
    const struct source_record *r;
};

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
    sqlite3_stmt *q = db_use(l->db, sql_pair);
    db_int(q, ":user", w->user);
    db_int(q, ":business", w->business);
    while (db_step(q)) {
        row = (struct row){sqlite3_column_int64(q, 0), sqlite3_column_int64(q, 1),
                           sqlite3_column_int64(q, 2), sqlite3_column_int64(q, 3),
                           sqlite3_column_int(q, 4), 0};
        row.seen = idset_has(&l->seen_reviews, row.id);
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

static uint64_t pair_hash(const struct wanted *w)
{
    return rng_mix(rng_mix((uint64_t)w->user) + (uint64_t)w->business);
}

static int64_t id_of_key(struct loader *l, const char *key)
{
    static const char sql_key[] = "SELECT id FROM review WHERE key = :key";
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

static int64_t insert_review(struct loader *l, const struct wanted *w)
{
    static const char sql_insert[] =
        "INSERT INTO review (user_id, business_id, at, nth, key, labelled, rating, positive,\n"
        "split, fold, content_id, source_id, line, text) VALUES (:user, :business, :at, :nth,\n"
        ":key, :labelled, :rating, :positive, :split, :fold, :content, :source, :line, :text)";
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

static const char sql_add_image[] =
    "INSERT INTO image (key, review_id, business_id, state, reason) VALUES\n"
    "(:key, nullif(:review, 0), nullif(:business, 0), 'missing', 'no image folder')";

static void append_image(struct loader *l, const char *key, int64_t review, int64_t business)
{
    static const char sql_again[] = "INSERT OR IGNORE INTO temp.image_again VALUES (:key)";
    sqlite3_stmt *q = db_use(l->db, sql_add_image);
    db_text(q, ":key", key);
    db_int(q, ":review", review);
    db_int(q, ":business", business);
    db_run(q);
    l->image_changes++;
    if (bloom_add(&l->met, hash_text(2, key))) {
        q = db_use(l->db, sql_again);
        db_text(q, ":key", key);
        db_run(q);
    }
}

/* The end of appending: of several reviews that name one photo the first one has it. */
static void close_images(struct loader *l)
{
    static const char sql_repeats[] =
        "DELETE FROM image WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER\n"
        "(PARTITION BY key ORDER BY id) AS nth FROM image\n"
        "WHERE key IN (SELECT key FROM temp.image_again)) WHERE nth > 1)";
    if (!l->images_open)
        return;
    db_run(db_use(l->db, sql_repeats));
    l->merged_here += db_changes(l->db);
    db_exec(l->db, image_indices);
    l->images_open = 0;
}

/* A photo named by a review (review, business) or by a manifest (review 0). */
static void put_image(struct loader *l, const char *key, int64_t review, int64_t business)
{
    static const char sql_find[] =
        "SELECT id, coalesce(review_id, 0), coalesce(business_id, 0) FROM image WHERE key = :key";
    static const char sql_set[] =
        "UPDATE image SET review_id = nullif(:review, 0), business_id = nullif(:business, 0)\n"
        "WHERE id = :id";
    sqlite3_stmt *q = db_use(l->db, sql_find);
    db_text(q, ":key", key);
    int64_t id = 0, old_review = 0, old_business = 0;
    if (db_step(q)) {
        id = sqlite3_column_int64(q, 0);
        old_review = sqlite3_column_int64(q, 1);
        old_business = sqlite3_column_int64(q, 2);
    }
    sqlite3_reset(q);
    if (id && idset_has(&l->seen_images, id)) {
        l->merged_here++; /* several reviews name one photo: the first one has it */
        return;
    }
    if (id && old_review == review && old_business == business) {
        idset_add(&l->seen_images, id);
        return;
    }
    q = db_use(l->db, id ? sql_set : sql_add_image);
    if (id)
        db_int(q, ":id", id);
    else
        db_text(q, ":key", key);
    db_int(q, ":review", review);
    db_int(q, ":business", business);
    db_run(q);
    idset_add(&l->seen_images, id ? id : db_last_id(l->db));
    if (old_business)
        idset_add(&l->businesses, old_business);
    idset_add(&l->businesses, business);
    l->image_changes++;
}

static void put_pics(struct loader *l, const struct source_record *r, int64_t review,
                     int64_t business)
{
    for (int i = 0; i < r->n_pics; i++)
        if (l->images_open)
            append_image(l, r->pics[i], review, business);
        else
            put_image(l, r->pics[i], review, business);
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
        update_review(l, w, row->id);
    }
    put_pics(l, w->r, row->id, w->business);
    return 0;
}

static int put_review(struct loader *l, const struct source_record *r, struct err *e)
{
    struct wanted w = {.user = user_id(l, r->user_key), .business = business_id(l, r->business_key),
                       .at = r->has_at ? r->at : 0, .r = r, .split = split_of(l, r), .fold = -1};
    if (!w.split)
        return err_set(e, "the record names no split; use SPLIT=random");
    if (!strcmp(w.split, "train"))
        w.fold = fold_of(l, r);
    if (r->text_bytes)
        w.content = content_of(l, r->text, r->text_bytes);
    struct row row = {0};
    if (maybe_met(l, pair_hash(&w)))
        row = match(l, &w);
    if (row.seen)
        return merge_into(l, &w, &row, e);
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
    put_pics(l, r, id, w.business);
    return 0;
}

/* ---- businesses and photos ---- */

static void put_business(struct loader *l, const struct source_record *r)
{
    static const char sql_set[] =
        "UPDATE business SET name = :name, categories = :categories, price = :price\n"
        "WHERE id = :id AND (name, categories, price) IS NOT (:name, :categories, :price)";
    int64_t id = business_id(l, r->business_key);
    sqlite3_stmt *q = db_use(l->db, sql_set);
    db_int(q, ":id", id);
    db_text(q, ":name", r->name);
    db_text(q, ":categories", r->categories);
    db_text(q, ":price", r->price);
    db_run(q);
    idset_add(&l->seen_businesses, id);
}

static void put_photo(struct loader *l, const struct source_record *r)
{
    static const char sql_has[] = "SELECT EXISTS (SELECT 1 FROM image WHERE key = :key)";
    static const char sql_set[] =
        "UPDATE image SET path = :path, caption = :caption WHERE key = :key\n"
        "AND (path, caption) IS NOT (:path, :caption)";
    static const char sql_which[] = "SELECT coalesce(business_id, 0) FROM image WHERE key = :key";
    close_images(l);
    sqlite3_stmt *q = db_use(l->db, sql_has);
    db_text(q, ":key", r->photo_key);
    if (!db_one_int(q, 0) || r->business_key)
        put_image(l, r->photo_key, 0, r->business_key ? business_id(l, r->business_key) : 0);
    q = db_use(l->db, sql_set);
    db_text(q, ":path", r->photo_path ? r->photo_path : "");
    db_text(q, ":caption", r->photo_caption);
    db_text(q, ":key", r->photo_key);
    db_run(q);
    if (db_changes(l->db)) {
        l->image_changes++;
        q = db_use(l->db, sql_which);
        db_text(q, ":key", r->photo_key);
        idset_add(&l->businesses, db_one_int(q, 0));
    }
}

int loader_record(struct loader *l, const struct source_record *r, struct err *e)
{
    switch (r->what) {
    case SOURCE_REVIEW:
        return put_review(l, r, e);
    case SOURCE_BUSINESS:
        put_business(l, r);
        return 0;
    case SOURCE_PHOTO:
        put_photo(l, r);
        return 0;
    }
    return err_set(e, "unknown kind of record");
}

/* ---- begin and end ---- */

void loader_begin(struct loader *l, struct db *db, const struct loader_rule *rule)
{
    static const char sql_any[] = "SELECT NOT EXISTS (SELECT 1 FROM review)";
    *l = (struct loader){.db = db, .rule = *rule};
    l->fresh = db_one_int(db_use(db, sql_any), 0) != 0;
    l->names = xcalloc(NAMES, sizeof *l->names);
    l->texts = xcalloc(TEXTS, sizeof *l->texts);
    if (l->fresh) { /* one sort at the end instead of a random insert per row */
        bloom_init(&l->met, LOG2_MET);
        db_exec(db, "DROP INDEX review_business; DROP INDEX review_content;"
                    "DROP INDEX image_key; DROP INDEX image_business; DROP INDEX image_content;"
                    "CREATE TEMP TABLE IF NOT EXISTS image_again (key TEXT PRIMARY KEY)"
                    " WITHOUT ROWID; DELETE FROM temp.image_again");
        l->images_open = 1;
    }
}

void loader_source(struct loader *l, int64_t source_id)
{
    l->source_id = source_id;
    l->merged_here = 0;
}

void loader_end(struct loader *l)
{
    close_images(l);
    if (l->fresh)
        db_exec(l->db, "CREATE INDEX review_business ON review (business_id);"
                       "CREATE INDEX review_content ON review (content_id)");
    settle(l);
}

void loader_release(struct loader *l)
{
    for (int i = 0; l->names && i < NAMES; i++)
        free(l->names[i].key);
    free(l->names);
    free(l->texts);
    bloom_release(&l->met);
    idset_release(&l->seen_reviews);
    idset_release(&l->seen_images);
    idset_release(&l->seen_businesses);
    idset_release(&l->users);
    idset_release(&l->businesses);
}
