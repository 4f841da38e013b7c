/* SPDX-License-Identifier: MIT */
/* mm-embed: a vector for every distinct text (reviews, summaries, captions) and photo that
 * lacks one under the present encoder; or, as a filter, vectors of what is given. */
#include "base/buf.h"
#include "base/opts.h"
#include "base/sha256.h"
#include "base/util.h"
#include "db/db.h"
#include "db/method.h"
#include "db/setting.h"
#include "db/stage.h"
#include "db/vec.h"
#include "model/encoder.h"
#include "source/photos.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_PHOTO_BYTES ((size_t)64 << 20)

static const struct opts_about about = {
    "mm-embed", "[options] [--text | --image FILE...]",
    "Turns texts and photos into vectors; --text and --image work without a database."};

struct job {
    struct db *db;
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
    w->vec = xcalloc((size_t)j->en->dim, sizeof *w->vec);
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

static int compute_text(void *ctx, struct stage_item *item)
{
    struct job *j = ctx;
    struct work *w = item->data;
    item->permanent = 1;
    return j->en->text(w->vec, w->bytes.data, w->bytes.len, &item->err);
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

static int read_fd(struct buf *b, int fd, struct err *e)
{
    for (;;) {
        buf_reserve(b, 1 << 16);
        ssize_t n = read(fd, b->data + b->len, 1 << 16);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(e, "read: %s", strerror(errno));
        if (n == 0)
            return 0;
        b->len += (size_t)n;
        if (b->len > MAX_PHOTO_BYTES)
            return err_set(e, "larger than %zu bytes", MAX_PHOTO_BYTES);
    }
}

/* Reads, checks that these are the bytes that were ingested, decodes, encodes. */
static int compute_image(void *ctx, struct stage_item *item)
{
    struct job *j = ctx;
    struct work *w = item->data;
    struct image img;
    struct err why = {""};
    unsigned char digest[SHA256_BYTES];
    int missing, rc = -1, fd = photos_open(j->root, w->path, &missing, &why);
    if (fd < 0)
        return err_set(&item->err, "%s", why.text);
    rc = read_fd(&w->bytes, fd, &why);
    close(fd);
    if (rc < 0)
        return err_set(&item->err, "%s: %s", w->path, why.text);
    sha256_of(digest, w->bytes.data, w->bytes.len);
    if (memcmp(digest, w->digest, sizeof digest) != 0)
        return err_set(&item->err, "%s: changed since mm-ingest read it", w->path);
    item->permanent = 1;
    rc = image_decode(&img, w->bytes.data, w->bytes.len, &why);
    buf_release(&w->bytes);
    if (rc == 0)
        rc = j->en->image(w->vec, &img, &why);
    image_release(&img);
    return rc < 0 ? err_set(&item->err, "%s: %s", w->path, why.text) : 0;
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
    vec_bind(q, ":vec", w->vec, (size_t)j->en->dim);
    db_run(q);
}

static void label(void *ctx, const struct stage_item *item, struct buf *name)
{
    const struct work *w = item->data;
    struct job *j = ctx;
    buf_adds(name, j->en->kind == ENCODER_TEXT ? "text " : "photo ");
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
    .chunk = 512, .load = load_text, .compute = compute_text, .store = store, .label = label,
    .release = release, .bind = bind};
static const struct stage_task image_task = {
    .what = "photo vectors", .sql_count = sql_image_count, .sql_pending = sql_image_pending,
    .chunk = 64, .load = load_image, .compute = compute_image, .store = store, .label = label,
    .release = release, .bind = bind};

static const struct encoder *choose(struct db *db, enum encoder_kind kind, const char **note)
{
    struct err e;
    char *name = setting_value(db, kind == ENCODER_TEXT ? "TEXT_ENCODER" : "IMAGE_ENCODER");
    const struct encoder *en = encoder_choose(kind, name, note, &e);
    if (!en)
        die_usage("%s", e.text);
    free(name);
    return en;
}

static void run_kind(struct stage *s, struct job *j, enum encoder_kind kind)
{
    const char *note;
    j->en = choose(j->db, kind, &note);
    struct method m = {kind == ENCODER_TEXT ? "text" : "image", j->en->name, j->en->version,
                       "{}", j->en->dim, note};
    j->method = method_id(j->db, &m, s->opts->plan);
    stage_loop(s, kind == ENCODER_TEXT ? &text_task : &image_task, j);
    buf_addf(&s->note, "%s%s = %s", s->note.len ? ", " : "", m.task, note);
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

static int run(struct db *db, const struct opts *o)
{
    struct job j = {.db = db};
    struct stage s;
    j.root = db_setting(db, "images_root");
    char *precision = setting_value(db, "PRECISION");
    if (strcmp(precision, "f32") != 0)
        die_usage("PRECISION=%s: the encoders of this build compute in f32", precision);
    free(precision);
    stage_begin(&s, db, "embed", o);
    if (!o->plan)
        drop_orphans(db);
    run_kind(&s, &j, ENCODER_TEXT);
    run_kind(&s, &j, ENCODER_IMAGE);
    free(j.root);
    return stage_end(&s);
}

/* ---- filter mode ---- */

static void print_vector(const float *v, int n)
{
    putchar('[');
    for (int i = 0; i < n; i++)
        printf("%s%.9g", i ? "," : "", (double)v[i]);
    puts("]");
}

static int filter_text(const char *name)
{
    struct err e;
    const char *note;
    const struct encoder *en = encoder_choose(ENCODER_TEXT, name, &note, &e);
    if (!en)
        die_usage("%s", e.text);
    info("%s", note);
    float *v = xcalloc((size_t)en->dim, sizeof *v);
    char *line = NULL;
    size_t cap = 0;
    int status = EXIT_DONE;
    for (ssize_t n; (n = getline(&line, &cap, stdin)) >= 0;) {
        if (n > 0 && line[n - 1] == '\n')
            n--;
        if (en->text(v, line, (size_t)n, &e) < 0) {
            warn("%s", e.text);
            status = EXIT_FAILED;
        } else
            print_vector(v, en->dim);
    }
    free(line);
    free(v);
    return status;
}

static int filter_images(const char *name, char **paths)
{
    struct err e;
    const char *note;
    const struct encoder *en = encoder_choose(ENCODER_IMAGE, name, &note, &e);
    if (!en)
        die_usage("%s", e.text);
    if (!*paths)
        die_usage("--image needs at least one FILE");
    info("%s", note);
    float *v = xcalloc((size_t)en->dim, sizeof *v);
    int status = EXIT_DONE;
    for (; *paths; paths++) {
        struct buf b = {0};
        struct image img = {0};
        if (buf_read_file(&b, *paths, MAX_PHOTO_BYTES, &e) < 0 ||
            image_decode(&img, b.data, b.len, &e) < 0 || en->image(v, &img, &e) < 0) {
            warn("%s: %s", *paths, e.text);
            status = EXIT_FAILED;
        } else
            print_vector(v, en->dim);
        image_release(&img);
        buf_release(&b);
    }
    free(v);
    return status;
}

static void remember(struct db *db, const char *name, const char *value)
{
    struct err e;
    if (value && setting_change(db, name, value, &e) < 0)
        die_usage("%s", e.text);
}

int main(int argc, char **argv)
{
    struct opts o = opts_default;
    const char *text_encoder = NULL, *image_encoder = NULL;
    int text = 0, image = 0;
    const struct opt_def defs[] = {
        {"text-encoder", OPT_STRING, &text_encoder, 0, 0, "NAME", "auto or hash (remembered)"},
        {"image-encoder", OPT_STRING, &image_encoder, 0, 0, "NAME",
         "auto or descriptor (remembered)"},
        {"text", OPT_FLAG, &text, 0, 0, NULL, "filter: lines in, JSON vectors out"},
        {"image", OPT_FLAG, &image, 0, 0, NULL, "filter: FILE... in, JSON vectors out"},
        {0}};
    int first = opts_parse(argc, argv, &about, defs, &o);
    if (text && image)
        die_usage("--text and --image exclude each other");
    if (text)
        return close_stdout(filter_text(text_encoder ? text_encoder : "auto"));
    if (image)
        return close_stdout(filter_images(image_encoder ? image_encoder : "auto", argv + first));
    if (argv[first])
        die_usage("no arguments are taken, got '%s'", argv[first]);
    struct db *db = stage_open(&o, 0);
    if (!db)
        return close_stdout(EXIT_FAILED);
    if (!o.plan) {
        remember(db, "TEXT_ENCODER", text_encoder);
        remember(db, "IMAGE_ENCODER", image_encoder);
    }
    int status = run(db, &o);
    db_close(db);
    return close_stdout(status);
}
