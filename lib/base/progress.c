/* SPDX-License-Identifier: MIT */
#include "base/progress.h"
#include "base/util.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BAR 30

void progress_start(struct progress *p, const char *what, int64_t total)
{
    const char *term = getenv("TERM");
    double now = monotonic_s();
    *p = (struct progress){.what = what, .total = total, .started_s = now, .shown_s = now};
    p->tty = isatty(STDERR_FILENO) && !(term && strcmp(term, "dumb") == 0);
}

static void format_left(char *out, size_t n, double s)
{
    if (s < 100)
        snprintf(out, n, "%.0f s", s);
    else if (s < 6000)
        snprintf(out, n, "%.0f min", s / 60);
    else
        snprintf(out, n, "%.1f h", s / 3600);
}

static void show(struct progress *p, double now)
{
    double rate = (double)p->done / (now - p->started_s + 1e-9);
    char left[32] = "?";
    if (p->total > 0 && p->done > 0)
        format_left(left, sizeof left, (double)(p->total - p->done) / rate);
    if (!p->tty) {
        info("%s %lld of %lld, %.0f/s, %s left", p->what, (long long)p->done,
             (long long)p->total, rate, left);
        return;
    }
    int fill = p->total > 0 ? (int)(p->done * BAR / p->total) : 0;
    char bar[BAR + 1];
    memset(bar, '-', BAR);
    memset(bar, '#', (size_t)(fill > BAR ? BAR : fill));
    bar[BAR] = 0;
    fprintf(stderr, "\r[%s] %s %lld/%lld, %.0f/s, %s left\033[K", bar, p->what,
            (long long)p->done, (long long)p->total, rate, left);
    fflush(stderr);
    p->drawn = 1;
}

void progress_set(struct progress *p, int64_t done)
{
    double now = monotonic_s();
    p->done = done;
    if (util_verbosity < 0 || now - p->shown_s < (p->tty ? 0.2 : 10))
        return;
    p->shown_s = now;
    show(p, now);
}

void progress_end(struct progress *p)
{
    if (p->drawn)
        fputs("\r\033[K", stderr);
    p->drawn = 0;
}
