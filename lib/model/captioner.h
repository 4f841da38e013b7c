/* SPDX-License-Identifier: MIT */
/* Photo files to captions by BLIP-2, some at a time; and the same as a Unix filter.
 *
 *     struct photo p[8] = {{.bytes = file, .n = size}, ...};
 *     if (captioner_run(m, p, 8) == 0)
 *         puts(p[0].text);
 *     captioner_release(p, 8);
 */
#ifndef MM_MODEL_CAPTIONER_H
#define MM_MODEL_CAPTIONER_H
#include "model/blip2.h"
#include <stdint.h>
#include <stdio.h>

struct photo {
    const void *bytes; /* of the file; NULL: it failed already, err says why */
    size_t n;
    int failed;        /* it cannot be decoded, or its caption is empty */
    int empty;         /* the latter */
    struct err err;
    char *text;        /* the caption; NULL if failed */
    int *ids, n_ids;
    const char *flaw;  /* "circles": says the same again and again; "cut off": by the limit; NULL */
};

/* n at most the model's batch. -1: stop said so, and nothing has been done. */
int captioner_run(struct blip2 *m, struct photo *p, int n) MM_MUST_CHECK;
void captioner_release(struct photo *p, int n);

#define CAPTIONER_NO_OUTPUT 1

struct captioner_filter {
    int ids;              /* add the token ids */
    int64_t done, failed; /* counted up */
    int64_t circles, cut_off;
};

/* One JSON object a file, in order: {"file":...,"caption":...} or {"file":...,"error":...}.
 * paths ends with NULL; batch at a time. -1: stop said so; CAPTIONER_NO_OUTPUT: out takes no
 * more, and nothing more was computed. */
int captioner_files(char **paths, FILE *out, struct blip2 *m, int batch,
                    struct captioner_filter *f) MM_MUST_CHECK;

#endif
