/* SPDX-License-Identifier: MIT */
/* A sliding window over a byte stream: what the record readers (JSON, CSV, lines) share.
 *
 *     struct window w;
 *     window_init(&w, in);                       // in stays the caller's
 *     while ((rc = window_line(&w, &line, &n, 65536, &e)) > 0)
 *         ...
 *     window_release(&w);
 *
 * Unread bytes are buf[at .. len); buf[len] is always NUL. The window starts with 512 KiB
 * (fits a second-level cache) and doubles when one record does not fit.
 */
#ifndef MM_SOURCE_WINDOW_H
#define MM_SOURCE_WINDOW_H
#include "source/gz.h"

#define WINDOW_HEAD 256

enum { WINDOW_END = 0, WINDOW_LINE = 1, WINDOW_LONG = 2 };

struct window {
    struct gz *in;
    char *buf;
    size_t at, len, cap;
    int64_t bytes; /* read so far, unpacked */
    bool eof;
    bool unterminated;      /* the last line given had no line end */
    char head[WINDOW_HEAD]; /* beginning of a line that was too long */
};

void window_init(struct window *w, struct gz *in);
void window_release(struct window *w);

/* More bytes behind the unread ones; may move buf. 1: there are more, 0: end, -1: error. */
int window_fill(struct window *w, struct err *e) MM_MUST_CHECK;

/* Skips a UTF-8 byte order mark at the start of the stream. -1 as gz_read. */
int window_skip_bom(struct window *w, struct err *e) MM_MUST_CHECK;

/* The next line without its LF or CRLF, NUL-terminated, modifiable, valid until the next
 * call. WINDOW_LONG: longer than max; it was skipped and line is its first 255 bytes. */
int window_line(struct window *w, char **line, size_t *n, size_t max,
                struct err *e) MM_MUST_CHECK;

#endif
