/* SPDX-License-Identifier: MIT */
/* The "Google Restaurants" files of Yan et al., "Personalized Showcases" (2022).
 *
 *   filter_all_t.json      one tree {"train": [...], "val": [...], "test": [...]}; each with
 *                          business_id, user_id, rating, review_text, pics (ids), and
 *                          history_reviews ([["<user>_<business>", text, ...], ...])
 *   image_review_all.json  JSON lines without history; pics are objects with "id"
 *
 * Either may come in the other's shape. A history review becomes a review of its own behind
 * its record: unlabelled, no rating, no split, review_key "<user>_<business>". Where both
 * files are given only the first has labels (its rank is higher).
 */
#include "base/util.h"
#include "source/format.h"
#include <stdlib.h>
#include <string.h>

#define HISTORY_MAX 100000 /* of one record: a bound, far above the data's */

struct history {
    struct jsonval_text key, text;
};

/* One record while it is read; arrays grow and are kept for the next record. */
struct record {
    struct jsonval_text user, business, text, rating;
    struct jsonval_text *pics; /* [SOURCE_PICS_MAX] */
    const char **pic_keys;     /* [SOURCE_PICS_MAX] */
    int n_pics, n_pics_there;
    int bad_pics;            /* items without an id */
    struct history *history; /* [room] */
    int n_history, room, bad_history;
    struct buf key; /* a copy for cutting */
};

static void clear(struct record *r)
{
    r->user = r->business = r->text = r->rating = (struct jsonval_text){0};
    r->n_pics = r->n_pics_there = r->bad_pics = r->n_history = r->bad_history = 0;
}

/* ---- reading the fields ---- */

/* The "id" of a photo object. */
static int take_pic_object(struct jsonval *j, struct jsonval_text *id)
{
    struct jsonval_text key;
    int rc = jsonval_object(j);
    *id = (struct jsonval_text){0};
    while (rc >= 0 && (rc = jsonval_key(j, &key)) == 1)
        rc = jsonval_is(&key, "id") ? jsonval_scalar(j, id) : jsonval_skip(j);
    return rc;
}

static int take_pics(struct jsonval *j, struct record *r)
{
    r->n_pics = r->n_pics_there = r->bad_pics = 0; /* of duplicate keys the last wins */
    if (jsonval_peek(j) != JSONVAL_ARRAY) {
        r->bad_pics = jsonval_peek(j) != JSONVAL_NULL;
        return jsonval_skip(j);
    }
    int rc = jsonval_array(j);
    while (rc >= 0 && (rc = jsonval_item(j)) == 1) {
        struct jsonval_text id;
        rc = jsonval_peek(j) == JSONVAL_OBJECT ? take_pic_object(j, &id)
                                               : jsonval_scalar(j, &id);
        if (rc < 0)
            break;
        bool good = id.kind == JSONVAL_STRING || id.kind == JSONVAL_NUMBER;
        r->bad_pics += !good;
        r->n_pics_there += good;
        if (good && r->n_pics < SOURCE_PICS_MAX)
            r->pics[r->n_pics++] = id;
    }
    return rc;
}

/* ["<user>_<business>", "text", ...]: what lies further behind is of unknown meaning. */
static int take_history_item(struct jsonval *j, struct history *h, bool *good)
{
    int n = 0, rc;
    *h = (struct history){{0}, {0}};
    *good = false;
    if (jsonval_peek(j) != JSONVAL_ARRAY)
        return jsonval_skip(j);
    if (jsonval_array(j) < 0)
        return -1;
    while ((rc = jsonval_item(j)) == 1) {
        rc = n == 0   ? jsonval_scalar(j, &h->key)
             : n == 1 ? jsonval_scalar(j, &h->text)
                      : jsonval_skip(j);
        if (rc < 0)
            return -1;
        n++;
    }
    *good = n >= 2 && h->key.kind == JSONVAL_STRING &&
            (h->text.kind == JSONVAL_STRING || h->text.kind == JSONVAL_NULL);
    return rc;
}

static int take_history(struct jsonval *j, struct record *r)
{
    r->n_history = r->bad_history = 0;
    if (jsonval_peek(j) != JSONVAL_ARRAY) {
        r->bad_history = jsonval_peek(j) != JSONVAL_NULL;
        return jsonval_skip(j);
    }
    int rc = jsonval_array(j);
    while (rc >= 0 && (rc = jsonval_item(j)) == 1) {
        struct history h;
        bool good;
        rc = take_history_item(j, &h, &good);
        if (!good || r->n_history == HISTORY_MAX) {
            r->bad_history++;
            continue;
        }
        if (r->n_history == r->room) {
            r->room = r->room ? 2 * r->room : 64;
            r->history = xrealloc(r->history, (size_t)r->room, sizeof *r->history);
        }
        r->history[r->n_history++] = h;
    }
    return rc;
}

static int take_field(struct jsonval *j, const struct jsonval_text *key, struct record *r)
{
    if (jsonval_is(key, "business_id"))
        return jsonval_scalar(j, &r->business);
    if (jsonval_is(key, "user_id"))
        return jsonval_scalar(j, &r->user);
    if (jsonval_is(key, "rating"))
        return jsonval_scalar(j, &r->rating);
    if (jsonval_is(key, "review_text"))
        return jsonval_scalar(j, &r->text);
    if (jsonval_is(key, "pics"))
        return take_pics(j, r);
    if (jsonval_is(key, "history_reviews"))
        return take_history(j, r);
    return jsonval_skip(j);
}

/* Walks one record. -1: malformed, *why says how. */
static int take_record(struct record *r, char *text, size_t n, int64_t *repaired,
                       const char **why)
{
    struct jsonval j;
    struct jsonval_text key;
    clear(r);
    jsonval_begin(&j, text, n);
    int rc = jsonval_object(&j);
    while (rc >= 0 && (rc = jsonval_key(&j, &key)) == 1)
        rc = take_field(&j, &key, r);
    *repaired += j.repaired;
    rc = jsonval_end(&j);
    *why = j.why;
    jsonval_terminate(&r->user);
    jsonval_terminate(&r->business);
    jsonval_terminate(&r->rating);
    for (int i = 0; i < r->n_pics && rc == 0; i++)
        jsonval_terminate(&r->pics[i]);
    return rc;
}

/* ---- giving them ---- */

static bool is_text(const struct jsonval_text *t)
{
    return t->kind == JSONVAL_STRING || t->kind == JSONVAL_NUMBER;
}

static char *key_of(struct jsonval_text *t)
{
    return is_text(t) ? format_key(t->s) : NULL;
}

static void set_text(struct source_record *out, const struct jsonval_text *t)
{
    bool none = t->kind != JSONVAL_STRING || strcmp(t->s, "None") == 0 ||
                strcmp(t->s, "null") == 0;
    out->text = none ? "" : t->s;
    out->text_bytes = none ? 0 : t->n;
}

/* Splits "<user>_<business>": at the record's own user where it begins with it, else at the
 * last underscore. false: there is none. */
static bool cut_history_key(struct record *r, const char *key, const char *own,
                            const char **user, const char **business)
{
    size_t n = strlen(own);
    buf_clear(&r->key);
    buf_adds(&r->key, key);
    char *mark = strncmp(key, own, n) == 0 && key[n] == '_' ? r->key.data + n
                                                            : strrchr(r->key.data, '_');
    if (!mark)
        return false;
    *mark = 0;
    *user = format_key(r->key.data);
    *business = format_key(mark + 1);
    return *user && *business;
}

static int give_history(struct format_run *run, struct record *r, int64_t line,
                        const char *own, struct err *e)
{
    for (int i = 0; i < r->n_history; i++) {
        struct history *h = &r->history[i];
        struct source_record out = {
            .what = SOURCE_REVIEW, .line = line, .review_key = h->key.s};
        set_text(&out, &h->text);
        int rc = cut_history_key(r, h->key.s, own, &out.user_key, &out.business_key)
                     ? format_emit(run, &out, e)
                     : format_reject(run, line, e,
                                     "history_reviews: key '%.80s' is no user_business",
                                     h->key.s);
        if (rc < 0)
            return -1;
    }
    return 0;
}

/* What is wrong with a record as a whole, or NULL. Fills out. */
static const char *check(struct source_record *out, struct record *r)
{
    out->user_key = key_of(&r->user);
    out->business_key = key_of(&r->business);
    if (!out->user_key || !out->business_key)
        return out->user_key ? "business_id is missing" : "user_id is missing";
    if (r->text.kind > JSONVAL_NULL && r->text.kind != JSONVAL_STRING)
        return "review_text is no string";
    const char *why = format_rating(
        &out->rating, is_text(&r->rating) ? key_of(&r->rating) : NULL, 1, 5);
    if (!why && out->rating != (double)(int)out->rating)
        why = "rating is no whole number";
    out->has_rating = !why;
    return why;
}

/* The parts of a good record that had to be left out. */
static int give_defects(struct format_run *run, const struct record *r, int64_t line,
                        struct err *e)
{
    if (r->bad_pics &&
        format_reject(run, line, e, "pics: %d without an id left out", r->bad_pics) < 0)
        return -1;
    if (r->n_pics_there > r->n_pics &&
        format_reject(run, line, e, "pics: %d, the first %d kept", r->n_pics_there,
                      r->n_pics) < 0)
        return -1;
    if (r->bad_history &&
        format_reject(run, line, e,
                      "history_reviews: %d that are no [key, text] left out",
                      r->bad_history) < 0)
        return -1;
    return 0;
}

static int give_record(struct format_run *run, struct record *r,
                       const struct jsonscan_record *in, struct err *e)
{
    struct source_record out = {.what = SOURCE_REVIEW, .line = in->line};
    const char *why = check(&out, r);
    if (why && out.business_key && is_text(&r->rating) && strncmp(why, "rating is", 9) == 0)
        return format_reject(run, in->line, e, "%s: '%.40s'", why, r->rating.s);
    if (why)
        return format_reject(run, in->line, e, "%s", why);
    out.labelled = run->file->labelled;
    out.split = format_split(in->array);
    set_text(&out, &r->text);
    for (int i = 0; i < r->n_pics; i++) {
        char *key = format_key(r->pics[i].s);
        if (key)
            r->pic_keys[out.n_pics++] = key;
    }
    out.pics = r->pic_keys;
    if (format_emit(run, &out, e) < 0 || give_defects(run, r, in->line, e) < 0)
        return -1;
    return give_history(run, r, in->line, out.user_key, e);
}

static int read_records(struct format_run *run, struct jsonscan *s, struct record *r,
                        struct err *e)
{
    struct jsonscan_record in;
    int64_t repaired = 0;
    int rc;
    while ((rc = jsonscan_next(s, &in, e)) > 0) {
        const char *why = in.reason;
        bool good = rc == JSONSCAN_RECORD &&
                    take_record(r, in.text, in.bytes, &repaired, &why) == 0;
        run->head = jsonscan_head(s, &run->head_bytes);
        run->stats->bytes = jsonscan_bytes(s);
        run->stats->repaired = repaired + jsonscan_repaired(s);
        int stopped =
            good ? give_record(run, r, &in, e)
                 : format_reject(run, in.line, e, "%s%s",
                                 rc == JSONSCAN_RECORD ? "malformed JSON: " : "", why);
        if (stopped < 0)
            return -1;
    }
    run->stats->bytes = jsonscan_bytes(s);
    return rc;
}

static int read_file(struct format_run *run, struct err *e)
{
    const char *head;
    size_t n;
    if (gz_peek(run->in, &head, &n, e) < 0)
        return -1;
    enum jsonshape shape = jsonshape_guess(head, n);
    if (shape == JSONSHAPE_NONE)
        return err_set(e, "%s: does not begin as JSON", run->file->path);
    struct record r = {.pics = xcalloc(SOURCE_PICS_MAX, sizeof *r.pics),
                       .pic_keys = xcalloc(SOURCE_PICS_MAX, sizeof *r.pic_keys)};
    struct jsonscan *s = jsonscan_open(run->in, shape);
    int rc = read_records(run, s, &r, e);
    jsonscan_close(s);
    free(r.pics);
    free(r.pic_keys);
    free(r.history);
    buf_release(&r.key);
    return rc;
}

static bool match(struct format_match *m, const struct format_head *h,
                  const struct source_options *o)
{
    static const char *const review[] = {"business_id", "user_id", "rating",
                                         "review_text", "pics"};
    static const char *const history[] = {"history_reviews"};
    (void)o;
    if (h->shape == JSONSHAPE_NONE || !format_has_keys(h, review, ARRAY_LEN(review)))
        return false;
    bool first = h->shape == JSONSHAPE_TREE || format_has_keys(h, history, 1);
    m->rank = first ? 2 : 1;
    m->reviews = true;
    snprintf(m->what, sizeof m->what, "Google Restaurants reviews, %s%s",
             h->shape == JSONSHAPE_TREE ? "one JSON object with splits" : "JSON lines",
             format_has_keys(h, history, 1) ? ", with history" : "");
    return true;
}

const struct format format_google_restaurants = {"google-restaurants", match, read_file};
