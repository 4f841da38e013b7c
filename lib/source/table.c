/* SPDX-License-Identifier: MIT */
/* Any table of reviews or of businesses: CSV, TSV, JSON lines or a JSON array of objects,
 * with a map from its columns to our fields (columns.h). Ratings lie within 0.5..5.
 * Photos are ids or paths: in a cell they are separated by comma, semicolon or bar and a
 * mere count is ignored; in JSON an array of strings or of objects with "id" or
 * "photo_id".
 */
#include "base/util.h"
#include "source/columns.h"
#include "source/csv.h"
#include "source/format.h"
#include "source/when.h"
#include <stdlib.h>
#include <string.h>

#define RATING_LEAST 0.5
#define RATING_MOST 5.0

/* A row while it is read. */
struct table {
    struct columns map;
    char *names[FORMAT_KEYS_MAX];
    int n_names;
    char *cell[COLUMNS_FIELDS]; /* of the present row, or NULL */
    size_t text_bytes;
    const char **pics; /* [SOURCE_PICS_MAX] */
    int n_pics, n_pics_there;
    struct jsonval_text
        item[SOURCE_PICS_MAX]; /* photos of an array, until the walk has ended */
    int n_items, n_items_there, nameless;
    struct buf joined; /* categories of an array */
};

/* ---- one row, wherever it comes from ---- */

static void add_pic(struct table *t, char *s)
{
    char *key = format_key(s);
    if (!key)
        return;
    t->n_pics_there++;
    if (t->n_pics < SOURCE_PICS_MAX)
        t->pics[t->n_pics++] = key;
}

/* Cuts the photos' cell; a pure number counts photos and names none. */
static void cut_pics(struct table *t)
{
    char *s = t->cell[COLUMNS_PHOTOS], *save;
    if (!s || s[strspn(s, "0123456789 ")] == 0)
        return;
    for (char *p = strtok_r(s, ",;|", &save); p; p = strtok_r(NULL, ",;|", &save))
        add_pic(t, p);
}

static int reject(struct format_run *run, int64_t line, const char *why, const char *what,
                  struct err *e)
{
    return format_reject(run, line, e, what ? "%s: '%.60s'" : "%s", why, what);
}

static int give_review(struct format_run *run, struct table *t, struct source_record *out,
                       struct err *e)
{
    char **cell = t->cell;
    out->what = SOURCE_REVIEW;
    out->user_key = format_key(cell[COLUMNS_USER]);
    out->business_key = format_key(cell[COLUMNS_BUSINESS]);
    char *text = cell[COLUMNS_TEXT], *rating = format_key(cell[COLUMNS_RATING]);
    bool no_text =
        !text || !*text || strcmp(text, "None") == 0 || strcmp(text, "null") == 0;
    if (!out->user_key && no_text && !rating)
        return reject(run, out->line, "blank row", NULL, e);
    if (!out->user_key || !out->business_key)
        return reject(run, out->line,
                      out->user_key ? "business is missing" : "user is missing", NULL, e);
    const char *why = format_rating(&out->rating, rating, RATING_LEAST, RATING_MOST);
    if (why)
        return reject(run, out->line, why, rating, e);
    out->has_rating = true;
    out->labelled = run->file->labelled;
    out->text = no_text ? "" : text;
    out->text_bytes = no_text ? 0 : t->text_bytes;
    out->review_key = format_key(cell[COLUMNS_ID]);
    char *split = format_key(cell[COLUMNS_SPLIT]), *time = format_key(cell[COLUMNS_TIME]);
    if (split && !(out->split = format_split(split)))
        return reject(run, out->line, "split is not train, val or test", split, e);
    out->has_at = time && when_parse(&out->at, time) == 0;
    run->stats->bad_times += time && !out->has_at;
    cut_pics(t);
    out->pics = t->pics;
    out->n_pics = t->n_pics;
    if (format_emit(run, out, e) < 0)
        return -1;
    if (t->n_pics_there > t->n_pics)
        return format_reject(run, out->line, e, "photos: %d, the first %d kept",
                             t->n_pics_there, t->n_pics);
    return 0;
}

static int give_business(struct format_run *run, struct table *t,
                         struct source_record *out, struct err *e)
{
    /* One column may be key and name at once. */
    char *name = format_key(t->cell[COLUMNS_NAME]);
    out->what = SOURCE_BUSINESS;
    out->business_key = format_key(t->cell[COLUMNS_BUSINESS]);
    if (!out->business_key)
        return reject(run, out->line, name ? "business is missing" : "blank row", NULL,
                      e);
    out->name = name;
    out->categories = format_key(t->cell[COLUMNS_CATEGORIES]);
    out->price = format_key(t->cell[COLUMNS_PRICE]);
    return format_emit(run, out, e);
}

static int give_row(struct format_run *run, struct table *t, int64_t line,
                    const char *split, struct err *e)
{
    struct source_record out = {.line = line, .split = split};
    return t->map.rows == COLUMNS_REVIEWS ? give_review(run, t, &out, e)
                                          : give_business(run, t, &out, e);
}

static void clear(struct table *t)
{
    memset(t->cell, 0, sizeof t->cell);
    t->text_bytes = 0;
    t->n_pics = t->n_pics_there = t->n_items = t->n_items_there = t->nameless = 0;
}

/* Chooses the map for the names in t. */
static int choose(struct format_run *run, struct table *t, struct err *e)
{
    struct err why = {0};
    char list[300];
    const char *const *names = (const char *const *)t->names;
    const char *override = run->options ? run->options->columns : NULL;
    if (columns_choose(&t->map, names, t->n_names, override, &why) < 0)
        return err_set(e, "%s: %.400s", run->file->path, why.text);
    if (t->map.rows == COLUMNS_NOTHING)
        return err_set(
            e,
            "%s: no columns for user, business and rating; there are: %s (name them, "
            "as in user=Reviewer,business=Restaurant)",
            run->file->path, columns_list(list, sizeof list, names, t->n_names));
    columns_text(run->stats->columns, sizeof run->stats->columns, &t->map, names);
    return 0;
}

/* ---- CSV ---- */

static int read_csv(struct format_run *run, struct table *t, struct err *e)
{
    struct csv_record r;
    struct csv *c = csv_open(run->in, e);
    if (!c)
        return -1;
    t->n_names = csv_columns(c) < FORMAT_KEYS_MAX ? csv_columns(c) : FORMAT_KEYS_MAX;
    for (int i = 0; i < t->n_names; i++)
        t->names[i] = xstrdup(csv_names(c)[i]);
    int rc = choose(run, t, e);
    while (rc >= 0 && (rc = csv_next(c, &r, e)) > 0) {
        run->head = csv_head(c, &run->head_bytes);
        run->stats->bytes = csv_bytes(c);
        run->stats->repaired = csv_repaired(c);
        clear(t);
        if (rc == CSV_REJECT) {
            rc = format_reject(run, r.line, e, "%s", r.reason);
            continue;
        }
        for (int f = 0; f < COLUMNS_FIELDS; f++)
            t->cell[f] = t->map.at[f] < 0 ? NULL : r.field[t->map.at[f]];
        t->text_bytes = t->cell[COLUMNS_TEXT] ? r.bytes[t->map.at[COLUMNS_TEXT]] : 0;
        rc = give_row(run, t, r.line, NULL, e);
    }
    run->stats->bytes = csv_bytes(c);
    csv_close(c);
    return rc;
}

/* ---- JSON ---- */

/* The id of a photo object. */
static int take_object_id(struct jsonval *j, struct jsonval_text *id)
{
    struct jsonval_text key;
    int rc = jsonval_object(j);
    *id = (struct jsonval_text){0};
    while (rc >= 0 && (rc = jsonval_key(j, &key)) == 1)
        rc = jsonval_is(&key, "id") || jsonval_is(&key, "photo_id")
                 ? jsonval_scalar(j, id)
                 : jsonval_skip(j);
    return rc;
}

/* Reads up to SOURCE_PICS_MAX items that are text; *there counts all of them, *nameless the
 * others but null. */
static int take_items(struct jsonval *j, struct jsonval_text *item, int *n, int *there,
                      int *nameless)
{
    int rc = jsonval_array(j);
    *n = *there = *nameless = 0;
    while (rc >= 0 && (rc = jsonval_item(j)) == 1) {
        struct jsonval_text one;
        rc = jsonval_peek(j) == JSONVAL_OBJECT ? take_object_id(j, &one)
                                               : jsonval_scalar(j, &one);
        if (rc < 0)
            break;
        if (one.kind != JSONVAL_STRING && one.kind != JSONVAL_NUMBER) {
            *nameless += one.kind != JSONVAL_NULL;
            continue;
        }
        ++*there;
        if (*n < SOURCE_PICS_MAX)
            item[(*n)++] = one;
    }
    return rc;
}

static void join(struct table *t, const struct jsonval_text *item, int n)
{
    buf_clear(&t->joined);
    for (int i = 0; i < n; i++) {
        if (i)
            buf_adds(&t->joined, ", ");
        buf_add(&t->joined, item[i].s, item[i].n);
    }
    t->cell[COLUMNS_CATEGORIES] = n ? t->joined.data : NULL;
}

/* The value ahead into the fields that its key stands for; value [COLUMNS_FIELDS]. */
static int take_value(struct jsonval *j, struct table *t, const struct jsonval_text *key,
                      struct jsonval_text *value)
{
    int first = -1;
    for (int f = 0; f < COLUMNS_FIELDS && first < 0; f++)
        if (t->map.at[f] >= 0 && jsonval_is(key, t->names[t->map.at[f]]))
            first = f;
    if (first < 0)
        return jsonval_skip(j);
    int there, n, nameless, rc;
    if (first == COLUMNS_PHOTOS && jsonval_peek(j) == JSONVAL_ARRAY)
        return take_items(j, t->item, &t->n_items, &t->n_items_there, &t->nameless);
    if (first == COLUMNS_CATEGORIES && jsonval_peek(j) == JSONVAL_ARRAY) {
        rc = take_items(j, t->item, &n, &there, &nameless);
        if (rc >= 0)
            join(t, t->item, n);
        return rc;
    }
    return jsonval_scalar(j, &value[first]);
}

/* One column may stand for several fields: each gets the value of the first. */
static void share_columns(struct table *t)
{
    for (int f = 1; f < COLUMNS_FIELDS; f++)
        for (int g = 0; g < f && !t->cell[f]; g++)
            if (t->map.at[f] >= 0 && t->map.at[f] == t->map.at[g])
                t->cell[f] = t->cell[g];
}

/* Walks one record into t->cell. -1: malformed, *why says how. */
static int take_record(struct table *t, char *text, size_t n, int64_t *repaired,
                       const char **why)
{
    struct jsonval j;
    struct jsonval_text key, value[COLUMNS_FIELDS] = {{0}};
    clear(t);
    jsonval_begin(&j, text, n);
    int rc = jsonval_object(&j);
    while (rc >= 0 && (rc = jsonval_key(&j, &key)) == 1)
        rc = take_value(&j, t, &key, value);
    *repaired += j.repaired;
    *why = j.why;
    if (jsonval_end(&j) < 0) {
        *why = j.why;
        return -1;
    }
    for (int f = 0; f < COLUMNS_FIELDS; f++) {
        jsonval_terminate(&value[f]);
        if (value[f].kind == JSONVAL_STRING || value[f].kind == JSONVAL_NUMBER)
            t->cell[f] = value[f].s;
    }
    t->text_bytes = value[COLUMNS_TEXT].n;
    share_columns(t);
    for (int i = 0; i < t->n_items; i++) {
        jsonval_terminate(&t->item[i]);
        add_pic(t, t->item[i].s);
    }
    t->n_pics_there += t->n_items_there - t->n_items;
    return 0;
}

static int read_json(struct format_run *run, struct table *t, enum jsonshape shape,
                     struct err *e)
{
    struct jsonscan_record in;
    int64_t repaired = 0;
    if (format_read_keys(t->names, &t->n_names, run->file->path, shape, e) < 0)
        return -1;
    int rc = choose(run, t, e);
    struct jsonscan *s = jsonscan_open(run->in, shape);
    while (rc >= 0 && (rc = jsonscan_next(s, &in, e)) > 0) {
        const char *why = in.reason;
        bool good = rc == JSONSCAN_RECORD &&
                    take_record(t, in.text, in.bytes, &repaired, &why) == 0;
        run->head = jsonscan_head(s, &run->head_bytes);
        run->stats->bytes = jsonscan_bytes(s);
        run->stats->repaired = repaired + jsonscan_repaired(s);
        run->stats->nameless_photos += good ? t->nameless : 0;
        rc = good ? give_row(run, t, in.line, format_split(in.array), e)
                  : format_reject(run, in.line, e, "%s%s",
                                  rc == JSONSCAN_RECORD ? "malformed JSON: " : "", why);
    }
    run->stats->bytes = jsonscan_bytes(s);
    jsonscan_close(s);
    return rc;
}

static int read_file(struct format_run *run, struct err *e)
{
    const char *head;
    size_t n;
    if (gz_peek(run->in, &head, &n, e) < 0)
        return -1;
    enum jsonshape shape = jsonshape_guess(head, n);
    struct table *t = xcalloc(1, sizeof *t);
    t->pics = xcalloc(SOURCE_PICS_MAX, sizeof *t->pics);
    int rc = shape == JSONSHAPE_NONE ? read_csv(run, t, e) : read_json(run, t, shape, e);
    format_free_keys(t->names, t->n_names);
    buf_release(&t->joined);
    free(t->pics);
    free(t);
    return rc;
}

static bool match(struct format_match *m, const struct format_head *h,
                  const struct source_options *o)
{
    struct columns map;
    struct err why = {0};
    char text[120];
    if (h->n_keys == 0)
        return false;
    if (columns_choose(&map, h->keys, h->n_keys, o ? o->columns : NULL, &why) < 0) {
        snprintf(m->what, sizeof m->what, "%.150s", why.text);
        return false;
    }
    if (map.rows == COLUMNS_NOTHING ||
        (map.rows == COLUMNS_REVIEWS && map.at[COLUMNS_TEXT] < 0 && !h->forced))
        return false;
    m->reviews = map.rows == COLUMNS_REVIEWS;
    m->rank = 1;
    snprintf(m->what, sizeof m->what, "table of %s: %s",
             map.rows == COLUMNS_REVIEWS ? "reviews" : "businesses",
             columns_text(text, sizeof text, &map, h->keys));
    return true;
}

const struct format format_table = {"table", match, read_file};
