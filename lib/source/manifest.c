/* SPDX-License-Identifier: MIT */
/* A list of photos: photo id <tab> path [<tab> caption [<tab> business id]], one a line,
 * LF or CRLF, with or without a header line, nothing escaped. An empty path is a photo
 * that is gone upstream; a caption "", "None" or "null" is missing.
 */
#include "base/util.h"
#include "source/format.h"
#include "source/window.h"
#include <string.h>
#include <strings.h>

#define LINE_MAX_BYTES 65536
#define FIELDS 4

/* Cuts line at its tabs; returns the number of fields there, which may be more than
 * FIELDS. */
static int cut(char *line, char *field[FIELDS])
{
    int n = 0;
    for (char *p = line; p; n++) {
        char *tab = strchr(p, '\t');
        if (tab)
            *tab = 0;
        if (n < FIELDS)
            field[n] = p;
        p = tab ? tab + 1 : NULL;
    }
    return n;
}

static bool is_header(char *const field[FIELDS], int n)
{
    static const char *const path[] = {"path", "file", "filename", "file_name", "url"};
    for (size_t i = 0; n >= 2 && i < ARRAY_LEN(path); i++)
        if (strcasecmp(field[1], path[i]) == 0)
            return true;
    return false;
}

static int give(struct format_run *run, char *const field[FIELDS], int n, int64_t line,
                struct err *e)
{
    if (n < 2 || n > FIELDS)
        return format_reject(run, line, e, "%d fields where a photo has 2 to %d", n,
                             FIELDS);
    struct source_record out = {
        .what = SOURCE_PHOTO,
        .line = line,
        .photo_key = format_key(field[0]),
        .photo_path = *field[1] ? field[1] : NULL,
        .photo_caption = n > 2 ? format_key(field[2]) : NULL,
        .business_key = n > 3 ? format_key(field[3]) : NULL,
    };
    if (!out.photo_key)
        return format_reject(run, line, e, "photo id is missing");
    return format_emit(run, &out, e);
}

static int read_lines(struct format_run *run, struct window *w, struct err *e)
{
    char *line, *field[FIELDS], head[UTF8_EXCERPT];
    size_t bytes;
    struct buf fixed = {0};
    int64_t number = 0;
    int rc = window_skip_bom(w, e);
    while (rc >= 0 && (rc = window_line(w, &line, &bytes, LINE_MAX_BYTES, e)) > 0) {
        number++;
        run->stats->bytes = w->bytes;
        /* A copy: the line is cut at its tabs before anything can be wrong with it. */
        run->head = head;
        run->head_bytes = bytes < sizeof head ? bytes : sizeof head;
        memcpy(head, line, run->head_bytes);
        if (rc == WINDOW_LONG) {
            rc = format_reject(run, number, e, "line longer than %d bytes",
                               LINE_MAX_BYTES);
            continue;
        }
        if (!utf8_clean(line, bytes)) {
            buf_clear(&fixed);
            run->stats->repaired += utf8_repair(&fixed, line, bytes);
            line = fixed.data;
        }
        if (line[strspn(line, " \t")] == 0)
            continue;
        int n = cut(line, field);
        if (number > 1 || !is_header(field, n))
            rc = give(run, field, n, number, e);
    }
    buf_release(&fixed);
    return rc;
}

static int read_file(struct format_run *run, struct err *e)
{
    struct window w;
    window_init(&w, run->in);
    int rc = read_lines(run, &w, e);
    window_release(&w);
    return rc;
}

/* ---- detection ---- */

static bool is_photo_path(const char *s)
{
    static const char *const ends[] = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp"};
    size_t n = strlen(s);
    for (size_t i = 0; i < ARRAY_LEN(ends); i++)
        if (n > strlen(ends[i]) && strcasecmp(s + n - strlen(ends[i]), ends[i]) == 0)
            return true;
    return false;
}

/* One whole line of the head: 1 a photo with a path, 0 without one, -1 no photo's line.
 */
static int judge(const char *line, size_t bytes, bool first)
{
    char copy[4096], *field[FIELDS];
    if (bytes >= sizeof copy)
        return -1;
    memcpy(copy, line, bytes);
    copy[bytes && line[bytes - 1] == '\r' ? bytes - 1 : bytes] = 0;
    if (copy[strspn(copy, " \t")] == 0)
        return 0;
    int n = cut(copy, field);
    if (n < 2 || n > FIELDS)
        return -1;
    if (first && is_header(field, n))
        return 1; /* a header alone is enough */
    return is_photo_path(field[1]) ? 1 : *field[1] ? -1 : 0;
}

static bool match(struct format_match *m, const struct format_head *h,
                  const struct source_options *o)
{
    int photos = 0, lines = 0, others = 0;
    const char *p = h->text, *end = p + h->bytes;
    (void)o;
    if (h->shape != JSONSHAPE_NONE)
        return false;
    if (h->bytes >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
        p += 3;
    while (p < end && lines < 100) {
        const char *lf = memchr(p, '\n', (size_t)(end - p));
        if (!lf && h->bytes == GZ_PEEK_MAX)
            break; /* the head's last line is cut */
        int rc = judge(p, (size_t)((lf ? lf : end) - p), lines == 0);
        photos += rc > 0;
        others += rc < 0;
        lines++;
        p = lf ? lf + 1 : end;
    }
    /* A stray line is a reject of a list of photos; a file full of them is no such list. */
    bool is_list = photos > 5 * others;
    if (is_list)
        snprintf(m->what, sizeof m->what, "list of photos");
    return is_list;
}

const struct format format_manifest = {"manifest", match, read_file};
