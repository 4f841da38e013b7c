/* SPDX-License-Identifier: MIT */
/* Options of a tool as one table: parsed, checked and shown in --help from the same rows, so
 * that the defaults printed are those in force.
 *
 *     struct opts o = opts_default;
 *     const char *encoder = "auto";
 *     const struct opt_def defs[] = {
 *         {"text-encoder", OPT_STRING, &encoder, 0, 0, "NAME", "minilm or hash"}, {0}};
 *     opts_parse(argc, argv, &(struct opts_about){"mm-embed", "[options]", "..."}, defs, &o);
 *
 * Options that every tool has: --db --threads --limit --plan --max-failures --verbose
 * --quiet --version --help. A repeated option: the last one counts. --help goes to stdout and
 * exits 0; wrong use goes to stderr and exits 2.
 */
#ifndef MM_BASE_OPTS_H
#define MM_BASE_OPTS_H
#include <stdint.h>

enum opt_kind { OPT_FLAG, OPT_INT, OPT_DOUBLE, OPT_STRING };

struct opt_def {
    const char *name; /* long option without the dashes; NULL ends the table */
    enum opt_kind kind;
    void *value;      /* int *, int64_t *, double *, const char **; holds the default */
    double lo, hi;    /* bounds of OPT_INT and OPT_DOUBLE */
    const char *arg;  /* name of the argument in --help */
    const char *help; /* one line */
};

struct opts_about {
    const char *tool;
    const char *usage;   /* "[options] FILE..." */
    const char *purpose; /* one sentence */
};

struct opts {
    const char *db;
    int64_t threads;          /* 0 = all cores; opts_parse replaces it by the count */
    int64_t limit;            /* items at most; -1 = all */
    int plan;                 /* say what would be done, change nothing */
    const char *max_failures; /* "N" or "N%" */
    int given_threads, given_max_failures;
    char max_failures_kept[32]; /* what max_failures points to when it was remembered */
};

extern const struct opts opts_default;

/* Returns the index of the first positional argument. Ends the process on --help, --version
 * and wrong use. Sets util_program and util_verbosity. */
int opts_parse(int argc, char **argv, const struct opts_about *about,
               const struct opt_def *defs, struct opts *o);

/* How many of `items` may fail under "N" or "N%" (rounded up). Dies (2) on anything else. */
int64_t opts_allowed_failures(const char *max_failures, int64_t items);

#endif
