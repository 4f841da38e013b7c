/* SPDX-License-Identifier: MIT */
#include "source/pics.h"
#include "base/util.h"
#include "db/db.h"
#include "source/bulk.h"
#include <string.h>

/* As in schema.sql; a fresh load drops them and makes them again. */
static const char image_indices[] =
    "CREATE UNIQUE INDEX image_key ON image (key);"
    "CREATE INDEX image_business ON image (business_id)";

static const char sql_add_image[] =
    "INSERT INTO image (key, review_id, business_id, state, reason) VALUES\n"
    "(:key, nullif(:review, 0), nullif(:business, 0), 'missing', 'no image folder')";

static void append_image(struct loader *l, const char *key, int64_t review, int64_t business)
{
    static const char sql_again[] = "INSERT OR IGNORE INTO temp.image_again VALUES (:key)";
    uint64_t hash = ids_hash(2, key);
    bulk_text(l->bulk_image, key, strlen(key));
    review ? bulk_int(l->bulk_image, review) : bulk_null(l->bulk_image);
    business ? bulk_int(l->bulk_image, business) : bulk_null(l->bulk_image);
    bulk_row(l->bulk_image, hash);
    l->image_changes++;
    if (ids_maybe_met(&l->ids, hash)) {
        sqlite3_stmt *q = db_use(l->db, sql_again);
        db_text(q, ":key", key);
        db_run(q);
    }
}

void pics_close(struct loader *l)
{
    static const char sql_any[] = "SELECT EXISTS (SELECT 1 FROM temp.image_again)";
    static const char sql_repeats[] =
        "DELETE FROM image WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER\n"
        "(PARTITION BY key ORDER BY id) AS nth FROM image\n"
        "WHERE key IN (SELECT key FROM temp.image_again)) WHERE nth > 1)";
    if (!l->bulk_image)
        return;
    bulk_flush(l->bulk_image);
    bulk_free(l->bulk_image);
    l->bulk_image = NULL;
    if (db_one_int(db_use(l->db, sql_any), 0)) {
        db_run(db_use(l->db, sql_repeats));
        l->merged_here += db_changes(l->db);
    }
    db_exec(l->db, image_indices);
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

void pics_put(struct loader *l, const struct source_record *r, int64_t review,
              int64_t business)
{
    for (int i = 0; i < r->n_pics; i++)
        if (l->bulk_image)
            append_image(l, r->pics[i], review, business);
        else
            put_image(l, r->pics[i], review, business);
}

void pics_photo(struct loader *l, const struct source_record *r)
{
    static const char sql_has[] = "SELECT EXISTS (SELECT 1 FROM image WHERE key = :key)";
    static const char sql_set[] =
        "UPDATE image SET path = :path, caption = :caption WHERE key = :key\n"
        "AND (path, caption) IS NOT (:path, :caption)";
    static const char sql_which[] = "SELECT coalesce(business_id, 0) FROM image WHERE key = :key";
    pics_close(l);
    sqlite3_stmt *q = db_use(l->db, sql_has);
    db_text(q, ":key", r->photo_key);
    if (!db_one_int(q, 0) || r->business_key)
        put_image(l, r->photo_key, 0, r->business_key ? ids_business(&l->ids, r->business_key) : 0);
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

void pics_begin(struct loader *l)
{
    if (!l->fresh)
        return;
    db_exec(l->db, "DROP INDEX image_key; DROP INDEX image_business;"
                   "CREATE TEMP TABLE IF NOT EXISTS image_again (key TEXT PRIMARY KEY)"
                   " WITHOUT ROWID; DELETE FROM temp.image_again");
    l->bulk_image = bulk_new(l->db, l->lane, "bulk_image", 3,
        "INSERT OR ROLLBACK INTO image (key, review_id, business_id, state, reason)\n"
        "SELECT c0, c1, c2, 'missing', 'no image folder' FROM bulk_image");
}
