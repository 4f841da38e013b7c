/* SPDX-License-Identifier: MIT */
/* The few lines a C test needs to speak TAP: ok, is, near, skip, and done as main's result. */
#ifndef TAP_H
#define TAP_H
#include <math.h>
#include <stdio.h>
#include <string.h>

static int tap_run, tap_failed;

#define ok(cond, ...) tap_ok((cond) ? 1 : 0, __FILE__, __LINE__, __VA_ARGS__)
__attribute__((format(printf, 4, 5), unused)) static int
tap_ok(int good, const char *file, int line, const char *fmt, ...)
{
    __builtin_va_list ap;
    printf("%sok %d - ", good ? "" : "not ", ++tap_run);
    __builtin_va_start(ap, fmt);
    vprintf(fmt, ap);
    __builtin_va_end(ap);
    printf("\n");
    if (!good)
        printf("#   failed at %s:%d\n", file, line), tap_failed++;
    return good;
}

/* Equal strings. */
#define is(got, want, name) tap_is(got, want, name, __FILE__, __LINE__)
__attribute__((unused)) static int tap_is(const char *got, const char *want, const char *name,
                                          const char *file, int line)
{
    int good = got && want ? strcmp(got, want) == 0 : got == want;
    tap_ok(good, file, line, "%s", name);
    if (!good)
        printf("#   got  '%s'\n#   want '%s'\n", got ? got : "(null)", want ? want : "(null)");
    return good;
}

/* |got - want| <= tol. */
#define near(got, want, tol, name) tap_near(got, want, tol, name, __FILE__, __LINE__)
__attribute__((unused)) static int tap_near(double got, double want, double tol,
                                            const char *name, const char *file, int line)
{
    int good = fabs(got - want) <= tol;
    tap_ok(good, file, line, "%s", name);
    if (!good)
        printf("#   got %.9g, want %.9g +- %.3g\n", got, want, tol);
    return good;
}

__attribute__((unused)) static void skip(const char *why)
{
    printf("ok %d # SKIP %s\n", ++tap_run, why);
}

__attribute__((unused)) static int done(void)
{
    printf("1..%d\n", tap_run);
    return tap_failed != 0;
}

#endif
