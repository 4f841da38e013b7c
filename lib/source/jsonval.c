/* SPDX-License-Identifier: MIT */
#include "source/jsonval.h"
#include "source/jsonspan.h"
#include <string.h>

#define REPLACEMENT 0xfffd

static char empty[1]; /* s of values without text: never written, n is 0 */

static int fail(struct jsonval *j, const char *why)
{
    if (!j->why) {
        j->why = why;
        j->why_at = (size_t)(j->at - j->start);
    }
    return -1;
}

void jsonval_begin(struct jsonval *j, char *text, size_t n)
{
    *j = (struct jsonval){.at = text, .start = text, .end = text + n};
}

static void skip_space(struct jsonval *j)
{
    while (*j->at == ' ' || *j->at == '\t' || *j->at == '\n' || *j->at == '\r')
        j->at++; /* ends at text[n], which is NUL */
}

enum jsonval_kind jsonval_peek(struct jsonval *j)
{
    if (j->why)
        return JSONVAL_ABSENT;
    skip_space(j);
    switch (*j->at) {
    case '"': return JSONVAL_STRING;
    case '{': return JSONVAL_OBJECT;
    case '[': return JSONVAL_ARRAY;
    case 't': return JSONVAL_TRUE;
    case 'f': return JSONVAL_FALSE;
    case 'n':
    case 'N':
    case 'I': return JSONVAL_NULL;
    case '-': return j->at[1] == 'I' ? JSONVAL_NULL : JSONVAL_NUMBER;
    default:
        if (*j->at >= '0' && *j->at <= '9')
            return JSONVAL_NUMBER;
        fail(j, j->at == j->end ? "ends where a value belongs" : "no value here");
        return JSONVAL_ABSENT;
    }
}

/* ---- strings ---- */

static int hex4(const char *p)
{
    int v = 0;
    for (int i = 0; i < 4; i++) {
        int c = p[i], low = c | 0x20;
        int digit = c >= '0' && c <= '9'       ? c - '0'
                    : low >= 'a' && low <= 'f' ? low - 'a' + 10
                                               : -1;
        if (digit < 0)
            return -1; /* also at the NUL behind the text */
        v = v << 4 | digit;
    }
    return v;
}

static char *put_utf8(char *to, unsigned c)
{
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xc0 | c >> 6);
        *to++ = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *to++ = (char)(0xe0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
        *to++ = (char)(0x80 | (c & 0x3f));
    } else {
        *to++ = (char)(0xf0 | c >> 18);
        *to++ = (char)(0x80 | (c >> 12 & 0x3f));
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
        *to++ = (char)(0x80 | (c & 0x3f));
    }
    return to;
}

/* \uXXXX at *from (behind the u): the character, a pair taken together; -1: no hex. */
static int unicode_escape(struct jsonval *j, const char **from)
{
    int c = hex4(*from);
    if (c < 0)
        return -1;
    *from += 4;
    if (c >= 0xd800 && c < 0xdc00 && (*from)[0] == '\\' && (*from)[1] == 'u') {
        int low = hex4(*from + 2);
        if (low >= 0xdc00 && low < 0xe000) {
            *from += 6;
            return 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        }
    }
    if (c == 0 || (c >= 0xd800 && c < 0xe000)) {
        j->repaired++;
        return REPLACEMENT;
    }
    return c;
}

/* One escape at *from (the backslash) to *to. */
static int escape(struct jsonval *j, char **to, const char **from)
{
    static const char plain[256] = {['"'] = '"',  ['\\'] = '\\', ['/'] = '/',
                                    ['b'] = '\b', ['f'] = '\f',  ['n'] = '\n',
                                    ['r'] = '\r', ['t'] = '\t'};
    unsigned char c = (unsigned char)(*from)[1];
    if (plain[c]) {
        *(*to)++ = plain[c];
        *from += 2;
        return 0;
    }
    const char *digits = *from + 2;
    int u = c == 'u' ? unicode_escape(j, &digits) : -1;
    if (u < 0)
        return fail(j, c == 'u' ? "\\u without four hex digits"
                                : "unknown escape in a string");
    *to = put_utf8(*to, (unsigned)u);
    *from = digits;
    return 0;
}

/* Decodes the string at j->at (its quote) in place. */
static int take_string(struct jsonval *j, struct jsonval_text *t)
{
    char *s = j->at + 1, *to = s;
    const char *from = s;
    for (;;) {
        size_t run = jsonspan_string_run(from, (size_t)(j->end - from));
        if (to != from)
            memmove(to, from, run);
        to += run;
        from += run;
        if (from == j->end)
            return fail(j, "string without a closing quote");
        if (*from == '"')
            break;
        if (escape(j, &to, &from) < 0)
            return -1;
    }
    j->at = s + (from - s) + 1;
    *to = 0;
    *t = (struct jsonval_text){JSONVAL_STRING, s, (size_t)(to - s)};
    return 0;
}

static int skip_string(struct jsonval *j)
{
    char *p = j->at + 1;
    for (;;) {
        p += jsonspan_string_run(p, (size_t)(j->end - p));
        if (p == j->end || (*p == '\\' && p + 1 == j->end))
            return fail(j, "string without a closing quote");
        if (*p == '"')
            break;
        p += 2;
    }
    j->at = p + 1;
    return 0;
}

/* ---- other scalars ---- */

static int take_digits(char **p)
{
    char *from = *p;
    while (**p >= '0' && **p <= '9')
        (*p)++;
    return *p > from;
}

static int take_number(struct jsonval *j, struct jsonval_text *t)
{
    char *p = j->at + (*j->at == '-'), *first = p;
    int good = take_digits(&p) && !(*first == '0' && p > first + 1);
    if (good && *p == '.')
        p++, good = take_digits(&p);
    if (good && (*p == 'e' || *p == 'E')) {
        p++;
        p += *p == '+' || *p == '-';
        good = take_digits(&p);
    }
    if (!good)
        return fail(j, "malformed number");
    *t = (struct jsonval_text){JSONVAL_NUMBER, j->at, (size_t)(p - j->at)};
    j->at = p;
    return 0;
}

static int take_word(struct jsonval *j, struct jsonval_text *t, enum jsonval_kind kind)
{
    static const char *const words[] = {"true", "false",    "null",
                                        "NaN",  "Infinity", "-Infinity"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t n = strlen(words[i]);
        if (strncmp(j->at, words[i], n) == 0) {
            j->at += n;
            *t = (struct jsonval_text){kind, empty, 0};
            return 0;
        }
    }
    return fail(j, "unknown word where a value belongs");
}

int jsonval_scalar(struct jsonval *j, struct jsonval_text *value)
{
    enum jsonval_kind kind = jsonval_peek(j);
    switch (kind) {
    case JSONVAL_ABSENT: return -1;
    case JSONVAL_STRING: return take_string(j, value);
    case JSONVAL_NUMBER: return take_number(j, value);
    case JSONVAL_ARRAY:
    case JSONVAL_OBJECT:
        *value = (struct jsonval_text){kind, empty, 0};
        return jsonval_skip(j);
    default: return take_word(j, value, kind);
    }
}

/* ---- containers ---- */

static int enter(struct jsonval *j, enum jsonval_kind kind, const char *why)
{
    enum jsonval_kind ahead = jsonval_peek(j);
    if (ahead != kind)
        return fail(j, why);
    if (j->depth == JSONVAL_DEPTH_MAX)
        return fail(j, "nested deeper than 64");
    j->depth++;
    j->at++;
    j->fresh = true;
    return 0;
}

int jsonval_object(struct jsonval *j)
{
    return enter(j, JSONVAL_OBJECT, "no object here");
}

int jsonval_array(struct jsonval *j)
{
    return enter(j, JSONVAL_ARRAY, "no array here");
}

/* Before the next element, its comma consumed: 1; behind the closing bracket: 0; -1. */
static int next_element(struct jsonval *j, char closing)
{
    if (j->why)
        return -1;
    skip_space(j);
    bool fresh = j->fresh;
    j->fresh = false;
    if (*j->at == closing) {
        j->at++;
        j->depth--;
        return 0;
    }
    if (fresh)
        return 1;
    if (*j->at != ',')
        return fail(j, j->at == j->end ? "ends inside a container" : "no comma here");
    j->at++;
    skip_space(j);
    return 1;
}

int jsonval_item(struct jsonval *j)
{
    return next_element(j, ']');
}

/* Steps over the colon behind a key. */
static int take_colon(struct jsonval *j)
{
    skip_space(j);
    if (*j->at != ':')
        return fail(j, "no colon behind a key");
    j->at++;
    return 1;
}

int jsonval_key(struct jsonval *j, struct jsonval_text *key)
{
    int rc = next_element(j, '}');
    if (rc != 1)
        return rc;
    if (*j->at != '"')
        return fail(j, "no key here");
    return take_string(j, key) < 0 ? -1 : take_colon(j);
}

int jsonval_skip(struct jsonval *j)
{
    struct jsonval_text t;
    enum jsonval_kind kind = jsonval_peek(j);
    int rc;
    if (kind == JSONVAL_STRING)
        return skip_string(j);
    if (kind == JSONVAL_OBJECT) {
        if (jsonval_object(j) < 0)
            return -1;
        while ((rc = next_element(j, '}')) == 1) {
            if (*j->at != '"')
                return fail(j, "no key here");
            if (skip_string(j) < 0 || take_colon(j) < 0 || jsonval_skip(j) < 0)
                return -1;
        }
        return rc;
    }
    if (kind == JSONVAL_ARRAY) {
        if (jsonval_array(j) < 0)
            return -1;
        while ((rc = jsonval_item(j)) == 1)
            if (jsonval_skip(j) < 0)
                return -1;
        return rc;
    }
    return jsonval_scalar(j, &t);
}

int jsonval_end(struct jsonval *j)
{
    if (j->why)
        return -1;
    skip_space(j);
    if (j->depth > 0 || j->at != j->end)
        return fail(j, "more text behind the value");
    return 0;
}

bool jsonval_is(const struct jsonval_text *t, const char *s)
{
    return strlen(s) == t->n && memcmp(t->s, s, t->n) == 0;
}

void jsonval_terminate(struct jsonval_text *t)
{
    if (t->kind == JSONVAL_NUMBER)
        t->s[t->n] = 0;
}
