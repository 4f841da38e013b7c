/* SPDX-License-Identifier: MIT */
/* Reads the fields of one JSON record while walking over it, without allocating.
 *
 *     struct jsonval j;
 *     jsonval_begin(&j, text, n);                  // modifiable, text[n] is NUL
 *     for (rc = jsonval_object(&j); (rc = jsonval_key(&j, &key)) == 1;)
 *         rc = jsonval_is(&key, "id") ? jsonval_scalar(&j, &id) : jsonval_skip(&j);
 *     if (jsonval_end(&j) < 0) ... j.why ...
 *
 * Why not cJSON: it builds a tree of allocated nodes (4 to 5 times slower on a record of
 * 1 kB: tests/test_jsonval.c prints both speeds), refuses lone surrogates, cuts strings
 * at \u0000 and rounds integers above 2^53. Here strings are decoded in place (an escape is
 * never shorter than what it stands for), lone surrogates and \u0000 become U+FFFD and are
 * counted, and a number is its own text.
 *
 * The text must be UTF-8 without NUL bytes (jsonscan hands it out so). Beyond RFC 8259 it
 * accepts NaN, Infinity and -Infinity as null (Python writes them) and control characters
 * inside strings. Of duplicate keys the caller sees each in turn: assigning them makes the
 * last one win, as in Python (cJSON's lookup takes the first). After the first failure every
 * call fails and j.why keeps the reason, so checking jsonval_end is enough.
 */
#ifndef MM_SOURCE_JSONVAL_H
#define MM_SOURCE_JSONVAL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSONVAL_DEPTH_MAX 64

enum jsonval_kind {
    JSONVAL_ABSENT, /* of a zeroed jsonval_text: the key was not seen */
    JSONVAL_NULL,
    JSONVAL_FALSE,
    JSONVAL_TRUE,
    JSONVAL_NUMBER,
    JSONVAL_STRING,
    JSONVAL_ARRAY,
    JSONVAL_OBJECT,
};

struct jsonval {
    char *at, *start, *end;
    int depth;
    bool fresh;       /* the container has just been entered: no comma needed */
    int64_t repaired; /* U+FFFD put in */
    const char *why;  /* NULL, or why the record is malformed */
    size_t why_at;    /* its offset in the record */
};

/* A value: strings decoded, NUL-terminated in place; numbers as written (not terminated
 * before jsonval_terminate); "" for everything else. Lives as long as the record's text. */
struct jsonval_text {
    enum jsonval_kind kind;
    char *s;
    size_t n;
};

void jsonval_begin(struct jsonval *j, char *text, size_t n);
enum jsonval_kind jsonval_peek(
    struct jsonval *j); /* kind of the value ahead; ABSENT: malformed */

/* Enter a container: 0, or -1 when the value ahead is another one. */
int jsonval_object(struct jsonval *j);
int jsonval_array(struct jsonval *j);

/* 1: a key, and its value is ahead; 0: the object has ended; -1: malformed. */
int jsonval_key(struct jsonval *j, struct jsonval_text *key);
/* 1: an item is ahead; 0: the array has ended; -1: malformed. */
int jsonval_item(struct jsonval *j);

/* Reads a string, number, true, false or null. A container is skipped and only its kind is
 * given. */
int jsonval_scalar(struct jsonval *j, struct jsonval_text *value);
int jsonval_skip(struct jsonval *j);
int jsonval_end(struct jsonval *j); /* nothing but white space is left */

bool jsonval_is(const struct jsonval_text *t, const char *s);

/* NUL behind a number's text, where the bytes behind it are no longer needed: only after
 * the walk has ended. */
void jsonval_terminate(struct jsonval_text *t);

#endif
