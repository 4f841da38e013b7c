/* SPDX-License-Identifier: MIT */
/* Ending the process with a message, warnings, allocate-or-die, bounded numbers, a checked
 * close of stdout. The only file that calls exit(). All functions may be called from any
 * thread unless said otherwise.
 */
#ifndef MM_BASE_UTIL_H
#define MM_BASE_UTIL_H
#include "base/err.h"
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Exit statuses of every tool. */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_PENDING = 3, EXIT_INTERRUPTED = 130 };

extern const char *util_program; /* name in messages; set once by main */
extern int util_verbosity;       /* -1 --quiet, 0, 1 --verbose; set once by main */

/* Prints "program: message" to stderr after flushing stdout and ends with EXIT_FAILED. Only
 * for what is fatal to any item: no memory, an SQL error, a broken database. */
void die(const char *fmt, ...) MM_PRINTF(1, 2) __attribute__((noreturn));
/* The same for wrong use: exit EXIT_USAGE. */
void die_usage(const char *fmt, ...) MM_PRINTF(1, 2) __attribute__((noreturn));
/* "program: message" on stderr; control characters are shown as \xNN. */
void warn(const char *fmt, ...) MM_PRINTF(1, 2);
/* Talk on stderr: info unless --quiet, debug only with --verbose. */
void info(const char *fmt, ...) MM_PRINTF(1, 2);
void debug(const char *fmt, ...) MM_PRINTF(1, 2);

/* Allocate or die. The caller frees with free(). n*size is checked for overflow. */
void *xmalloc(size_t bytes);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t n, size_t size);
char *xstrdup(const char *s);
char *xasprintf(const char *fmt, ...) MM_PRINTF(1, 2);

/* The whole of s as a number within [lo, hi]; -1 and a sentence otherwise. */
int parse_int(int64_t *out, const char *s, int64_t lo, int64_t hi, struct err *e) MM_MUST_CHECK;
int parse_double(double *out, const char *s, double lo, double hi, struct err *e) MM_MUST_CHECK;

/* Writes s (n bytes) to f with control bytes and invalid UTF-8 shown as \xNN: text from
 * outside must not steer the terminal. */
void print_safe(FILE *f, const char *s, size_t n);

/* Ends main: flushes and closes stdout; a write error turns status 0 into EXIT_FAILED. */
int close_stdout(int status) MM_MUST_CHECK;

double monotonic_s(void);     /* seconds from an arbitrary start */
long peak_rss_kib(void);      /* of this process */
int cpu_count(void);          /* cores this process may use, at least 1 */

#endif
