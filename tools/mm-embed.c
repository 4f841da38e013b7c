/* SPDX-License-Identifier: MIT */
/* mm-embed: a vector for every distinct text (reviews, summaries, captions) and photo that
 * lacks one under the present encoder; or, as a filter, vectors of what is given. */
#include "base/buf.h"
#include "base/opts.h"
#include "base/sha256.h"
#include "base/util.h"
#include "db/db.h"
#include "db/method.h"
#include "db/models.h"
#include "db/setting.h"
#include "db/stage.h"
#include "db/vec.h"
#include "model/encoder.h"
#include "model/filter.h"
#include "source/photos.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>


static const struct opts_about about = {
    "mm-embed", "[options] [--text | --image FILE...]",
    "Turns texts and photos into vectors; --text and --image work without a database."};

struct job {
    struct db *db;
    enum encoder_kind kind;
    const struct encoder *en;
    int64_t method;
    char *root; /* image folder */
};

struct work {
    struct buf bytes; /* text; photo: read by the worker */
    char *key, *path;
    unsigned char digest[SHA256_BYTES];
    float *vec; /* [dim] */
};

#define NOT_GIVEN_UP(kind) \
    "AND NOT EXISTS (SELECT 1 FROM failure f WHERE f.stage = 'embed'\n" \
    "AND f.item = '" kind " ' || hex(c.digest) AND (f.permanent = 1 OR f.attempts >= 3))"
#define TEXT_WANTED \
    "(EXISTS (SELECT 1 FROM review r WHERE r.content_id = c.id) OR\n" \
    "EXISTS (SELECT 1 FROM summary s WHERE s.content_id = c.id) OR\n" \
    "EXISTS (SELECT 1 FROM caption t WHERE t.content_id = c.id))"
#define IMAGE_WANTED \
    "EXISTS (SELECT 1 FROM image i WHERE i.content_id = c.id AND i.state = 'ok'\n" \
    "AND i.business_id IS NOT NULL)"
#define MISSING \
    "NOT EXISTS (SELECT 1 FROM embedding e WHERE e.method_id = :method AND e.content_id = c.id)"

static const char sql_text_count[] =
    "SELECT 'no vector of this encoder', count(*) FROM content c WHERE " MISSING
    " AND " TEXT_WANTED NOT_GIVEN_UP("text");
static const char sql_text_pending[] =
    "SELECT c.id, c.digest FROM content c WHERE c.id > :after AND " MISSING " AND " TEXT_WANTED
    NOT_GIVEN_UP("text") " ORDER BY c.id LIMIT :chunk";
static const char sql_image_count[] =
    "SELECT 'no vector of this encoder', count(*) FROM content c WHERE " MISSING
    " AND " IMAGE_WANTED NOT_GIVEN_UP("photo");
static const char sql_image_pending[] =
    "SELECT c.id, c.digest FROM content c WHERE c.id > :after AND " MISSING " AND " IMAGE_WANTED
    NOT_GIVEN_UP("photo") " ORDER BY c.id LIMIT :chunk";

static void bind(void *ctx, sqlite3_stmt *q)
{
    struct job *j = ctx;
    db_int(q, ":method", j->method);
}

static struct work *new_work(struct job *j, sqlite3_stmt *row)
{
    struct work *w = xcalloc(1, sizeof *w);
    memcpy(w->digest, sqlite3_column_blob(row, 1), SHA256_BYTES);
    w->vec = xcalloc((size_t)encoder_dim(j->en), sizeof *w->vec);
    return w;
}

static void load_text(void *ctx, struct stage_item *item, sqlite3_stmt *row)
{
    static const char sql_text[] =
        "SELECT text FROM review WHERE content_id = :id UNION ALL\n"
        "SELECT text FROM summary WHERE content_id = :id UNION ALL\n"
        "SELECT text FROM caption WHERE content_id = :id LIMIT 1";
    struct job *j = ctx;
    struct work *w = item->data = new_work(j, row);
    sqlite3_stmt *q = db_use(j->db, sql_text);
    db_int(q, ":id", item->id);
    if (db_step(q))
        buf_add(&w->bytes, sqlite3_column_text(q, 0), (size_t)sqlite3_column_bytes(q, 0));
    sqlite3_reset(q);
}

/* Texts that lie side by side cost a network less; bytes tell how many tokens they are. */
static int64_t cost_of_text(void *ctx, const struct stage_item *item)
{
    const struct work *w = item->data;
    (void)ctx;
    return (int64_t)w->bytes.len;
}

static void compute_texts(void *ctx, struct stage_item *item, int n, void *scratch)
{
    struct job *j = ctx;
    const char **text = xcalloc((size_t)n, sizeof *text);
    size_t *length = xcalloc((size_t)n, sizeof *length);
    float **out = xcalloc((size_t)n, sizeof *out);
    for (int i = 0; i < n; i++) {
        struct work *w = item[i].data;
        text[i] = buf_str(&w->bytes);
        length[i] = w->bytes.len;
        out[i] = w->vec;
    }
    encoder_texts(out, text, length, n, j->en, scratch);
    free(text);
    free(length);
    free(out);
}

static void *new_scratch(void *ctx)
{
    struct job *j = ctx;
    return encoder_scratch_new(j->en);
}

static void free_scratch(void *ctx, void *scratch)
{
    struct job *j = ctx;
    encoder_scratch_free(j->en, scratch);
}

static void load_image(void *ctx, struct stage_item *item, sqlite3_stmt *row)
{
    static const char sql_photo[] =
        "SELECT key, path FROM image WHERE content_id = :id AND state = 'ok' ORDER BY id LIMIT 1";
    struct job *j = ctx;
    struct work *w = item->data = new_work(j, row);
    sqlite3_stmt *q = db_use(j->db, sql_photo);
    db_int(q, ":id", item->id);
    if (db_step(q)) {
        w->key = xstrdup(db_col_text(q, 0));
        w->path = xstrdup(db_col_text(q, 1));
    }
    sqlite3_reset(q);
}

/* Reads, checks that these are the bytes that were ingested, decodes, encodes. */
static int encode_photo(struct job *j, struct stage_item *item, void *scratch)
{
    struct work *w = item->data;
    struct image img;
    struct err why = {""};
    if (photos_read(&w->bytes, j->root, w->path, w->digest, &why) < 0)
        return err_set(&item->err, "%s", why.text);
    item->permanent = 1;
    int rc = image_decode(&img, w->bytes.data, w->bytes.len, &why);
    buf_release(&w->bytes);
    if (rc == 0)
        encoder_image(w->vec, &img, j->en, scratch);
    image_release(&img);
    return rc < 0 ? err_set(&item->err, "%s: %s", w->path, why.text) : 0;
}

static void compute_photos(void *ctx, struct stage_item *item, int n, void *scratch)
{
    for (int i = 0; i < n; i++)
        item[i].failed = encode_photo(ctx, &item[i], scratch) < 0;
}

static void store(void *ctx, struct stage_item *item)
{
    static const char sql_put[] =
        "INSERT OR IGNORE INTO embedding (method_id, content_id, vec)\n"
        "VALUES (:method, :content, :vec)";
    struct job *j = ctx;
    struct work *w = item->data;
    sqlite3_stmt *q = db_use(j->db, sql_put);
    db_int(q, ":method", j->method);
    db_int(q, ":content", item->id);
    vec_bind(q, ":vec", w->vec, (size_t)encoder_dim(j->en));
    db_run(q);
}

static void label(void *ctx, const struct stage_item *item, struct buf *name)
{
    const struct work *w = item->data;
    struct job *j = ctx;
    buf_adds(name, j->kind == ENCODER_TEXT ? "text " : "photo ");
    for (int i = 0; i < SHA256_BYTES; i++)
        buf_addf(name, "%02X", w->digest[i]);
}

static void release(void *ctx, struct stage_item *item)
{
    struct work *w = item->data;
    (void)ctx;
    buf_release(&w->bytes);
    free(w->key);
    free(w->path);
    free(w->vec);
    free(w);
}

static const struct stage_task text_task = {
    .what = "text vectors", .sql_count = sql_text_count, .sql_pending = sql_text_pending,
    .chunk = 512, .load = load_text, .compute_group = compute_texts, .cost = cost_of_text,
    .group_cost = ENCODER_GROUP_BYTES, .scratch_new = new_scratch, .scratch_free = free_scratch,
    .store = store, .label = label, .release = release, .bind = bind};
static const struct stage_task image_task = {
    .what = "photo vectors", .sql_count = sql_image_count, .sql_pending = sql_image_pending,
    .chunk = 64, .load = load_image, .compute_group = compute_photos, .scratch_new = new_scratch,
    .scratch_free = free_scratch, .store = store, .label = label, .release = release,
    .bind = bind};

static enum gemm_precision precision_of(const char *name)
{
    if (strcmp(name, "f32") != 0 && strcmp(name, "bf16") != 0)
        die_usage("--precision: '%s' is not one of: f32 bf16", name);
    return strcmp(name, "bf16") == 0 ? GEMM_BF16 : GEMM_F32;
}

static enum gemm_backend backend_of(const char *name)
{
    struct err e;
    enum gemm_backend b = GEMM_AUTO;
    if (gemm_backend_of(&b, name, &e) < 0)
        die_usage("--gemm: %s", e.text);
    return b;
}

static struct encoder *open_kind(struct db *db, enum encoder_kind kind,
                                 enum gemm_backend backend)
{
    struct err e;
    int text = kind == ENCODER_TEXT;
    char *name = setting_value(db, text ? "TEXT_ENCODER" : "IMAGE_ENCODER");
    char *precision = setting_value(db, "PRECISION"), *models = models_folder(db);
    char *own = models_own(db, text ? "TEXT_MODEL" : "IMAGE_MODEL");
    struct encoder_wish wish = {kind, name, models, own, precision_of(precision), backend};
    struct encoder *en = encoder_open(&wish, &e);
    if (!en)
        die("%s", e.text);
    free(name);
    free(precision);
    free(models);
    free(own);
    return en;
}

static void run_kind(struct stage *s, struct job *j, enum encoder_kind kind,
                     const struct encoder *en)
{
    struct method m = {kind == ENCODER_TEXT ? "text" : "image", encoder_name(en),
                       encoder_version(en), encoder_params(en), encoder_dim(en),
                       encoder_note(en)};
    j->kind = kind;
    j->en = en;
    j->method = method_id(j->db, &m, s->opts->plan);
    if (!s->opts->plan && strstr(m.note, "stands in"))
        info("%s: %s", m.task, m.note);
    stage_loop(s, kind == ENCODER_TEXT ? &text_task : &image_task, j);
    buf_addf(&s->note, "%s%s = %s", s->note.len ? ", " : "", m.task, m.note);
}

/* Failures of photos that no longer exist. */
static void drop_orphans(struct db *db)
{
    static const char sql_orphans[] =
        "DELETE FROM failure WHERE stage = 'embed' AND item NOT IN\n"
        "(SELECT 'photo ' || hex(c.digest) FROM content c JOIN image i ON i.content_id = c.id)\n"
        "AND item GLOB 'photo *'";
    db_begin(db);
    db_run(db_use(db, sql_orphans));
    db_commit(db);
}

/* Both networks are opened before anything is written: a damaged one ends the run here. */
static int run(struct db *db, const struct opts *o, enum gemm_backend backend)
{
    struct job j = {.db = db};
    struct stage s;
    struct encoder *text = open_kind(db, ENCODER_TEXT, backend);
    struct encoder *image = open_kind(db, ENCODER_IMAGE, backend);
    j.root = db_setting(db, "images_root");
    stage_begin(&s, db, "embed", o);
    if (!o->plan)
        drop_orphans(db);
    run_kind(&s, &j, ENCODER_TEXT, text);
    run_kind(&s, &j, ENCODER_IMAGE, image);
    encoder_close(text);
    encoder_close(image);
    free(j.root);
    return stage_end(&s);
}

/* ---- filter mode ---- */

struct mode {
    const char *text_encoder, *image_encoder, *precision, *models, *model, *gemm;
    int text, image, json, ids;
};

static struct encoder *open_or_die(const struct encoder_wish *wish)
{
    struct err e;
    struct encoder *en = encoder_open(wish, &e);
    if (!en)
        die("%s", e.text);
    return en;
}

static int filter(const struct mode *m, const struct opts *o, char **paths)
{
    enum encoder_kind kind = m->image ? ENCODER_IMAGE : ENCODER_TEXT;
    const char *name = m->image ? m->image_encoder : m->text_encoder;
    char *models = m->models ? xstrdup(m->models) : models_folder(NULL);
    struct encoder_wish wish = {kind, name ? name : "auto", models, m->model,
                                precision_of(m->precision ? m->precision : "f32"),
                                backend_of(m->gemm)};
    struct encoder *en = open_or_die(&wish);
    struct filter f = {.encoder = en, .json = m->json, .ids = m->ids, .threads = o->threads};
    double start = monotonic_s();
    if (m->ids && !encoder_has_ids(en))
        die_usage("--ids: %s has no tokens", encoder_note(en));
    info("%s", encoder_note(en));
    if (m->image)
        filter_images(paths, stdout, &f);
    else
        filter_texts(stdin, stdout, &f);
    double s = monotonic_s() - start;
    info("done %lld, failed %lld, %.1f s, %.1f a second", (long long)f.done,
         (long long)f.failed, s, s > 0 ? (double)f.done / s : 0);
    encoder_close(en);
    free(models);
    return f.failed ? EXIT_FAILED : EXIT_DONE;
}

/* ---- options ---- */

static void remember(struct db *db, const char *name, const char *value)
{
    struct err e;
    if (value && setting_change(db, name, value, &e) < 0)
        die_usage("%s", e.text);
}

/* A folder is remembered by its full path: the next make may run elsewhere. */
static void remember_folder(struct db *db, const char *name, const char *value)
{
    if (!value || strcmp(value, "auto") == 0) {
        remember(db, name, value);
        return;
    }
    char *path = realpath(value, NULL);
    if (!path)
        die_usage("%s: %s", value, strerror(errno));
    remember(db, name, path);
    free(path);
}

static void remember_all(struct db *db, const struct mode *m)
{
    enum encoder_kind kind;
    struct err e;
    remember(db, "TEXT_ENCODER", m->text_encoder);
    remember(db, "IMAGE_ENCODER", m->image_encoder);
    remember(db, "PRECISION", m->precision);
    remember_folder(db, "MODELS", m->models);
    if (m->model && encoder_kind_of(&kind, m->model, &e) < 0)
        die("%s", e.text);
    if (m->model)
        remember_folder(db, kind == ENCODER_TEXT ? "TEXT_MODEL" : "IMAGE_MODEL", m->model);
}

static void check_mode(const struct mode *m, char **rest)
{
    if (m->text && m->image)
        die_usage("--text and --image exclude each other");
    if ((m->json || m->ids) && !m->text)
        die_usage("--json and --ids belong to --text");
    if (m->image && !*rest)
        die_usage("--image needs at least one FILE");
    if (!m->image && *rest)
        die_usage("no arguments are taken, got '%s'", *rest);
}

int main(int argc, char **argv)
{
    struct opts o = opts_default;
    struct mode m = {.gemm = "auto"};
    const struct opt_def defs[] = {
        {"text-encoder", OPT_STRING, &m.text_encoder, 0, 0, "NAME",
         "auto, minilm or hash (remembered)"},
        {"image-encoder", OPT_STRING, &m.image_encoder, 0, 0, "NAME",
         "auto, resnet50 or descriptor (remembered)"},
        {"precision", OPT_STRING, &m.precision, 0, 0, "NAME", "f32 or bf16 (remembered)"},
        {"models", OPT_STRING, &m.models, 0, 0, "DIR",
         "folder with a folder per model (remembered)"},
        {"model", OPT_STRING, &m.model, 0, 0, "DIR", "one model's own folder (remembered)"},
        {"gemm", OPT_STRING, &m.gemm, 0, 0, "NAME", "auto, onednn or openblas"},
        {"text", OPT_FLAG, &m.text, 0, 0, NULL, "filter: lines in, JSON vectors out"},
        {"json", OPT_FLAG, &m.json, 0, 0, NULL, "with --text: the lines are JSON strings"},
        {"ids", OPT_FLAG, &m.ids, 0, 0, NULL, "with --text: token ids out, not vectors"},
        {"image", OPT_FLAG, &m.image, 0, 0, NULL, "filter: FILE... in, JSON vectors out"},
        {0}};
    int first = opts_parse(argc, argv, &about, defs, &o);
    check_mode(&m, argv + first);
    if (m.text || m.image)
        return close_stdout(filter(&m, &o, argv + first));
    struct db *db = stage_open(&o, 0);
    if (!db)
        return close_stdout(EXIT_FAILED);
    if (!o.plan)
        remember_all(db, &m);
    int status = run(db, &o, backend_of(m.gemm));
    db_close(db);
    return close_stdout(status);
}
