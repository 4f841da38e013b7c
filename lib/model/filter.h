/* SPDX-License-Identifier: MIT */
/* Encoders as a Unix filter: lines or files in, one JSON line each out, in order.
 *
 *     struct filter f = {.encoder = en, .threads = 2};
 *     filter_texts(stdin, stdout, &f);
 *
 * A line that cannot be read gives "null", so that line n of the output stays that of line n
 * of the input, and a warning with its number.
 */
#ifndef MM_MODEL_FILTER_H
#define MM_MODEL_FILTER_H
#include "model/encoder.h"
#include <stdint.h>
#include <stdio.h>

struct filter {
    const struct encoder *encoder;
    int json;     /* lines are JSON strings */
    int ids;      /* write token ids, not vectors */
    int64_t threads;
    int64_t done, failed; /* counted up */
};

/* Memory is bounded by some thousand lines (each of at most 16 MiB). */
void filter_texts(FILE *in, FILE *out, struct filter *f);
/* paths ends with NULL. */
void filter_images(char **paths, FILE *out, struct filter *f);

#endif
