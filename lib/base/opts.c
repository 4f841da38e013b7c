/* SPDX-License-Identifier: MIT */
#include "base/opts.h"
#include "base/util.h"
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define MAX_OPTS 64

const struct opts opts_default = {.db = "mm.db", .limit = -1, .max_failures = "1%"};

struct shared {
    int verbose, quiet;
};

/* A number below its bounds says that nothing was given: its default is elsewhere. */
static void print_default(FILE *f, const struct opt_def *d)
{
    const char *s = d->kind == OPT_STRING ? *(const char *const *)d->value : NULL;
    if (d->kind == OPT_INT && (double)*(int64_t *)d->value >= d->lo)
        fprintf(f, " [%lld]", (long long)*(int64_t *)d->value);
    else if (d->kind == OPT_DOUBLE && *(double *)d->value >= d->lo)
        fprintf(f, " [%g]", *(double *)d->value);
    else if (s)
        fprintf(f, " [%s]", s);
}

static void print_table(FILE *f, const struct opt_def *defs)
{
    for (const struct opt_def *d = defs; d->name; d++) {
        char left[64];
        snprintf(left, sizeof left, "--%s%s%s", d->name, d->arg ? " " : "", d->arg ? d->arg : "");
        fprintf(f, "  %-26s %s", left, d->help);
        print_default(f, d);
        fputc('\n', f);
    }
}

static void usage(FILE *f, const struct opts_about *about, const struct opt_def *defs,
                  const struct opt_def *common)
{
    fprintf(f, "usage: %s %s\n%s\n\n", about->tool, about->usage, about->purpose);
    print_table(f, defs);
    print_table(f, common);
    fprintf(f, "  %-26s %s\n  %-26s %s\n", "--version", "print the version", "-h, --help",
            "this text");
    fprintf(f, "exit: 0 done, 1 failed, 2 wrong use, 3 --plan: work pending, 130 interrupted\n");
}

static void set_value(const struct opt_def *d, const char *arg)
{
    struct err e;
    int64_t n;
    switch (d->kind) {
    case OPT_FLAG:
        *(int *)d->value = 1;
        break;
    case OPT_STRING:
        *(const char **)d->value = arg;
        break;
    case OPT_INT:
        if (parse_int(&n, arg, (int64_t)d->lo, (int64_t)d->hi, &e) < 0)
            die_usage("--%s: %s", d->name, e.text);
        *(int64_t *)d->value = n;
        break;
    case OPT_DOUBLE:
        if (parse_double(d->value, arg, d->lo, d->hi, &e) < 0)
            die_usage("--%s: %s", d->name, e.text);
        break;
    }
}

static int add_long(struct option *lo, int n, const struct opt_def *defs, int base)
{
    for (int i = 0; defs[i].name; i++) {
        if (n >= MAX_OPTS)
            die("too many options");
        lo[n++] = (struct option){defs[i].name,
                                  defs[i].kind == OPT_FLAG ? no_argument : required_argument,
                                  NULL, base + i};
    }
    return n;
}

/* What cannot be checked option by option. */
static void finish(struct opts *o, const struct shared *sh)
{
    util_verbosity = sh->quiet ? -1 : sh->verbose;
    if (sh->quiet && sh->verbose)
        die_usage("--quiet and --verbose exclude each other");
    if (!*o->db)
        die_usage("--db: empty file name");
    opts_allowed_failures(o->max_failures, 0);
    o->given_threads = o->threads > 0;
    if (o->threads == 0)
        o->threads = cpu_count();
}

int opts_parse(int argc, char **argv, const struct opts_about *about,
               const struct opt_def *defs, struct opts *o)
{
    struct shared sh = {0};
    const char *before = o->max_failures;
    const struct opt_def common[] = {
        {"db", OPT_STRING, &o->db, 0, 0, "FILE", "the database"},
        {"threads", OPT_INT, &o->threads, 0, 1024, "N", "worker threads, 0 = all cores"},
        {"limit", OPT_INT, &o->limit, -1, 1e15, "N", "do at most N items, -1 = all"},
        {"plan", OPT_FLAG, &o->plan, 0, 0, NULL, "say what would be done, change nothing"},
        {"max-failures", OPT_STRING, &o->max_failures, 0, 0, "N[%]", "items that may fail"},
        {"verbose", OPT_FLAG, &sh.verbose, 0, 0, NULL, "say more on stderr"},
        {"quiet", OPT_FLAG, &sh.quiet, 0, 0, NULL, "only errors on stderr"},
        {0}};
    struct option lo[MAX_OPTS + 4];
    util_program = about->tool;
    int n = add_long(lo, 0, defs, 1000);
    n = add_long(lo, n, common, 2000);
    lo[n++] = (struct option){"version", no_argument, NULL, 'V'};
    lo[n++] = (struct option){"help", no_argument, NULL, 'h'};
    lo[n] = (struct option){0};
    for (int c; (c = getopt_long(argc, argv, "h", lo, NULL)) != -1;) {
        if (c == 'h') {
            usage(stdout, about, defs, common);
            exit(close_stdout(EXIT_DONE));
        } else if (c == 'V') {
            printf("%s %s\n", about->tool, MM_VERSION);
            exit(close_stdout(EXIT_DONE));
        } else if (c >= 2000)
            set_value(&common[c - 2000], optarg);
        else if (c >= 1000)
            set_value(&defs[c - 1000], optarg);
        else {
            fprintf(stderr, "Try '%s --help'.\n", about->tool);
            exit(EXIT_USAGE);
        }
    }
    o->given_max_failures = o->max_failures != before;
    finish(o, &sh);
    return optind;
}

int64_t opts_allowed_failures(const char *max_failures, int64_t items)
{
    char *end;
    double v = strtod(max_failures, &end);
    while (*end == ' ')
        end++;
    int percent = *end == '%';
    if (end == max_failures || end[percent] || !(v >= 0) || v > 1e15 || (percent && v > 100))
        die_usage("--max-failures: '%s' is neither a count nor a percentage", max_failures);
    if (!percent)
        return (int64_t)v;
    double allowed = v * (double)items / 100;
    return (int64_t)allowed + (allowed > (double)(int64_t)allowed);
}
