/* SPDX-License-Identifier: MIT */
#include "train/entity.h"
#include "base/buf.h"
#include "base/util.h"
#include "db/db.h"
#include "db/member.h"
#include "db/stage.h"
#include "db/vec.h"
#include <stdlib.h>
#include <string.h>

/* Every query gives (review.id or NULL, vec). Unused parameters are kept in play by
 * "IS NOT NULL", so that all of them bind the same six. */
#define SUMMARY \
    "SELECT NULL, e.vec FROM summary s\n" \
    "CROSS JOIN embedding e ON e.content_id = s.content_id AND e.method_id = :method\n" \
    "WHERE s.visible_id = :visible AND s.method_id = :writer AND :entity IS NOT NULL\n" \
    "AND :fold IS NOT NULL AND :by_time IS NOT NULL"
#define TEXTS(column) \
    "SELECT r.id, e.vec FROM review r CROSS JOIN content c ON c.id = r.content_id\n" \
    "CROSS JOIN embedding e ON e.content_id = c.id AND e.method_id = :method\n" \
    "WHERE r." column " = :entity AND :visible IS NOT NULL AND :writer IS NOT NULL\n" \
    "AND " MEMBER_SQL "\nORDER BY c.digest, r.id"

static const char sql_summary[] = SUMMARY;
static const char sql_user_texts[] = TEXTS("user_id");
static const char sql_business_texts[] = TEXTS("business_id");
static const char sql_own_text[] =
    "SELECT e.vec FROM review r CROSS JOIN embedding e ON e.content_id = r.content_id\n"
    "AND e.method_id = :method WHERE r.id = :review";
static const char sql_captions[] =
    "SELECT i.review_id, e.vec FROM image i\n" /* CROSS: never from the vectors backwards */
    "CROSS JOIN caption t ON t.image_id = i.id AND t.method_id = :writer\n"
    "CROSS JOIN embedding e ON e.content_id = t.content_id AND e.method_id = :method\n"
    "LEFT JOIN review r ON r.id = i.review_id\n"
    "WHERE i.business_id = :entity AND :visible IS NOT NULL\n"
    "AND (i.review_id IS NULL OR " MEMBER_SQL ") ORDER BY i.key";
static const char sql_photos[] =
    "SELECT i.review_id, e.vec FROM image i\n"
    "CROSS JOIN embedding e ON e.content_id = i.content_id AND e.method_id = :method\n"
    "LEFT JOIN review r ON r.id = i.review_id\n"
    "WHERE i.business_id = :entity AND i.state = 'ok' AND :visible IS NOT NULL\n"
    "AND :writer IS NOT NULL AND (i.review_id IS NULL OR " MEMBER_SQL ") ORDER BY i.key";

const struct entity_input entity_inputs[ENTITY_INPUTS] = {
    [ENTITY_USER_SUMMARY] = {"user_summary", NULL, 0, DATASET_USER, sql_summary, NULL},
    [ENTITY_BUSINESS_SUMMARY] = {"business_summary", NULL, 0, DATASET_BUSINESS, sql_summary,
                                 NULL},
    [ENTITY_CAPTIONS] = {"captions", "caption-mean", 0, DATASET_BUSINESS, sql_captions, NULL},
    [ENTITY_USER_TEXTS] = {"user_reviews", "text-mean", 0, DATASET_USER, sql_user_texts,
                           sql_own_text},
    [ENTITY_BUSINESS_TEXTS] = {"business_reviews", "text-mean", 0, DATASET_BUSINESS,
                               sql_business_texts, sql_own_text},
    [ENTITY_PHOTOS] = {"photos", "photo-mean", 1, DATASET_BUSINESS, sql_photos, NULL}};

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
    const struct entity_job *job;
    struct entity_matrix *m;
    int64_t method, writer;
    int *row;    /* [views] of the matrix, -1: none */
    int *count;  /* [views] members */
    double *sum; /* [dim] */
    float *one;  /* [dim] */
    struct buf ids;
};

/* Sum of the member vectors of one view -> r->sum; the count. -1: a bad vector. */
static int sum_members(struct reader *r, const struct dataset_view *v, struct err *e)
{
    int n = 0;
    sqlite3_stmt *q = db_use(r->job->db, r->job->in->sql);
    db_int(q, ":visible", v->id);
    db_int(q, ":entity", v->entity);
    db_int(q, ":fold", v->fold);
    db_int(q, ":by_time", r->job->d->by_time);
    db_int(q, ":method", r->method);
    db_int(q, ":writer", r->writer);
    memset(r->sum, 0, (size_t)r->m->dim * sizeof *r->sum);
    buf_clear(&r->ids);
    buf_addc(&r->ids, '[');
    while (db_step(q)) {
        struct err why;
        if (vec_column(r->one, q, 1, (size_t)r->m->dim, &why) < 0) {
            sqlite3_reset(q);
            return err_set(e, "%s of visible set %lld: %s", r->job->in->name, (long long)v->id,
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

/* Room for one more row; where it is. */
static float *new_row(struct entity_matrix *m, struct err *e)
{
    size_t row = (size_t)m->dim * sizeof(float), need = ((size_t)m->n_rows + 1) * row;
    if (need > m->file.bytes && mapped_grow(&m->file, need + need / 2 + 256 * row, e) < 0)
        return NULL;
    m->rows = m->file.data;
    return (float *)m->file.data + (size_t)m->n_rows++ * (size_t)m->dim;
}

static int read_view(struct reader *r, int view, struct err *e)
{
    const struct dataset_view *v = &r->job->d->views[r->job->in->side][view];
    int n = r->m->dim ? sum_members(r, v, e) : 0;
    r->row[view] = -1;
    r->count[view] = n;
    if (n <= 0)
        return n;
    r->row[view] = r->m->n_rows;
    float *to = new_row(r->m, e);
    if (!to)
        return -1;
    for (int k = 0; k < r->m->dim; k++)
        to[k] = (float)(r->sum[k] / n);
    if (r->job->in->what && r->job->record)
        put_reading(r->job->db, v, r->job->in->what, r->method, buf_str(&r->ids));
    return 0;
}

/* A row of its own for a train review whose text is in the mean it would look at. */
static int leave_out(struct reader *r, int i, struct err *e)
{
    const struct dataset *d = r->job->d;
    int view = d->view[r->job->in->side][i], n = view < 0 ? 0 : r->count[view];
    if (n == 0 || d->split[i] != DATASET_TRAIN)
        return 0;
    sqlite3_stmt *q = db_use(r->job->db, r->job->in->sql_own);
    db_int(q, ":method", r->method);
    db_int(q, ":review", d->review[i]);
    if (!db_step(q))
        return 0; /* no text: it is in no mean */
    int rc = vec_column(r->one, q, 0, (size_t)r->m->dim, e);
    sqlite3_reset(q);
    if (rc < 0)
        return rc;
    if (n == 1) {
        r->m->of[i] = -1;
        return 0;
    }
    int mean = r->m->of[i];
    float *to = new_row(r->m, e);
    if (!to)
        return -1;
    const float *from = r->m->rows + (size_t)mean * (size_t)r->m->dim;
    for (int k = 0; k < r->m->dim; k++)
        to[k] = (float)(((double)from[k] * n - (double)r->one[k]) / (n - 1));
    r->m->of[i] = r->m->n_rows - 1;
    return 0;
}

static int read_all(struct reader *r, struct err *e)
{
    const struct dataset *d = r->job->d;
    enum dataset_side side = r->job->in->side;
    int own = d->protocol == DATASET_PAPER && r->job->in->sql_own && r->m->dim;
    for (int v = 0; v < d->n_views[side]; v++) {
        if (stage_interrupted())
            return err_set(e, "interrupted");
        if (read_view(r, v, e) < 0)
            return -1;
    }
    for (int i = 0; i < d->n; i++) {
        int v = d->view[side][i];
        r->m->of[i] = v < 0 ? -1 : r->row[v];
        if (own && leave_out(r, i, e) < 0)
            return -1;
    }
    return 0;
}

int entity_read(struct entity_matrix *m, const struct entity_job *job, struct err *e)
{
    const struct entity_input *in = job->in;
    size_t n_views = (size_t)job->d->n_views[in->side];
    *m = (struct entity_matrix){.dim = in->is_image ? job->who->image_dim : job->who->text_dim};
    struct reader r = {.job = job, .m = m,
                       .method = in->is_image ? job->who->image : job->who->text};
    r.writer = in == &entity_inputs[ENTITY_CAPTIONS] ? job->who->caption : job->who->summary;
    if (mapped_temp(&m->file, job->dir, 0, e) < 0)
        return -1;
    m->of = xcalloc((size_t)job->d->n, sizeof *m->of);
    r.row = xcalloc(n_views, sizeof *r.row);
    r.count = xcalloc(n_views, sizeof *r.count);
    r.sum = xcalloc((size_t)m->dim, sizeof *r.sum);
    r.one = xcalloc((size_t)m->dim, sizeof *r.one);
    int rc = read_all(&r, e);
    free(r.row);
    free(r.count);
    free(r.sum);
    free(r.one);
    buf_release(&r.ids);
    if (rc < 0)
        entity_release(m);
    return rc;
}

void entity_release(struct entity_matrix *m)
{
    mapped_release(&m->file);
    free(m->of);
    *m = (struct entity_matrix){0};
}
