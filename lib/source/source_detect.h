/* SPDX-License-Identifier: MIT */
/* Which files of an INPUT belong to the data set, and in which format each is: by
 * content, not by name.
 *
 *     struct source_set set;
 *     if (source_detect(&set, argv + optind, argc - optind, "auto", &options, &e) < 0)
 *         die("%s", e.text);
 *     for (int i = 0; i < set.n_files; i++)
 *         source_read(&set.file[i].file, &options, &sink, &stats, &e);
 *     source_set_release(&set);
 *
 * A path is a file, which must be of a known format, or a folder, of whose files (not of
 * its subfolders; names with a leading dot are passed over) the known ones are taken and
 * the others are listed with a reason; photos are only counted. A packed copy beside the
 * plain file is left out. Where google-restaurants is found, other tables of reviews are
 * left out. Order: by format, then as given or by name, so that reviews come before lists
 * of photos.
 */
#ifndef MM_SOURCE_SOURCE_DETECT_H
#define MM_SOURCE_SOURCE_DETECT_H
#include "source/source.h"

struct source_found {
    struct source_file file; /* path belongs to the set; labelled is decided */
    char what[160];          /* "Google Restaurants reviews, JSON lines": to be printed */
    bool reviews;            /* its records are reviews */
    int rank;                /* inner: whose labels count */
};

struct source_ignored {
    char *path;
    char why[200];
};

struct source_set {
    struct source_found *file; /* [n_files] */
    int n_files;
    struct source_ignored *ignored; /* [n_ignored] */
    int n_ignored;
    int n_photos; /* photo files seen in the folders */
};

/* format: NULL or "auto", or the name of one: then only its files and lists of photos are
 * taken. -1: a path cannot be read or is of no known format, or no reviews were found
 * (the sentence names what was seen). */
int source_detect(struct source_set *set, const char *const *paths, int n,
                  const char *format, const struct source_options *o,
                  struct err *e) MM_MUST_CHECK;
void source_set_release(struct source_set *set); /* also after a failure */

#endif
