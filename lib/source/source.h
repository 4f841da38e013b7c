/* SPDX-License-Identifier: MIT */
/* The seam every data format goes through: a file is read and each record pushed to a sink.
 *
 *     struct source_file f = {.path = "filter_all_t.json", .format = "google-restaurants",
 *                             .labelled = true};       // or one that source_detect found
 *     struct source_sink sink = {.record = take, .reject = note, .ctx = me};
 *     if (source_read(&f, &(struct source_options){0}, &sink, &stats, &e) < 0)
 *         ...                                          // nothing of this file counts
 *
 * A format is one file (google_restaurants.c, table.c, manifest.c) and one line in the table
 * of source.c. Files are plain or gzip. Every string of a record is UTF-8 without NUL bytes;
 * "", null, an absent key and "None" are all missing (NULL, or "" for a text).
 *
 * Bounds: a key at most 512 bytes, a text at most 1 MiB, 1,000 photos a review. What goes
 * beyond is a reject with its size (of photos the first 1,000 stay with the review).
 */
#ifndef MM_SOURCE_SOURCE_H
#define MM_SOURCE_SOURCE_H
#include "base/buf.h"
#include "source/utf8.h"
#include <stdbool.h>
#include <stdint.h>

#define SOURCE_KEY_MAX 512
#define SOURCE_TEXT_MAX ((size_t)1 << 20)
#define SOURCE_PICS_MAX 1000

enum source_what { SOURCE_REVIEW, SOURCE_BUSINESS, SOURCE_PHOTO };

/* One record of any kind; what a kind does not have is NULL, 0 or false. Pointers are valid
 * until the sink returns. */
struct source_record {
    enum source_what what;
    int64_t line; /* 1-based line; in a JSON tree the 1-based number of the record */
    const char *business_key; /* NULL only of a photo */
    /* review */
    const char *review_key; /* the source's own id, or NULL */
    const char *user_key;   /* never NULL */
    const char *text;       /* never NULL, may be "" */
    size_t text_bytes;
    double rating;
    bool has_rating;
    bool labelled; /* the rating is a label: false for history and for second files */
    bool has_at;
    int64_t at;              /* unix seconds, UTC */
    const char *split;       /* "train", "val", "test" or NULL */
    const char *const *pics; /* [n_pics] photo keys (a table may give paths) */
    int n_pics;
    /* photo */
    const char *photo_key;
    const char *photo_path;    /* as written in the manifest; NULL: gone upstream */
    const char *photo_caption; /* or NULL */
    /* business */
    const char *name;       /* or NULL */
    const char *categories; /* as written, several joined by ", "; or NULL */
    const char *price;      /* as written; or NULL */
};

struct source_reject {
    int64_t line; /* as in source_record */
    char reason[200];
    char excerpt[UTF8_EXCERPT];
};

/* Both return 0, or -1 to stop the reading. */
struct source_sink {
    int (*record)(void *ctx, const struct source_record *r);
    int (*reject)(void *ctx, const struct source_reject *r);
    void *ctx;
};

struct source_file {
    const char *path;
    const char *format; /* one of the table in source.c */
    bool labelled;      /* ratings of this file are labels */
};

struct source_options {
    const char *columns; /* table: "user=Reviewer,text=Review", or NULL: all guessed */
};

/* Kept up to date while reading, so that a sink can show progress. */
struct source_stats {
    int64_t records, rejects;
    int64_t repaired;             /* characters replaced by U+FFFD */
    int64_t bad_times;            /* times that were there and could not be read */
    int64_t nameless_photos;      /* table: photo objects without an id, left out */
    int64_t bytes;                /* unpacked */
    int64_t stored_bytes, stored; /* read so far of the file as stored, and its size */
    bool stopped;                 /* a sink returned -1 */
    char columns[512];            /* table: the column map, to be printed */
};

/* 0: the file was read to its end. -1: it was not, and its records do not count: unreadable,
 * cut off, not of this format, or stopped by the sink (stats->stopped). */
int source_read(const struct source_file *f, const struct source_options *o,
                struct source_sink *sink, struct source_stats *stats,
                struct err *e) MM_MUST_CHECK;

#endif
