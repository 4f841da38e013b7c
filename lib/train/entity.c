/* SPDX-License-Identifier: MIT */
#include "train/entity.h"
#include "base/buf.h"
#include "base/util.h"
#include "db/db.h"
#include "db/member.h"
#include "db/method.h"
#include "db/stage.h"
#include "db/vec.h"
#include <stdlib.h>
#include <string.h>

/* Every query gives (review.id or NULL, vec). Unused parameters are kept in play by
 * "IS NOT NULL", so that all of them bind the same five. */
#define SUMMARY \
    "SELECT NULL, e.vec FROM summary s CROSS JOIN method m ON m.id = s.method_id\n" \
    "AND m.current = 1 CROSS JOIN embedding e ON e.content_id = s.content_id\n" \
    "AND e.method_id = :method\n" \
    "WHERE s.visible_id = :visible AND :entity IS NOT NULL AND :fold IS NOT NULL\n" \
    "AND :by_time IS NOT NULL"
#define TEXTS(column) \
    "SELECT r.id, e.vec FROM review r CROSS JOIN content c ON c.id = r.content_id\n" \
    "CROSS JOIN embedding e ON e.content_id = c.id AND e.method_id = :method\n" \
    "WHERE r." column " = :entity AND :visible IS NOT NULL AND " MEMBER_SQL \
    "\nORDER BY c.digest, r.id"

static const char sql_summary[] = SUMMARY;
static const char sql_user_texts[] = TEXTS("user_id");
static const char sql_business_texts[] = TEXTS("business_id");
static const char sql_captions[] =
    "SELECT i.review_id, e.vec FROM image i\n" /* CROSS: never from the vectors backwards */
    "CROSS JOIN caption t ON t.image_id = i.id AND t.method_id = (SELECT id FROM method\n"
    "WHERE task = 'caption' AND current = 1)\n"
    "CROSS JOIN embedding e ON e.content_id = t.content_id AND e.method_id = :method\n"
    "LEFT JOIN review r ON r.id = i.review_id\n"
    "WHERE i.business_id = :entity AND :visible IS NOT NULL\n"
    "AND (i.review_id IS NULL OR " MEMBER_SQL ") ORDER BY i.key";
static const char sql_photos[] =
    "SELECT i.review_id, e.vec FROM image i\n"
    "CROSS JOIN embedding e ON e.content_id = i.content_id AND e.method_id = :method\n"
    "LEFT JOIN review r ON r.id = i.review_id\n"
    "WHERE i.business_id = :entity AND i.state = 'ok' AND :visible IS NOT NULL\n"
    "AND (i.review_id IS NULL OR " MEMBER_SQL ") ORDER BY i.key";

const struct entity_input entity_inputs[ENTITY_INPUTS] = {
    [ENTITY_USER_SUMMARY] = {"user summary", NULL, "text", DATASET_USER, sql_summary},
    [ENTITY_BUSINESS_SUMMARY] = {"business summary", NULL, "text", DATASET_BUSINESS, sql_summary},
    [ENTITY_CAPTIONS] = {"business captions", "caption-mean", "text", DATASET_BUSINESS,
                         sql_captions},
    [ENTITY_USER_TEXTS] = {"user reviews", "text-mean", "text", DATASET_USER, sql_user_texts},
    [ENTITY_BUSINESS_TEXTS] = {"business reviews", "text-mean", "text", DATASET_BUSINESS,
                               sql_business_texts},
    [ENTITY_PHOTOS] = {"business photos", "photo-mean", "image", DATASET_BUSINESS, sql_photos}};

static void put_reading(struct db *db, const struct dataset_view *v, const char *what,
                        int64_t method, const char *ids)
{
    static const char sql_put[] =
        "INSERT INTO reading (visible_id, what, method_id, set_digest, review_ids)\n"
        "VALUES (:visible, :what, :method, :digest, :ids)\n"
        "ON CONFLICT (visible_id, what, method_id) DO UPDATE SET\n"
        "set_digest = excluded.set_digest, review_ids = excluded.review_ids\n"
        "WHERE (set_digest, review_ids) IS NOT (excluded.set_digest, excluded.review_ids)";
    sqlite3_stmt *q = db_use(db, sql_put);
    db_int(q, ":visible", v->id);
    db_text(q, ":what", what);
    db_int(q, ":method", method);
    db_blob(q, ":digest", strcmp(what, "text-mean") == 0 ? v->text_digest : v->photo_digest, 32);
    db_text(q, ":ids", ids);
    db_run(q);
}

struct reader {
    struct entity_matrix *m;
    struct db *db;
    const struct entity_input *in;
    int64_t method;
    int by_time, cap;
    double *sum; /* [dim] */
    float *one;  /* [dim] */
    struct buf ids;
};

/* Sum of the member vectors of one view -> r->sum; the count. -1: a bad vector. */
static int sum_members(struct reader *r, const struct dataset_view *v, struct err *e)
{
    int n = 0;
    sqlite3_stmt *q = db_use(r->db, r->in->sql);
    db_int(q, ":visible", v->id);
    db_int(q, ":entity", v->entity);
    db_int(q, ":fold", v->fold);
    db_int(q, ":by_time", r->by_time);
    db_int(q, ":method", r->method);
    memset(r->sum, 0, (size_t)r->m->dim * sizeof *r->sum);
    buf_clear(&r->ids);
    buf_addc(&r->ids, '[');
    while (db_step(q)) {
        struct err why;
        if (vec_column(r->one, q, 1, (size_t)r->m->dim, &why) < 0) {
            sqlite3_reset(q);
            return err_set(e, "%s of visible set %lld: %s", r->in->name, (long long)v->id,
                           why.text);
        }
        for (int k = 0; k < r->m->dim; k++)
            r->sum[k] += r->one[k];
        if (sqlite3_column_type(q, 0) != SQLITE_NULL)
            buf_addf(&r->ids, "%s%lld", r->ids.len > 1 ? "," : "",
                     (long long)sqlite3_column_int64(q, 0));
        n++;
    }
    buf_addc(&r->ids, ']');
    return n;
}

static void add_row(struct reader *r, int view, int n)
{
    struct entity_matrix *m = r->m;
    if (m->n_rows == r->cap) {
        r->cap = r->cap * 2 + 64;
        m->rows = xrealloc(m->rows, (size_t)r->cap * (size_t)m->dim, sizeof *m->rows);
    }
    for (int k = 0; k < m->dim; k++)
        m->rows[(size_t)m->n_rows * (size_t)m->dim + (size_t)k] = (float)(r->sum[k] / n);
    m->row[view] = m->n_rows++;
}

int entity_read(struct entity_matrix *m, const struct dataset *d, struct db *db,
                const struct entity_input *in, int record, struct err *e)
{
    int n_views = d->n_views[in->side], rc = 0;
    char *by_time = db_setting(db, "split_by_time");
    *m = (struct entity_matrix){0};
    struct reader r = {.m = m, .db = db, .in = in, .by_time = by_time && *by_time == '1'};
    free(by_time);
    m->row = xcalloc((size_t)n_views, sizeof *m->row);
    r.method = method_current(db, in->encoder, &m->dim);
    r.sum = xcalloc((size_t)m->dim, sizeof *r.sum);
    r.one = xcalloc((size_t)m->dim, sizeof *r.one);
    for (int v = 0; v < n_views && rc == 0; v++) {
        const struct dataset_view *view = &d->views[in->side][v];
        int n = m->dim ? sum_members(&r, view, e) : 0;
        m->row[v] = -1;
        if (stage_interrupted())
            rc = err_set(e, "interrupted");
        else if (n < 0)
            rc = -1;
        else if (n > 0) {
            add_row(&r, v, n);
            if (in->what && record)
                put_reading(db, view, in->what, r.method, buf_str(&r.ids));
        }
    }
    free(r.sum);
    free(r.one);
    buf_release(&r.ids);
    return rc;
}

void entity_release(struct entity_matrix *m)
{
    free(m->rows);
    free(m->row);
    *m = (struct entity_matrix){0};
}
