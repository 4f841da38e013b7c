/* SPDX-License-Identifier: MIT */
#include "source/jsonscan.h"
#include "base/util.h"
#include "source/jsonspan.h"
#include "source/window.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_BYTES 208  /* an excerpt and the rest of its last character */
#define TAIL_BYTES 2048 /* kept before a record searched for: its array name */

/* Where in a tree the scan stands. */
enum place { START, KEY, ITEM, BEHIND_ITEM, BEHIND_VALUE, FINISH, LOST };

struct jsonscan {
    struct window w;
    enum jsonshape shape;
    enum place place;
    int64_t number; /* lines, or records of a tree, so far */
    int64_t repaired;
    bool top_array;       /* the tree is one array without a name */
    bool fresh;           /* the array has just begun: no comma needed */
    struct buf array;     /* name of the present array */
    struct buf first_key; /* of the last record, with its quotes */
    struct buf fixed;     /* a record that had to be repaired */
    char *held_at, held;  /* the byte that the last record's NUL stands on */
    char head[HEAD_BYTES];
    size_t head_n;
};

struct jsonscan *jsonscan_open(struct gz *in, enum jsonshape shape)
{
    struct jsonscan *s = xcalloc(1, sizeof *s);
    window_init(&s->w, in);
    s->shape = shape;
    return s;
}

void jsonscan_close(struct jsonscan *s)
{
    if (!s)
        return;
    window_release(&s->w);
    buf_release(&s->array);
    buf_release(&s->first_key);
    buf_release(&s->fixed);
    free(s);
}

const char *jsonscan_head(const struct jsonscan *s, size_t *n)
{
    *n = s->head_n;
    return s->head;
}

int64_t jsonscan_repaired(const struct jsonscan *s)
{
    return s->repaired;
}

int64_t jsonscan_bytes(const struct jsonscan *s)
{
    return s->w.bytes;
}

static void keep_head(struct jsonscan *s, const char *p, size_t n)
{
    s->head_n = n < HEAD_BYTES ? n : HEAD_BYTES;
    memcpy(s->head, p, s->head_n);
}

static int reject(struct jsonscan *s, struct jsonscan_record *r, const char *fmt, ...)
    MM_PRINTF(3, 4);
static int reject(struct jsonscan *s, struct jsonscan_record *r, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(r->reason, sizeof r->reason, fmt, ap);
    va_end(ap);
    r->text = NULL;
    r->bytes = 0;
    r->array = NULL;
    r->line = s->number;
    return JSONSCAN_REJECT;
}

static int record(struct jsonscan *s, struct jsonscan_record *r, char *p, size_t n)
{
    if (!utf8_clean(p, n)) {
        buf_clear(&s->fixed);
        s->repaired += utf8_repair(&s->fixed, p, n);
        p = s->fixed.data;
        n = s->fixed.len;
    } else {
        s->held_at = p + n;
        s->held = p[n];
        p[n] = 0;
    }
    r->text = p;
    r->bytes = n;
    r->array = s->shape == JSONSHAPE_TREE && !s->top_array ? buf_str(&s->array) : NULL;
    r->line = s->number;
    r->reason[0] = 0;
    return JSONSCAN_RECORD;
}

/* ---- lines ---- */

static bool is_space(int c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static int next_line(struct jsonscan *s, struct jsonscan_record *r, struct err *e)
{
    char *line;
    size_t n;
    for (;;) {
        int rc = window_line(&s->w, &line, &n, JSONSCAN_RECORD_MAX, e);
        if (rc <= 0)
            return rc;
        s->number++;
        if (rc == WINDOW_LONG) {
            keep_head(s, line, n);
            return reject(s, r, "record larger than %zu MiB", JSONSCAN_RECORD_MAX >> 20);
        }
        while (n && is_space(line[n - 1]))
            n--;
        while (n && is_space(*line))
            line++, n--;
        if (n)
            break;
    }
    keep_head(s, line, n);
    struct jsonspan p = {0};
    if (s->w.unterminated && (*line == '{' || *line == '[') &&
        jsonspan_scan(&p, line, n) == 0)
        return err_set(e, "%s: file ends inside the record of line %lld",
                       gz_path(s->w.in), (long long)s->number);
    return record(s, r, line, n);
}

/* ---- tree ---- */

static int cut_short(struct jsonscan *s, bool inside, struct err *e)
{
    s->place = LOST;
    return err_set(e, "%s: file ends %s record %lld", gz_path(s->w.in),
                   inside ? "inside" : "before its closing bracket, behind",
                   (long long)s->number);
}

/* The next byte that is no white space, not consumed; 0 at the end of the file; -1. A NUL
 * byte of the file is no JSON either and ends up in the same sentences. */
static int next_byte(struct jsonscan *s, struct err *e)
{
    struct window *w = &s->w;
    for (;;) {
        while (w->at < w->len && is_space(w->buf[w->at]))
            w->at++;
        if (w->at < w->len)
            return (unsigned char)w->buf[w->at];
        int rc = window_fill(w, e);
        if (rc <= 0)
            return rc;
    }
}

/* Takes the array's name before a brace from the bytes there: "name" : [ {. */
static void adopt_array(struct jsonscan *s, size_t brace)
{
    const char *b = s->w.buf;
    size_t i = brace, end;
    while (i > 0 && is_space(b[i - 1]))
        i--;
    if (i == 0 || b[--i] != '[')
        return;
    while (i > 0 && is_space(b[i - 1]))
        i--;
    if (i == 0 || b[--i] != ':')
        return;
    while (i > 0 && is_space(b[i - 1]))
        i--;
    if (i == 0 || b[--i] != '"')
        return;
    for (end = i; i > 0 && b[i - 1] != '"';)
        i--;
    buf_clear(&s->array);
    buf_add(&s->array, b + i, end - i);
}

/* Does the file end as a whole tree does? */
static bool ends_well(const struct jsonscan *s)
{
    static const char closing[] = "}]}";
    size_t left = s->top_array ? 2 : 3, i = s->w.len;
    while (left > 0) {
        while (i > s->w.at && is_space(s->w.buf[i - 1]))
            i--;
        if (i == s->w.at || s->w.buf[--i] != closing[--left])
            return false;
    }
    return true;
}

/* Goes to the next `{ "first key"` whose brace is at or behind `from` (from buf[at]).
 * 0: there, or the tree has ended; -1: read error; 1: the structure is lost. */
static int resync(struct jsonscan *s, size_t from, struct err *e)
{
    struct window *w = &s->w;
    if (s->first_key.len == 0)
        return 1;
    for (;;) {
        char *p = w->buf + w->at + from, *hit;
        while ((hit = memmem(p, (size_t)(w->buf + w->len - p), s->first_key.data,
                             s->first_key.len))) {
            char *brace = hit;
            while (brace > w->buf + w->at + from && is_space(brace[-1]))
                brace--;
            if (brace-- > w->buf + w->at + from && *brace == '{') {
                adopt_array(s, (size_t)(brace - w->buf));
                w->at = (size_t)(brace - w->buf);
                s->place = ITEM;
                s->fresh = true;
                return 0;
            }
            p = hit + 1;
        }
        if (w->len - w->at > TAIL_BYTES) {
            w->at = w->len - TAIL_BYTES;
            from = 0;
        }
        int rc = window_fill(w, e);
        if (rc < 0)
            return -1;
        if (rc == 0) {
            s->place = FINISH;
            bool good = ends_well(s);
            w->at = w->len;
            return !good;
        }
    }
}

/* Rejects the present record and looks for the next. The fill in there moves the window, so
 * the reason is written first. */
static int reject_and_resync(struct jsonscan *s, struct jsonscan_record *r, size_t from,
                             struct err *e)
{
    int rc = resync(s, from, e);
    if (rc < 0)
        return -1;
    if (rc > 0) {
        size_t n = strlen(r->reason);
        snprintf(r->reason + n, sizeof r->reason - n,
                 "; structure lost, no further record found");
        s->place = LOST;
    }
    return JSONSCAN_REJECT;
}

/* Remembers the first key of the object at p, with its quotes. */
static void keep_first_key(struct jsonscan *s, const char *p, size_t n)
{
    size_t i = 1;
    while (i < n && is_space(p[i]))
        i++;
    size_t run = i < n && p[i] == '"' ? jsonspan_string_run(p + i + 1, n - i - 1) : n;
    if (run >= n - i - 1 || p[i + 1 + run] != '"')
        return;
    if (s->first_key.len == run + 2 && memcmp(s->first_key.data, p + i, run + 2) == 0)
        return;
    buf_clear(&s->first_key);
    buf_add(&s->first_key, p + i, run + 2);
}

/* Scans to the end of the value at buf[at]: *n bytes, or 0 when it was too large to keep and
 * has been passed. 0; 1: malformed; -1: error of the file. */
static int take_value(struct jsonscan *s, struct jsonspan *p, size_t *n, struct err *e)
{
    bool large = false;
    for (;;) {
        int rc = jsonspan_scan(p, s->w.buf + s->w.at, s->w.len - s->w.at);
        large |= p->off > JSONSCAN_RECORD_MAX;
        if (rc != 0) {
            *n = large ? 0 : p->off;
            if (large)
                s->w.at += p->off, p->off = 0;
            return rc < 0;
        }
        if (large)
            s->w.at += p->off, p->off = 0;
        rc = window_fill(&s->w, e);
        if (rc < 0)
            return -1;
        if (rc == 0)
            return cut_short(s, true, e);
    }
}

static int next_item(struct jsonscan *s, struct jsonscan_record *r, struct err *e)
{
    struct jsonspan p = {0};
    size_t n = 0;
    while (s->w.len - s->w.at < HEAD_BYTES) { /* for the excerpt */
        int rc = window_fill(&s->w, e);
        if (rc < 0)
            return -1;
        if (rc == 0)
            break;
    }
    s->number++;
    keep_head(s, s->w.buf + s->w.at, s->w.len - s->w.at);
    bool object = s->w.buf[s->w.at] == '{';
    int rc = take_value(s, &p, &n, e);
    if (rc < 0)
        return -1;
    s->place = BEHIND_ITEM;
    if (n && n < s->head_n && rc == 0)
        s->head_n = n;
    if (rc > 0) {
        reject(s, r, "malformed JSON: byte 0x%02x at offset %zu of record %lld%s",
               (unsigned char)s->w.buf[s->w.at + p.off], p.off, (long long)s->number,
               p.depth >= JSONSPAN_DEPTH_MAX ? " (nested too deep)" : "");
        if (object && n)
            keep_first_key(s, s->w.buf + s->w.at, s->w.len - s->w.at);
        return reject_and_resync(s, r, n ? 1 : 0, e);
    }
    if (n == 0)
        return reject(s, r, "record larger than %zu MiB", JSONSCAN_RECORD_MAX >> 20);
    char *text = s->w.buf + s->w.at;
    s->w.at += n;
    if (!object)
        return reject(s, r, "element %lld of the array is no object",
                      (long long)s->number);
    keep_first_key(s, text, n);
    return record(s, r, text, n);
}

/* Before an element or the array's end. 0: look again; else as jsonscan_next. */
static int at_item(struct jsonscan *s, struct jsonscan_record *r, int c, struct err *e)
{
    bool fresh = s->fresh, behind = s->place == BEHIND_ITEM;
    s->fresh = false;
    if (c == ']' && (behind || fresh)) {
        s->w.at++;
        s->place = s->top_array ? FINISH : BEHIND_VALUE;
        return 0;
    }
    if (behind && c == ',') {
        s->w.at++;
        s->place = ITEM;
        return 0;
    }
    if (behind || c == ']' || c == ',') {
        keep_head(s, s->w.buf + s->w.at, s->w.len - s->w.at);
        reject(s, r, "byte 0x%02x behind record %lld where a comma or ] belongs", c,
               (long long)s->number);
        return reject_and_resync(s, r, 0, e);
    }
    return next_item(s, r, e);
}

/* Reads a "name": of the top level and steps to its value. */
static int take_name(struct jsonscan *s, struct err *e)
{
    struct jsonspan p = {0};
    size_t n = 0;
    int rc = take_value(s, &p, &n, e);
    if (rc < 0)
        return -1;
    if (rc > 0 || n < 2)
        return err_set(e, "%s: malformed name of an array behind record %lld",
                       gz_path(s->w.in), (long long)s->number);
    buf_clear(&s->array);
    utf8_repair(&s->array, s->w.buf + s->w.at + 1, n - 2);
    s->w.at += n;
    int c = next_byte(s, e);
    if (c < 0)
        return -1;
    if (c != ':')
        return err_set(e, "%s: no colon behind the name '%.60s'", gz_path(s->w.in),
                       s->array.data);
    s->w.at++;
    return next_byte(s, e) < 0 ? -1 : 0;
}

static int at_key(struct jsonscan *s, struct jsonscan_record *r, int c, struct err *e)
{
    if (c == '}' && s->fresh) {
        s->w.at++;
        s->place = FINISH;
        return 0;
    }
    if (c != '"')
        return err_set(e, "%s: byte 0x%02x where the name of an array belongs",
                       gz_path(s->w.in), c);
    if (take_name(s, e) < 0)
        return -1;
    if (s->w.buf[s->w.at] == '[') {
        s->w.at++;
        s->place = ITEM;
        s->fresh = true;
        return 0;
    }
    struct jsonspan p = {0};
    size_t n = 0;
    keep_head(s, s->w.buf + s->w.at, s->w.len - s->w.at);
    int rc = take_value(s, &p, &n, e);
    if (rc < 0)
        return -1;
    if (rc > 0)
        return err_set(e, "%s: malformed value of '%.60s'", gz_path(s->w.in),
                       s->array.data);
    s->w.at += n;
    s->number++;
    s->place = BEHIND_VALUE;
    return reject(s, r, "value of '%.60s' is no array of records", s->array.data);
}

/* The brackets around the arrays. 0: look again; else as jsonscan_next. */
static int at_frame(struct jsonscan *s, int c, struct err *e)
{
    const char *path = gz_path(s->w.in);
    s->w.at++;
    s->fresh = false;
    if (s->place == START && (c == '{' || c == '[')) {
        s->top_array = c == '[';
        s->place = s->top_array ? ITEM : KEY;
        s->fresh = true;
        return 0;
    }
    if (s->place == BEHIND_VALUE && (c == ',' || c == '}')) {
        s->place = c == ',' ? KEY : FINISH;
        return 0;
    }
    s->place = LOST;
    return err_set(e, "%s: byte 0x%02x behind record %lld breaks the structure", path, c,
                   (long long)s->number);
}

static int next_in_tree(struct jsonscan *s, struct jsonscan_record *r, struct err *e)
{
    for (;;) {
        if (s->place == LOST)
            return err_set(e, "%s: structure lost behind record %lld", gz_path(s->w.in),
                           (long long)s->number);
        int c = next_byte(s, e), rc;
        if (c < 0)
            return -1;
        if (c == 0 && s->w.at >= s->w.len)
            return s->place == FINISH ? JSONSCAN_END : cut_short(s, false, e);
        if (s->place == ITEM || s->place == BEHIND_ITEM)
            rc = at_item(s, r, c, e);
        else if (s->place == KEY)
            rc = at_key(s, r, c, e);
        else
            rc = at_frame(s, c, e);
        if (rc != 0)
            return rc;
    }
}

int jsonscan_next(struct jsonscan *s, struct jsonscan_record *r, struct err *e)
{
    if (s->held_at)
        *s->held_at = s->held;
    s->held_at = NULL;
    if (s->w.bytes == 0 && window_skip_bom(&s->w, e) < 0)
        return -1;
    return s->shape == JSONSHAPE_TREE ? next_in_tree(s, r, e) : next_line(s, r, e);
}
