/* SPDX-License-Identifier: MIT */
#include "base/util.h"
#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

const char *util_program = "mm";
int util_verbosity = 0;

/* Bytes of the valid UTF-8 sequence at s, or 0. Overlong forms and surrogates are invalid. */
static size_t utf8_len(const unsigned char *s, size_t n)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = s[0] < 0x80 ? 1 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc0 ? 2 : 0;
    if (len == 0 || len > n || s[0] > 0xf4)
        return 0;
    uint32_t c = len == 1 ? s[0] : s[0] & (0xffu >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (s[i] & 0x3f);
    }
    return c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0 : len;
}

void print_safe(FILE *f, const char *s, size_t n)
{
    const unsigned char *p = (const unsigned char *)s, *end = p + n;
    while (p < end) {
        size_t len = utf8_len(p, (size_t)(end - p));
        /* C0, DEL and the two-byte C1 controls can all steer a terminal. */
        int control = len == 0 || (len == 1 && (*p < 0x20 || *p == 0x7f)) ||
                      (len == 2 && p[0] == 0xc2 && p[1] < 0xa0);
        if (control)
            fprintf(f, "\\x%02x", *p++);
        else {
            fwrite(p, 1, len, f);
            p += len;
        }
    }
}

/* One write for the whole line: tools that run side by side share a terminal. */
static void say(const char *fmt, va_list ap)
{
    char text[2048], *line = NULL;
    size_t bytes = 0;
    int n = vsnprintf(text, sizeof text, fmt, ap);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    FILE *f = open_memstream(&line, &bytes), *to = f ? f : stderr;
    fprintf(to, "%s: ", util_program);
    print_safe(to, text, len);
    fputc('\n', to);
    if (f && fclose(f) == 0)
        fwrite(line, 1, bytes, stderr);
    free(line);
}

void die(const char *fmt, ...)
{
    va_list ap;
    fflush(stdout);
    va_start(ap, fmt);
    say(fmt, ap);
    va_end(ap);
    _exit(EXIT_FAILED); /* not exit(): worker threads may still run */
}

void die_usage(const char *fmt, ...)
{
    va_list ap;
    fflush(stdout);
    va_start(ap, fmt);
    say(fmt, ap);
    va_end(ap);
    fprintf(stderr, "Try '%s --help'.\n", util_program);
    exit(EXIT_USAGE);
}

void warn(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    say(fmt, ap);
    va_end(ap);
}

void info(const char *fmt, ...)
{
    if (util_verbosity < 0)
        return;
    va_list ap;
    va_start(ap, fmt);
    say(fmt, ap);
    va_end(ap);
}

void debug(const char *fmt, ...)
{
    if (util_verbosity < 1)
        return;
    va_list ap;
    va_start(ap, fmt);
    say(fmt, ap);
    va_end(ap);
}

void *xmalloc(size_t bytes)
{
    void *p = malloc(bytes ? bytes : 1);
    if (!p)
        die("out of memory asking for %zu bytes", bytes);
    return p;
}

void *xcalloc(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size ? size : 1);
    if (!p)
        die("out of memory asking for %zu x %zu bytes", n, size);
    return p;
}

void *xrealloc(void *p, size_t n, size_t size)
{
    p = reallocarray(p, n ? n : 1, size ? size : 1);
    if (!p)
        die("out of memory asking for %zu x %zu bytes", n, size);
    return p;
}

char *xstrdup(const char *s)
{
    size_t n = strlen(s) + 1;
    return memcpy(xmalloc(n), s, n);
}

char *xasprintf(const char *fmt, ...)
{
    char *s;
    va_list ap;
    va_start(ap, fmt);
    if (vasprintf(&s, fmt, ap) < 0)
        die("out of memory");
    va_end(ap);
    return s;
}

int parse_int(int64_t *out, const char *s, int64_t lo, int64_t hi, struct err *e)
{
    char *end;
    errno = 0;
    long long v = strtoll(s, &end, 10);
    if (end == s || *end || errno)
        return err_set(e, "'%s' is not a whole number", s);
    if (v < lo || v > hi)
        return err_set(e, "%s is outside %lld..%lld", s, (long long)lo, (long long)hi);
    *out = v;
    return 0;
}

int parse_double(double *out, const char *s, double lo, double hi, struct err *e)
{
    char *end;
    errno = 0;
    double v = strtod(s, &end);
    if (end == s || *end || !isfinite(v))
        return err_set(e, "'%s' is not a number", s);
    if (v < lo || v > hi)
        return err_set(e, "%s is outside %g..%g", s, lo, hi);
    *out = v;
    return 0;
}

int close_stdout(int status)
{
    int bad = ferror(stdout);
    if (fclose(stdout) != 0 || bad) {
        if (errno != EPIPE)
            warn("standard output: %s", strerror(errno));
        return status ? status : EXIT_FAILED;
    }
    return status;
}

double monotonic_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

long peak_rss_kib(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_maxrss;
}

int cpu_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    int n = CPU_COUNT(&set);
    return n < 1 ? 1 : n;
}
