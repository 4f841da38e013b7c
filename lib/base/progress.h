/* SPDX-License-Identifier: MIT */
/* How far a long job is, on stderr: one bar that redraws itself on a terminal, a plain line
 * every 10 s otherwise, nothing with --quiet. No colour is used.
 *
 *     struct progress p;
 *     progress_start(&p, "captions", 1200);
 *     progress_set(&p, done);
 *     progress_end(&p);
 */
#ifndef MM_BASE_PROGRESS_H
#define MM_BASE_PROGRESS_H
#include <stdint.h>

struct progress {
    const char *what;
    int64_t total, done; /* total 0: unknown */
    double started_s, shown_s;
    int tty, drawn;
};

void progress_start(struct progress *p, const char *what, int64_t total);
void progress_set(struct progress *p, int64_t done);
void progress_end(struct progress *p); /* clears the bar */

#endif
