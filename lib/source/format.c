/* SPDX-License-Identifier: MIT */
#include "source/format.h"
#include "base/util.h"
#include "source/csv.h"
#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define KEY_RECORDS 50 /* records looked at for keys: some keys are often absent */

const struct format *format_find(const char *name)
{
    for (int i = 0; format_all[i]; i++)
        if (strcmp(format_all[i]->name, name) == 0)
            return format_all[i];
    return NULL;
}

bool format_has_keys(const struct format_head *h, const char *const *keys, int n)
{
    for (int i = 0; i < n; i++) {
        int k = 0;
        while (k < h->n_keys && strcmp(h->keys[k], keys[i]) != 0)
            k++;
        if (k == h->n_keys)
            return false;
    }
    return true;
}

/* ---- keys ---- */

static void add_key(char **keys, int *n, const char *s)
{
    for (int i = 0; i < *n; i++)
        if (strcmp(keys[i], s) == 0)
            return;
    if (*n < FORMAT_KEYS_MAX)
        keys[(*n)++] = xstrdup(s);
}

static int json_keys(char **keys, int *n, struct gz *in, enum jsonshape shape,
                     struct err *e)
{
    struct jsonscan *s = jsonscan_open(in, shape);
    struct jsonscan_record r;
    int rc = 0;
    for (int i = 0; i < KEY_RECORDS && (rc = jsonscan_next(s, &r, e)) > 0; i++) {
        if (rc != JSONSCAN_RECORD)
            continue;
        struct jsonval j;
        struct jsonval_text key;
        jsonval_begin(&j, r.text, r.bytes);
        if (jsonval_object(&j) < 0)
            continue;
        while (jsonval_key(&j, &key) == 1) {
            add_key(keys, n, key.s);
            if (jsonval_skip(&j) < 0)
                break;
        }
    }
    jsonscan_close(s);
    /* A file cut off behind some records is still what it is; reading it will say so. */
    return rc < 0 && *n == 0 ? -1 : 0;
}

static int csv_keys(char **keys, int *n, struct gz *in, struct err *e)
{
    struct csv *c = csv_open(in, e);
    if (!c)
        return -1;
    for (int i = 0; i < csv_columns(c) && i < FORMAT_KEYS_MAX; i++)
        add_key(keys, n, csv_names(c)[i]);
    csv_close(c);
    return 0;
}

int format_read_keys(char *keys[FORMAT_KEYS_MAX], int *n, const char *path,
                     enum jsonshape shape, struct err *e)
{
    *n = 0;
    struct gz *in = gz_open(path, e);
    if (!in)
        return -1;
    int rc = shape == JSONSHAPE_NONE ? csv_keys(keys, n, in, e)
                                     : json_keys(keys, n, in, shape, e);
    gz_close(in);
    return rc;
}

void format_free_keys(char **keys, int n)
{
    for (int i = 0; i < n; i++)
        free(keys[i]);
}

/* ---- emitting ---- */

static int stop(struct format_run *run, struct err *e)
{
    run->stats->stopped = true;
    return err_set(e, "%s: stopped", run->file->path);
}

int format_reject(struct format_run *run, int64_t line, struct err *e, const char *fmt,
                  ...)
{
    struct source_reject r = {.line = line};
    char reason[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(reason, sizeof reason, fmt, ap);
    va_end(ap);
    /* A reason may quote the data and be cut inside a character. */
    char whole[UTF8_EXCERPT];
    utf8_excerpt(whole, reason, strlen(reason));
    size_t n = strlen(whole);
    while (n >= sizeof r.reason)
        while ((whole[--n] & 0xc0) == 0x80)
            ;
    memcpy(r.reason, whole, n);
    utf8_excerpt(r.excerpt, run->head, run->head_bytes);
    run->stats->rejects++;
    return run->sink->reject(run->sink->ctx, &r) < 0 ? stop(run, e) : 0;
}

/* The first key that is too long, or NULL. */
static const char *long_key(const struct source_record *r, size_t *bytes, char name[32])
{
    const struct {
        const char *name, *s;
    } keys[] = {{"review id", r->review_key},
                {"user", r->user_key},
                {"business", r->business_key},
                {"photo id", r->photo_key}};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (keys[i].s && (*bytes = strlen(keys[i].s)) > SOURCE_KEY_MAX)
            return keys[i].name;
    for (int i = 0; i < r->n_pics; i++)
        if ((*bytes = strlen(r->pics[i])) > SOURCE_KEY_MAX) {
            snprintf(name, 32, "photo id %d", i + 1);
            return name;
        }
    return NULL;
}

int format_emit(struct format_run *run, const struct source_record *r, struct err *e)
{
    size_t bytes;
    char name[32];
    const char *key = long_key(r, &bytes, name);
    if (key)
        return format_reject(run, r->line, e, "%s of %zu bytes, more than %d", key, bytes,
                             SOURCE_KEY_MAX);
    if (r->text_bytes > SOURCE_TEXT_MAX)
        return format_reject(run, r->line, e, "text of %zu bytes, more than %zu",
                             r->text_bytes, SOURCE_TEXT_MAX);
    run->stats->records++;
    run->stats->stored_bytes = gz_stored_bytes(run->in);
    return run->sink->record(run->sink->ctx, r) < 0 ? stop(run, e) : 0;
}

/* ---- values ---- */

char *format_key(char *s)
{
    if (!s)
        return NULL;
    while (isspace((unsigned char)*s))
        s++;
    size_t n = strlen(s);
    if (n && isspace((unsigned char)s[n - 1])) {
        while (n && isspace((unsigned char)s[n - 1]))
            n--;
        s[n] = 0;
    }
    return n == 0 || strcmp(s, "None") == 0 || strcmp(s, "null") == 0 ? NULL : s;
}

const char *format_rating(double *rating, const char *s, double lo, double hi)
{
    if (!s || !*s)
        return "rating is missing";
    if (s[1] == 0 && *s >= '0' && *s <= '9')
        *rating = *s - '0';
    else if (s[strspn(s, "0123456789.eE+-")] ||
             parse_double(rating, s, -1e300, 1e300, NULL) < 0)
        return "rating is no number";
    return *rating < lo || *rating > hi ? "rating is out of range" : NULL;
}

const char *format_split(const char *s)
{
    static const char *const names[][2] = {{"train", "train"},    {"training", "train"},
                                           {"val", "val"},        {"valid", "val"},
                                           {"validation", "val"}, {"dev", "val"},
                                           {"test", "test"},      {"testing", "test"}};
    for (size_t i = 0; s && i < ARRAY_LEN(names); i++)
        if (strcasecmp(s, names[i][0]) == 0)
            return names[i][1];
    return NULL;
}
