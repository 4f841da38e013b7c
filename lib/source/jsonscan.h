/* SPDX-License-Identifier: MIT */
/* Slices a stream of JSON into records without loading the file.
 *
 *     struct jsonscan *s = jsonscan_open(in, JSONSHAPE_LINES); // in stays yours
 *     while ((rc = jsonscan_next(s, &r, &e)) > 0)
 *         if (rc == JSONSCAN_RECORD) ... r.text[0 .. r.bytes) ... else ... r.reason ...
 *     jsonscan_close(s);                     // rc < 0: the file is no good
 *
 * Two shapes:
 *   JSONSHAPE_LINES  one value a line, LF or CRLF, blank lines skipped.
 *   JSONSHAPE_TREE   one value for the whole file, {"train": [{...}, ...], "val": [...]} or
 *                    [{...}, ...], on one line or many: each object is a record.
 * A UTF-8 byte order mark is skipped. A record is handed out as valid UTF-8 without NUL bytes
 * (repaired and counted); whether it is well-formed JSON is jsonval's to say.
 *
 * Errors of a record are rejects (larger than 64 MiB; in a tree: an element that is no
 * object, brackets that do not match, bytes that cannot stand outside a string). Behind a
 * broken record of a tree the scan goes on where the next record begins with the same first
 * key; a valid string cannot hold that, its quotes would be escaped. Errors of the file are
 * -1: it ends inside a record, the structure is lost for good, or reading failed. Rows of a
 * file count only when JSONSCAN_END was returned.
 *
 * Memory: one window of at most four times the largest record, at least 512 KiB.
 */
#ifndef MM_SOURCE_JSONSCAN_H
#define MM_SOURCE_JSONSCAN_H
#include "source/gz.h"
#include "source/jsonshape.h"
#include "source/utf8.h"

#define JSONSCAN_RECORD_MAX ((size_t)64 << 20) /* bytes of one record */

enum { JSONSCAN_END = 0, JSONSCAN_RECORD = 1, JSONSCAN_REJECT = 2 };

struct jsonscan;

struct jsonscan_record {
    char *text; /* NUL-terminated, modifiable; valid until the next call */
    size_t bytes;
    const char
        *array;   /* name of its array in a tree, or NULL; valid until the next call */
    int64_t line; /* LINES: 1-based line; TREE: 1-based number of the record */
    char reason[160]; /* of a reject; text is then NULL */
};

struct jsonscan *jsonscan_open(struct gz *in, enum jsonshape shape);
void jsonscan_close(struct jsonscan *s); /* NULL is accepted */

int jsonscan_next(struct jsonscan *s, struct jsonscan_record *r,
                  struct err *e) MM_MUST_CHECK;

/* The beginning of the last record or reject as it stood in the file (some 200 bytes of
 * anything, not terminated), for an excerpt. Valid until the next call. */
const char *jsonscan_head(const struct jsonscan *s, size_t *n);

int64_t jsonscan_repaired(const struct jsonscan *s); /* characters replaced by U+FFFD */
int64_t jsonscan_bytes(const struct jsonscan *s);    /* read so far, unpacked */

#endif
