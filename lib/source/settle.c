/* SPDX-License-Identifier: MIT */
#include "source/settle.h"
#include "base/util.h"
#include "db/db.h"
#include <stdlib.h>
#include <string.h>

/* Rows that no file named any more. */
static void remove_unseen(struct loader *l)
{
    static const char sql_reviews[] = "SELECT id, user_id, business_id FROM review";
    static const char sql_images[] = "SELECT id, coalesce(business_id, 0) FROM image";
    static const char sql_unlink[] =
        "UPDATE image SET review_id = NULL WHERE business_id = (SELECT business_id FROM review\n"
        "WHERE id = :id) AND review_id = :id";
    static const char sql_drop[] = "DELETE FROM review WHERE id = :id";
    static const char sql_drop_image[] = "DELETE FROM image WHERE id = :id";
    struct idset gone = {0}, gone_images = {0};
    sqlite3_stmt *q = db_use(l->db, sql_reviews);
    while (db_step(q))
        if (!idset_has(&l->seen_reviews, sqlite3_column_int64(q, 0))) {
            idset_add(&gone, sqlite3_column_int64(q, 0));
            idset_add(&l->users, sqlite3_column_int64(q, 1));
            idset_add(&l->businesses, sqlite3_column_int64(q, 2));
        }
    q = db_use(l->db, sql_images);
    while (db_step(q))
        if (!idset_has(&l->seen_images, sqlite3_column_int64(q, 0))) {
            idset_add(&gone_images, sqlite3_column_int64(q, 0));
            idset_add(&l->businesses, sqlite3_column_int64(q, 1));
        }
    for (int64_t id = idset_next(&gone_images, 1); id > 0; id = idset_next(&gone_images, id + 1)) {
        q = db_use(l->db, sql_drop_image);
        db_int(q, ":id", id);
        db_run(q);
        l->image_changes++;
    }
    for (int64_t id = idset_next(&gone, 1); id > 0; id = idset_next(&gone, id + 1)) {
        q = db_use(l->db, sql_unlink);
        db_int(q, ":id", id);
        db_run(q);
        q = db_use(l->db, sql_drop);
        db_int(q, ":id", id);
        db_run(q);
        l->removed++;
    }
    idset_release(&gone);
    idset_release(&gone_images);
}

/* Users and businesses that only removed reviews had. */
static void remove_orphans(struct loader *l)
{
    static const char sql_users[] =
        "DELETE FROM user WHERE NOT EXISTS (SELECT 1 FROM review r WHERE r.user_id = user.id)";
    static const char sql_unused[] =
        "SELECT id FROM business b WHERE NOT EXISTS (SELECT 1 FROM review r\n"
        "WHERE r.business_id = b.id) AND NOT EXISTS (SELECT 1 FROM image i\n"
        "WHERE i.business_id = b.id)";
    static const char sql_drop[] = "DELETE FROM business WHERE id = :id";
    struct idset gone = {0};
    if (l->fresh)
        return;
    db_run(db_use(l->db, sql_users));
    sqlite3_stmt *q = db_use(l->db, sql_unused);
    while (db_step(q))
        if (!idset_has(&l->seen_businesses, sqlite3_column_int64(q, 0)))
            idset_add(&gone, sqlite3_column_int64(q, 0));
    for (int64_t id = idset_next(&gone, 1); id > 0; id = idset_next(&gone, id + 1)) {
        q = db_use(l->db, sql_drop);
        db_int(q, ":id", id);
        db_run(q);
    }
    idset_release(&gone);
}

/* ---- what hides with a label ---- */

struct move {
    int64_t id, user, business;
    int split, fold; /* fold -1: NULL */
};

struct moves {
    struct move *m;
    size_t n, cap;
};

/* The rows of q: id, user, business and, for what hides, number of the split and fold. */
static void take_moves(struct moves *t, sqlite3_stmt *q)
{
    int hides = sqlite3_column_count(q) == 5;
    while (db_step(q)) {
        if (t->n == t->cap) {
            t->cap = t->cap * 2 + 256;
            t->m = xrealloc(t->m, t->cap, sizeof *t->m);
        }
        struct move m = {sqlite3_column_int64(q, 0), sqlite3_column_int64(q, 1),
                         sqlite3_column_int64(q, 2), 0, -1};
        if (hides)
            m.split = sqlite3_column_int(q, 3);
        if (m.split == 1)
            m.fold = sqlite3_column_int(q, 4);
        t->m[t->n++] = m;
    }
}

static void apply_moves(struct loader *l, const struct moves *t)
{
    static const char sql_set[] =
        "UPDATE review SET split = :split, fold = :fold WHERE id = :id\n"
        "AND (split, fold) IS NOT (:split, :fold)";
    static const char *const name[] = {"none", "train", "val", "test"};
    for (size_t i = 0; i < t->n; i++) {
        const struct move *m = &t->m[i];
        sqlite3_stmt *q = db_use(l->db, sql_set);
        db_text(q, ":split", name[m->split]);
        if (m->fold >= 0)
            db_int(q, ":fold", m->fold);
        db_int(q, ":id", m->id);
        db_run(q);
        if (db_changes(l->db)) {
            l->changed++;
            idset_add(&l->users, m->user);
            idset_add(&l->businesses, m->business);
        }
    }
}

#define SQL_PAIRS \
    "SELECT h.id, h.user_id, h.business_id,\n" \
    "max(CASE r.split WHEN 'test' THEN 3 WHEN 'val' THEN 2 ELSE 1 END), r.fold\n" \
    "FROM review h JOIN review r ON r.user_id = h.user_id\n" \
    "AND r.business_id = h.business_id AND r.labelled = 1\n" \
    "WHERE h.labelled = 0"

/* An unlabelled review beside a labelled one of the same user and business must not be visible
 * where the label is hidden: it takes the most hidden split of the pair's labels. In a fresh
 * database only users are asked who were met with both; whatever has no label came in as
 * 'none' there. */
static void hide_with_label(struct loader *l)
{
    static const char sql_pairs[] = SQL_PAIRS " GROUP BY h.id";
    static const char sql_pairs_of[] = SQL_PAIRS " AND h.user_id = :user GROUP BY h.id";
    static const char sql_free[] =
        "SELECT h.id, h.user_id, h.business_id FROM review h WHERE h.labelled = 0\n"
        "AND h.split <> 'none' AND NOT EXISTS (SELECT 1 FROM review r\n"
        "WHERE r.user_id = h.user_id AND r.business_id = h.business_id AND r.labelled = 1)";
    struct moves t = {0};
    if (l->fresh) {
        for (int64_t u = idset_next(&l->mixed, 1); u > 0; u = idset_next(&l->mixed, u + 1)) {
            sqlite3_stmt *q = db_use(l->db, sql_pairs_of);
            db_int(q, ":user", u);
            take_moves(&t, q);
        }
    } else {
        take_moves(&t, db_use(l->db, sql_pairs));
        take_moves(&t, db_use(l->db, sql_free));
    }
    apply_moves(l, &t);
    free(t.m);
}

/* SPLIT=time: the first 80 % of the times train, the next 10 % validate; train is cut into
 * blocks of equal size that see only earlier ones. The limits are remembered at the first
 * ingest, so that appended reviews move nobody. */
static void split_by_time(struct loader *l)
{
    static const char sql_limits[] =
        "SELECT json_group_array(at) FROM (SELECT at, row_number() OVER (ORDER BY at) AS i,\n"
        "count(*) OVER () AS n FROM review WHERE labelled = 1)\n"
        "WHERE i = 1 + n * 8 / 10 OR i = 1 + n * 9 / 10 OR\n"
        "(i - 1) * :folds * 10 / (n * 8) <> (i - 2) * :folds * 10 / (n * 8)\n"
        "AND i > 1 AND i <= n * 8 / 10";
    static const char sql_apply[] =
        "WITH c(i, at) AS (SELECT row_number() OVER (ORDER BY value) - 1, value\n"
        "FROM json_each(:limits)), n(n) AS (SELECT count(*) FROM c)\n"
        "UPDATE review SET (split, fold) = (SELECT\n"
        "CASE WHEN k <= n - 2 THEN 'train' WHEN k = n - 1 THEN 'val' ELSE 'test' END,\n"
        "CASE WHEN k <= n - 2 THEN k END\n"
        "FROM (SELECT count(*) AS k FROM c WHERE c.at <= review.at), n) WHERE labelled = 1";
    char *limits = db_setting(l->db, "time_limits");
    if (!limits) {
        sqlite3_stmt *q = db_use(l->db, sql_limits);
        db_int(q, ":folds", l->rule.folds);
        limits = db_step(q) ? xstrdup(db_col_text(q, 0)) : xstrdup("[]");
        sqlite3_reset(q);
        db_set_setting(l->db, "time_limits", limits);
    }
    sqlite3_stmt *q = db_use(l->db, sql_apply);
    db_text(q, ":limits", limits);
    db_run(q);
    l->changed += db_changes(l->db);
    free(limits);
}

void settle(struct loader *l)
{
    if (!l->fresh)
        remove_unseen(l);
    if (l->rule.unit == UNIT_TIME && !l->rule.provided)
        split_by_time(l);
    hide_with_label(l);
    remove_orphans(l);
}
