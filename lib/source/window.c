/* SPDX-License-Identifier: MIT */
#include "source/window.h"
#include "base/util.h"
#include <stdlib.h>
#include <string.h>

#define START_BYTES (512 * 1024)

void window_init(struct window *w, struct gz *in)
{
    *w = (struct window){.in = in, .cap = START_BYTES};
    w->buf = xmalloc(w->cap + 1);
    w->buf[0] = 0;
}

void window_release(struct window *w)
{
    free(w->buf);
    *w = (struct window){0};
}

int window_fill(struct window *w, struct err *e)
{
    if (w->eof)
        return 0;
    if (w->at > 0) {
        memmove(w->buf, w->buf + w->at, w->len - w->at);
        w->len -= w->at;
        w->at = 0;
    }
    if (w->len > w->cap / 2) {
        w->cap *= 2;
        w->buf = xrealloc(w->buf, w->cap + 1, 1);
    }
    int64_t n = gz_read(w->in, w->buf + w->len, w->cap - w->len, e);
    if (n < 0)
        return -1;
    w->eof = n == 0;
    w->len += (size_t)n;
    w->bytes += n;
    w->buf[w->len] = 0;
    return n > 0;
}

int window_skip_bom(struct window *w, struct err *e)
{
    while (w->len - w->at < 3) {
        int rc = window_fill(w, e);
        if (rc <= 0)
            return rc;
    }
    if (memcmp(w->buf + w->at, "\xef\xbb\xbf", 3) == 0)
        w->at += 3;
    return 0;
}

/* Gives buf[at .. at+n) as the line; the line end that follows takes `end` bytes. */
static void give(struct window *w, char **line, size_t *n, size_t bytes, size_t end)
{
    char *p = w->buf + w->at;
    w->at += bytes + end;
    if (end && bytes && p[bytes - 1] == '\r')
        bytes--;
    p[bytes] = 0;
    *line = p;
    *n = bytes;
}

int window_line(struct window *w, char **line, size_t *n, size_t max, struct err *e)
{
    size_t seen = 0;
    bool over = false;
    w->unterminated = false;
    for (;;) {
        char *p = w->buf + w->at;
        char *lf = memchr(p + seen, '\n', w->len - w->at - seen);
        seen = lf ? (size_t)(lf - p) : w->len - w->at;
        if (seen > max && !over) {
            over = true;
            memcpy(w->head, p, WINDOW_HEAD - 1 < seen ? WINDOW_HEAD - 1 : seen);
            w->head[WINDOW_HEAD - 1 < seen ? WINDOW_HEAD - 1 : seen] = 0;
        }
        if (over && !lf)
            w->at = w->len, seen = 0;
        int rc = lf ? 1 : window_fill(w, e);
        if (rc < 0)
            return -1;
        if (rc == 1 && !lf)
            continue;
        if (!lf && seen == 0 && !over)
            return WINDOW_END;
        w->unterminated = !lf;
        give(w, line, n, seen, lf != NULL);
        if (!over)
            return WINDOW_LINE;
        *line = w->head;
        *n = strlen(w->head);
        return WINDOW_LONG;
    }
}
