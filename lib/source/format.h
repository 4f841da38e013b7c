/* SPDX-License-Identifier: MIT */
/* What the files of the formats share: the table's line, the head that detection shows
 * them, and the checked ways to emit a record or a reject.
 *
 *     const struct format format_mine = {"mine", match, read};  // and a line in source.c
 *     static int read(struct format_run *run, struct err *e)
 *     { ... if (format_emit(run, &record, e) < 0) return -1; ... }
 *
 * A match function sees the beginning of a file and says what it is; a read function takes
 * run->in to its end.
 */
#ifndef MM_SOURCE_FORMAT_H
#define MM_SOURCE_FORMAT_H
#include "source/gz.h"
#include "source/jsonscan.h"
#include "source/jsonval.h"
#include "source/source.h"

#define FORMAT_KEYS_MAX 256

/* The beginning of a file. */
struct format_head {
    const char *path;
    const char *text; /* [bytes] */
    size_t bytes;
    enum jsonshape shape;    /* NONE: not JSON */
    const char *const *keys; /* [n_keys] keys of the first records, or column names */
    int n_keys;
    bool forced; /* the user named the format: doubt less */
};

struct format_match {
    char what[160]; /* "reviews as CSV: user=Reviewer, ..."; or why it is no match */
    bool reviews;   /* its records are reviews */
    int rank; /* of its labels: only a set's files of the highest rank are labelled */
};

struct format_run {
    const struct source_file *file;
    const struct source_options *options;
    struct source_sink *sink;
    struct source_stats *stats;
    struct gz *in;
    const char *head; /* beginning of the present record, for an excerpt; any bytes */
    size_t head_bytes;
};

struct format {
    const char *name;
    bool (*match)(struct format_match *m, const struct format_head *h,
                  const struct source_options *o);
    int (*read)(struct format_run *run, struct err *e);
};

extern const struct format format_google_restaurants, format_manifest, format_table;
extern const struct format *const
    format_all[]; /* in the order of detection; ends with NULL */

const struct format *format_find(const char *name); /* or NULL */

/* ---- for match functions ---- */

bool format_has_keys(const struct format_head *h, const char *const *keys,
                     int n); /* all of them */

/* Keys of the first records of a JSON file, or the column names of a table with a header;
 * strings to be freed by format_free_keys. -1: none can be read. */
int format_read_keys(char *keys[FORMAT_KEYS_MAX], int *n, const char *path,
                     enum jsonshape shape, struct err *e) MM_MUST_CHECK;
void format_free_keys(char **keys, int n);

/* ---- for read functions ---- */

/* Checks the bounds, then gives the record, or a reject, to the sink. -1: stopped. */
int format_emit(struct format_run *run, const struct source_record *r,
                struct err *e) MM_MUST_CHECK;
int format_reject(struct format_run *run, int64_t line, struct err *e, const char *fmt,
                  ...) MM_MUST_CHECK MM_PRINTF(4, 5);

/* s without white space at its ends, or NULL when missing ("", "None", "null"). Writes a NUL
 * into s. */
char *format_key(char *s);

/* A rating within [lo, hi]; NULL, or a reason why s is none ("rating is missing"). */
const char *format_rating(double *rating, const char *s, double lo, double hi);

/* "train", "val" or "test" for their usual names, NULL for others. */
const char *format_split(const char *s);

#endif
