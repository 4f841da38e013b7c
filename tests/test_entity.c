/* SPDX-License-Identifier: MIT */
/* Means of what each row may see against sums straight from the tables, the own text left out,
 * and the rows of table block. */
#include "db/setting.h"
#include "db/vec.h"
#include "small_db.h"
#include "train/entity.h"

enum { DIM = 3 };

static struct dataset *read_set(struct db *db, enum dataset_protocol p)
{
    struct err e;
    struct dataset *d = dataset_new(db, p, &e);
    if (!d)
        die("%s", e.text);
    return d;
}

/* What the content says, drawn from its id, so that it can be drawn again. */
static void vector_of(float v[DIM], int64_t content, int64_t method)
{
    struct rng g;
    rng_seed(&g, (uint64_t)content, (uint64_t)method);
    for (int k = 0; k < DIM; k++)
        v[k] = rng_normal(&g);
}

static void embed(struct db *db, int64_t content, int64_t method)
{
    static const char sql_put[] =
        "INSERT OR IGNORE INTO embedding (method_id, content_id, vec) VALUES (:m, :c, :vec)";
    float v[DIM];
    sqlite3_stmt *q = db_use(db, sql_put);
    vector_of(v, content, method);
    db_int(q, ":m", method);
    db_int(q, ":c", content);
    vec_bind(q, ":vec", v, DIM);
    db_run(q);
}

enum { TEXT = 1, OTHER_TEXT, IMAGE, SUMMARY, OTHER_SUMMARY, CAPTION };

static void make(struct db *db)
{
    small_sql(db, "INSERT INTO method (id, task, name, version, params, dim, current) VALUES\n"
                  "(1, 'text', 'hash', 1, '', %d, 1), (2, 'text', 'minilm', 1, '', %d, 0),\n"
                  "(3, 'image', 'descriptor', 1, '', %d, 1),\n"
                  "(4, 'summary', 'extractive', 1, '', NULL, 1),\n"
                  "(5, 'summary', 'api', 1, '', NULL, 0),\n"
                  "(6, 'caption', 'dataset', 1, '', NULL, 1)", DIM, DIM, DIM);
    db_exec(db, "INSERT INTO caption (image_id, method_id, content_id, text)\n"
                "SELECT id, 6, content_id, 'x' FROM image WHERE id % 3 > 0");
    db_exec(db, "INSERT INTO summary (visible_id, method_id, set_digest, content_id, text)\n"
                "SELECT id, 4, text_digest, id * 7 % 100 + 1, 'x' FROM visible WHERE n_text > 2;"
                "INSERT INTO summary (visible_id, method_id, set_digest, content_id, text)\n"
                "SELECT id, 5, text_digest, id * 5 % 100 + 1, 'x' FROM visible WHERE n_text > 4");
    int64_t n = (int64_t)small_get(db, "SELECT max(id) FROM content");
    db_begin(db);
    for (int64_t c = 1; c <= n; c++)
        if (c % 11 != 0) /* some could not be encoded */
            embed(db, c, TEXT), embed(db, c, OTHER_TEXT), embed(db, c, IMAGE);
    db_commit(db);
}

/* Contents that row i may see in that input, by another way than the one tested. */
static char *contents_sql(const struct dataset *d, int i, enum entity_what what,
                          const struct block_methods *who)
{
    const struct entity_input *in = &entity_inputs[what];
    int paper = d->protocol == DATASET_PAPER;
    const struct dataset_view *v = &d->views[in->side][d->view[in->side][i]];
    const char *allowed = sqlite3_mprintf(
        "(r.split = 'none' OR (r.split = 'train' AND (o.split <> 'train' OR %d OR\n"
        "r.fold <> o.fold)))", paper);
    char *sql = NULL;
    if (what == ENTITY_USER_SUMMARY || what == ENTITY_BUSINESS_SUMMARY)
        sql = sqlite3_mprintf("SELECT content_id FROM summary WHERE visible_id = %lld AND\n"
                              "method_id = %lld", (long long)v->id, (long long)who->summary);
    else if (what == ENTITY_USER_TEXTS || what == ENTITY_BUSINESS_TEXTS)
        sql = sqlite3_mprintf("SELECT r.content_id FROM review r, review o WHERE o.id = %lld\n"
                              "AND r.%s = o.%s AND %s AND (NOT %d OR r.id <> o.id)",
                              (long long)d->review[i],
                              in->side ? "business_id" : "user_id",
                              in->side ? "business_id" : "user_id", allowed, paper);
    else
        sql = sqlite3_mprintf("SELECT %s FROM review o JOIN image i USING (business_id)\n"
                              "LEFT JOIN review r ON r.id = i.review_id\n"
                              "LEFT JOIN caption t ON t.image_id = i.id WHERE o.id = %lld\n"
                              "AND (i.review_id IS NULL OR %s)",
                              what == ENTITY_PHOTOS ? "i.content_id" : "t.content_id",
                              (long long)d->review[i], allowed);
    sqlite3_free((void *)allowed);
    return sql;
}

/* Mean of them; how many. */
static int recompute(double mean[DIM], struct db *db, const struct dataset *d, int i,
                     enum entity_what what, const struct block_methods *who)
{
    char *sql = contents_sql(d, i, what, who);
    sqlite3_stmt *q;
    int n = 0;
    memset(mean, 0, DIM * sizeof *mean);
    if (sqlite3_prepare_v2(db_handle(db), sql, -1, &q, NULL) != SQLITE_OK)
        die("%s: %s", sql, sqlite3_errmsg(db_handle(db)));
    while (sqlite3_step(q) == SQLITE_ROW) {
        int64_t c = sqlite3_column_int64(q, 0);
        float v[DIM];
        if (c == 0 || c % 11 == 0)
            continue;
        vector_of(v, c, entity_inputs[what].is_image ? who->image : who->text);
        for (int k = 0; k < DIM; k++)
            mean[k] += (double)v[k];
        n++;
    }
    for (int k = 0; k < DIM && n; k++)
        mean[k] /= n;
    sqlite3_finalize(q);
    sqlite3_free(sql);
    return n;
}

static void test_input(struct db *db, const struct dataset *d, enum entity_what what,
                       const char *block)
{
    struct block b;
    struct err e = {""};
    struct entity_matrix m;
    if (block_read(&b, db, block, &e) < 0)
        die("%s", e.text);
    struct entity_job job = {.d = d, .db = db, .in = &entity_inputs[what], .who = &b.who,
                             .dir = small_dir, .record = d->protocol == DATASET_CROSSFIT};
    if (entity_read(&m, &job, &e) < 0)
        die("%s", e.text);
    double worst = 0, mean[DIM];
    int known = 1, none = 0;
    for (int i = 0; i < d->n; i++) {
        int n = recompute(mean, db, d, i, what, &b.who);
        known &= (n > 0) == (m.of[i] >= 0);
        none += n == 0;
        for (int k = 0; k < DIM && n && m.of[i] >= 0; k++)
            worst = fmax(worst, fabs((double)m.rows[m.of[i] * DIM + k] - mean[k]));
    }
    ok(known && worst < 2e-6 && m.dim == DIM, "%s, %s, block %s: off by at most %.1e; %d of %d "
       "rows see nothing", dataset_protocol_name[d->protocol], job.in->name, block, worst, none,
       d->n);
    entity_release(&m);
    ok(m.rows == NULL && m.of == NULL, "released");
}

static void test_bad(struct db *db, const struct dataset *d)
{
    struct block b;
    struct err e = {""};
    struct entity_matrix m;
    if (block_read(&b, db, "average", &e) < 0)
        die("%s", e.text);
    struct entity_job job = {.d = d, .db = db, .in = &entity_inputs[ENTITY_USER_TEXTS],
                             .who = &b.who, .dir = small_dir};
    db_exec(db, "UPDATE embedding SET vec = x'00000000' WHERE method_id = 1 AND content_id =\n"
                "(SELECT content_id FROM review WHERE split = 'train' AND content_id % 11 > 0)");
    ok(entity_read(&m, &job, &e) < 0 && strstr(e.text, "user_reviews") && strstr(e.text, "visible"),
       "a vector of another length: %s", e.text);
    ok(m.rows == NULL && m.of == NULL, "and nothing is left to release");
    job.dir = "/nowhere";
    ok(entity_read(&m, &job, &e) < 0 && strstr(e.text, "/nowhere"), "no room: %s", e.text);
}

static void refused(struct db *db, const char *inputs, const char *column, const char *value,
                    const char *word)
{
    struct block b;
    struct err e = {""};
    small_sql(db, "INSERT OR REPLACE INTO block (name, inputs%s%s) VALUES ('x', '%s'%s%s)",
              *column ? ", " : "", column, inputs, *value ? ", " : "", value);
    ok(block_read(&b, db, "x", &e) < 0 && strstr(e.text, "'x'") && strstr(e.text, word),
       "refused: %s", e.text);
}

static void test_blocks(struct db *db)
{
    struct block b;
    struct err e = {""};
    ok(block_read(&b, db, "nobody", &e) < 0 && strstr(e.text, "'nobody'"), "%s", e.text);
    refused(db, "", "", "", "no inputs");
    refused(db, "photos phots", "", "", "'phots'");
    refused(db, "photos photos photos photos photos photos photos", "", "", "more than 6");
    refused(db, "user_summary", "summaries", "'gpt'", "no summary by 'gpt'");
    refused(db, "captions", "captions", "'vision'", "no caption by 'vision'");
    refused(db, "photos", "text_encoder", "'ada'", "no text by 'ada'");
    refused(db, "photos", "image_encoder", "'clip'", "no image by 'clip'");
    ok(block_read(&b, db, "average", &e) == 0 && b.n_inputs == 3 &&
       b.input[0] == ENTITY_USER_TEXTS && b.input[1] == ENTITY_BUSINESS_TEXTS &&
       b.input[2] == ENTITY_PHOTOS && b.who.text == TEXT && b.who.text_dim == DIM &&
       b.who.image == IMAGE && b.who.image_dim == DIM, "the baseline's block");
    ok(block_read(&b, db, "named", &e) == 0 && b.who.summary == OTHER_SUMMARY &&
       b.who.text == OTHER_TEXT, "methods by name");
    db_exec(db, "UPDATE method SET current = 0 WHERE task = 'image'");
    ok(block_read(&b, db, "photos", &e) == 0 && b.who.image == 0 && b.who.image_dim == 0,
       "no method is current: none, and no failure");
    db_exec(db, "UPDATE method SET current = 1 WHERE task = 'image'");
}

int main(void)
{
    struct small_spec s = {.users = 50, .businesses = 15, .rows = 300, .folds = 3, .seed = 21,
                           .photos = 5};
    struct db *db = small_open("a.db");
    small_fill(db, &s);
    make(db);
    block_defaults(db);
    db_exec(db, "INSERT INTO block (name, inputs, summaries, text_encoder) VALUES\n"
                "('named', 'user_summary business_summary', 'api', 'minilm')");
    for (int p = 0; p < DATASET_PROTOCOLS; p++) {
        struct dataset *d = read_set(db, p);
        db_begin(db);
        for (int what = 0; what < ENTITY_INPUTS; what++)
            test_input(db, d, what, "average");
        test_input(db, d, ENTITY_USER_SUMMARY, "named");
        db_commit(db);
        dataset_free(d);
    }
    ok(small_get(db, "SELECT count(*) FROM v_leak") == 0 &&
       small_get(db, "SELECT count(DISTINCT what) FROM reading") == 3, "what was read is no leak");
    test_blocks(db);
    struct dataset *d = read_set(db, DATASET_CROSSFIT);
    test_bad(db, d);
    dataset_free(d);
    db_close(db);
    return small_end();
}
