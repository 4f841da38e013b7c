/* SPDX-License-Identifier: MIT */
#include "source/csv.h"
#include "base/util.h"
#include "source/window.h"
#include <csv.h>
#include <stdlib.h>
#include <string.h>

struct csv {
    struct window w;
    struct csv_parser parser;
    bool mac;            /* a lone CR ends a line */
    bool after_cr;       /* mac: the last byte was a CR, an LF here belongs to it */
    int64_t line;        /* of the byte at the window's start */
    int64_t record_line; /* where the present record began */
    bool row_done;       /* the parser has seen the record's end */
    bool over;           /* the record is larger than allowed */
    int64_t repaired;
    struct buf pool;       /* the fields, each with its NUL */
    size_t *start, *bytes; /* [room] of each field in the pool */
    char **field;          /* [room] */
    int n, room;
    char **names; /* [columns] */
    int columns;
    char head[UTF8_EXCERPT + 8]; /* of csv_head */
};

/* ---- libcsv's callbacks ---- */

static void more_fields(struct csv *c)
{
    c->room = c->room ? 2 * c->room : 32;
    c->start = xrealloc(c->start, (size_t)c->room, sizeof *c->start);
    c->bytes = xrealloc(c->bytes, (size_t)c->room, sizeof *c->bytes);
    c->field = xrealloc(c->field, (size_t)c->room, sizeof *c->field);
}

static void take_field(void *s, size_t n, void *ctx)
{
    struct csv *c = ctx;
    if (c->n >= CSV_COLUMNS_MAX || c->pool.len + n > CSV_RECORD_MAX) {
        c->over = true;
        return;
    }
    if (c->n == c->room)
        more_fields(c);
    c->start[c->n] = c->pool.len;
    if (utf8_clean(s, n))
        buf_add(&c->pool, s, n);
    else
        c->repaired += utf8_repair(&c->pool, s, n);
    c->bytes[c->n] = c->pool.len - c->start[c->n];
    buf_addc(&c->pool, 0);
    c->n++;
}

static void take_row(int end, void *ctx)
{
    struct csv *c = ctx;
    (void)end;
    c->row_done = true;
}

/* ---- feeding ---- */

/* Bytes of s up to and with its first line end; 0: none. */
static size_t piece(const char *s, size_t n)
{
    const char *lf = memchr(s, '\n', n);
    size_t to = lf ? (size_t)(lf - s) : n;
    const char *cr = memchr(s, '\r', to);
    if (cr)
        return (size_t)(cr - s) + 1;
    return lf ? to + 1 : 0;
}

static void count_line(struct csv *c, char last, bool alone)
{
    if (last == '\n' && !(c->mac && c->after_cr && alone))
        c->line++;
    if (last == '\r' && c->mac)
        c->line++;
    c->after_cr = last == '\r';
}

static int feed(struct csv *c, size_t n, struct err *e)
{
    const char *p = c->w.buf + c->w.at;
    /* Less than n only when it has no memory. */
    if (csv_parse(&c->parser, p, n, take_field, take_row, c) != n)
        return err_set(e, "%s: %s", gz_path(c->w.in),
                       csv_strerror(csv_error(&c->parser)));
    c->w.at += n;
    count_line(c, p[n - 1], n == 1);
    /* A line end outside of quotes that ended no record was a blank line. */
    if (!c->row_done && !c->parser.quoted && c->n == 0 &&
        (p[n - 1] == '\n' || p[n - 1] == '\r'))
        c->record_line = c->line;
    return 0;
}

static void begin_record(struct csv *c)
{
    buf_clear(&c->pool);
    c->n = 0;
    c->over = c->row_done = false;
    c->record_line = c->line;
}

static int finish(struct csv *c, struct err *e)
{
    /* Strict from here on: so libcsv tells whether a quote is open. */
    csv_set_opts(&c->parser, CSV_STRICT | CSV_STRICT_FINI);
    if (csv_fini(&c->parser, take_field, take_row, c) == 0)
        return 0;
    if (csv_error(&c->parser) == CSV_EPARSE)
        return err_set(
            e,
            "%s: file ends inside a quoted field of the record that begins in line %lld",
            gz_path(c->w.in), (long long)c->record_line);
    return err_set(e, "%s: %s", gz_path(c->w.in), csv_strerror(csv_error(&c->parser)));
}

static void set_options(struct csv *c, char delimiter)
{
    csv_init(&c->parser, 0);
    csv_set_delim(&c->parser, (unsigned char)delimiter);
    /* Its own step of 128 bytes makes a field of n bytes cost n * n / 256 copied bytes. */
    csv_set_blk_size(&c->parser, 65536);
}

/* The record is too large already: starts the parser anew behind the present line. */
static void give_up(struct csv *c)
{
    char delimiter = (char)csv_get_delim(&c->parser);
    csv_free(&c->parser);
    set_options(c, delimiter);
    c->over = c->row_done = true;
}

/* Feeds the parser up to the end of one record: 1, 0 at the end of the file, -1. */
static int feed_row(struct csv *c, struct err *e)
{
    while (!c->row_done) {
        size_t left = c->w.len - c->w.at, n = piece(c->w.buf + c->w.at, left);
        if (n == 0 && left > CSV_RECORD_MAX)
            n = left;
        if (n == 0) {
            int rc = window_fill(&c->w, e);
            if (rc < 0)
                return -1;
            if (rc > 0)
                continue;
            if ((left && feed(c, left, e) < 0) || finish(c, e) < 0)
                return -1;
            return c->row_done;
        }
        if (feed(c, n, e) < 0)
            return -1;
        if (!c->row_done && c->parser.entry_pos > CSV_RECORD_MAX)
            give_up(c);
    }
    return 1;
}

static int read_row(struct csv *c, struct err *e)
{
    begin_record(c);
    int rc = feed_row(c, e);
    for (int i = 0; i < c->n; i++) /* only now: the pool has moved while it grew */
        c->field[i] = c->pool.data + c->start[i];
    return rc;
}

/* ---- the header ---- */

/* The commonest of the three delimiters in the first line, outside of quotes. */
static char guess_delimiter(const char *s, size_t n)
{
    size_t commas = 0, tabs = 0, semicolons = 0;
    bool quoted = false;
    for (size_t i = 0; i < n && (quoted || (s[i] != '\n' && s[i] != '\r')); i++) {
        quoted ^= s[i] == '"';
        commas += !quoted && s[i] == ',';
        tabs += !quoted && s[i] == '\t';
        semicolons += !quoted && s[i] == ';';
    }
    if (tabs > commas && tabs >= semicolons)
        return '\t';
    return semicolons > commas ? ';' : ',';
}

static int check_text(struct csv *c, struct err *e)
{
    const char *p = c->w.buf + c->w.at;
    size_t n = c->w.len - c->w.at;
    const char *path = gz_path(c->w.in);
    if (n == 0)
        return err_set(e, "%s: is empty", path);
    if (n >= 2 && (memcmp(p, "\xff\xfe", 2) == 0 || memcmp(p, "\xfe\xff", 2) == 0))
        return err_set(e, "%s: is UTF-16 text; save it as UTF-8", path);
    size_t first = piece(p, n);
    if (memchr(p, 0, first ? first : n))
        return err_set(e, "%s: is no text (NUL bytes)", path);
    return 0;
}

static int read_header(struct csv *c, struct err *e)
{
    if (window_fill(&c->w, e) < 0 || window_skip_bom(&c->w, e) < 0 ||
        check_text(c, e) < 0)
        return -1;
    const char *p = c->w.buf + c->w.at;
    size_t n = c->w.len - c->w.at, end = piece(p, n);
    c->mac = end > 0 && end < n && p[end - 1] == '\r' && p[end] != '\n';
    set_options(c, guess_delimiter(p, n));
    int rc = read_row(c, e);
    if (rc < 0)
        return -1;
    if (rc == 0 || c->n == 0)
        return err_set(e, "%s: no header line", gz_path(c->w.in));
    c->columns = c->n;
    c->names = xcalloc((size_t)c->n, sizeof *c->names);
    for (int i = 0; i < c->n; i++)
        c->names[i] = xstrdup(c->field[i]);
    return 0;
}

struct csv *csv_open(struct gz *in, struct err *e)
{
    struct csv *c = xcalloc(1, sizeof *c);
    window_init(&c->w, in);
    set_options(c, ',');
    c->line = 1;
    if (read_header(c, e) < 0) {
        csv_close(c);
        return NULL;
    }
    return c;
}

void csv_close(struct csv *c)
{
    if (!c)
        return;
    csv_free(&c->parser);
    window_release(&c->w);
    buf_release(&c->pool);
    for (int i = 0; i < c->columns; i++)
        free(c->names[i]);
    free(c->names);
    free(c->start);
    free(c->bytes);
    free(c->field);
    free(c);
}

/* ---- reading ---- */

int csv_columns(const struct csv *c)
{
    return c->columns;
}

const char *const *csv_names(const struct csv *c)
{
    return (const char *const *)c->names;
}

int csv_column(const struct csv *c, const char *name)
{
    for (int i = 0; i < c->columns; i++)
        if (strcmp(c->names[i], name) == 0)
            return i;
    return -1;
}

char csv_delimiter(const struct csv *c)
{
    return (char)csv_get_delim((struct csv_parser *)&c->parser);
}

int csv_next(struct csv *c, struct csv_record *r, struct err *e)
{
    int rc = read_row(c, e);
    if (rc <= 0)
        return rc;
    *r = (struct csv_record){
        .field = c->field, .bytes = c->bytes, .n = c->n, .line = c->record_line};
    if (c->over)
        snprintf(r->reason, sizeof r->reason,
                 "record larger than %zu MiB or %d fields (an unclosed quote?)",
                 CSV_RECORD_MAX >> 20, CSV_COLUMNS_MAX);
    else if (c->n != c->columns)
        snprintf(r->reason, sizeof r->reason, "%d fields where the header has %d", c->n,
                 c->columns);
    return r->reason[0] ? CSV_REJECT : CSV_RECORD;
}

const char *csv_head(struct csv *c, size_t *n)
{
    size_t at = 0;
    for (int i = 0; i < c->n && at < sizeof c->head; i++) {
        size_t bytes = c->bytes[i], room = sizeof c->head - at;
        memcpy(c->head + at, c->field[i], bytes < room ? bytes : room);
        at += bytes < room ? bytes : room;
        if (i + 1 < c->n && at < sizeof c->head)
            c->head[at++] = csv_delimiter(c);
    }
    *n = at;
    return c->head;
}

int64_t csv_repaired(const struct csv *c)
{
    return c->repaired;
}

int64_t csv_bytes(const struct csv *c)
{
    return c->w.bytes;
}
