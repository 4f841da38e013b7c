/* SPDX-License-Identifier: MIT */
#include "source/jsonspan.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* What a byte may be outside of strings; 0 is nothing. */
enum { BAD = 0, PLAIN, QUOTE, OPEN, CLOSE, MARK };

static const unsigned char kind[256] = {
    [' '] = PLAIN, ['\t'] = PLAIN, ['\n'] = PLAIN, ['\r'] = PLAIN, ['-'] = PLAIN,
    ['+'] = PLAIN, ['.'] = PLAIN,  ['e'] = PLAIN,  ['E'] = PLAIN,  ['0'] = PLAIN,
    ['1'] = PLAIN, ['2'] = PLAIN,  ['3'] = PLAIN,  ['4'] = PLAIN,  ['5'] = PLAIN,
    ['6'] = PLAIN, ['7'] = PLAIN,  ['8'] = PLAIN,  ['9'] = PLAIN,
    /* letters of true, false, null, NaN, Infinity */
    ['t'] = PLAIN, ['r'] = PLAIN,  ['u'] = PLAIN,  ['f'] = PLAIN,  ['a'] = PLAIN,
    ['l'] = PLAIN, ['s'] = PLAIN,  ['n'] = PLAIN,  ['N'] = PLAIN,  ['I'] = PLAIN,
    ['i'] = PLAIN, ['y'] = PLAIN,
    ['"'] = QUOTE, ['{'] = OPEN,   ['['] = OPEN,   ['}'] = CLOSE,  [']'] = CLOSE,
    [','] = MARK,  [':'] = MARK,
};

size_t jsonspan_string_run(const char *s, size_t n)
{
    size_t i = 0;
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
    for (; i + 16 <= n; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(s + i));
        __m128i hit = _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash));
        int mask = _mm_movemask_epi8(hit);
        if (mask)
            return i + (size_t)__builtin_ctz((unsigned)mask);
    }
#endif
    while (i < n && s[i] != '"' && s[i] != '\\')
        i++;
    return i;
}

/* From inside a string to behind its closing quote; false: it goes on behind n. */
static bool string_end(size_t *at, const char *s, size_t n)
{
    size_t i = *at;
    for (;;) {
        i += jsonspan_string_run(s + i, n - i);
        if (i >= n || (s[i] == '\\' && i + 1 >= n)) {
            *at = i < n ? i : n;
            return false;
        }
        if (s[i] == '"') {
            *at = i + 1;
            return true;
        }
        i += 2;
    }
}

static bool open_bracket(struct jsonspan *p, char c)
{
    bool in_object = p->depth > 0 && (p->objects >> (p->depth - 1) & 1);
    /* {"a": 1, {...: a brace was lost. Without this the rest of the file would be one
     * record. */
    if (p->depth >= JSONSPAN_DEPTH_MAX || (in_object && p->last != ':'))
        return false;
    uint64_t bit = (uint64_t)1 << p->depth++;
    p->objects = c == '{' ? p->objects | bit : p->objects & ~bit;
    return true;
}

static bool close_bracket(struct jsonspan *p, char c)
{
    p->depth--;
    return (p->objects >> p->depth & 1) == (c == '}');
}

static int leave(struct jsonspan *p, size_t off, int rc)
{
    p->off = off;
    return rc;
}

int jsonspan_scan(struct jsonspan *p, const char *s, size_t n)
{
    for (size_t i = p->off;;) {
        if (p->in_string) {
            if (!string_end(&i, s, n))
                return leave(p, i, 0);
            p->in_string = false;
            p->last = '"';
            if (p->depth == 0)
                return leave(p, i, 1);
        }
        while (i < n && kind[(unsigned char)s[i]] == PLAIN)
            i++;
        if (i >= n)
            return leave(p, n, 0);
        char c = s[i];
        int k = kind[(unsigned char)c];
        if (p->depth == 0 && (k == CLOSE || c == ','))
            return leave(p, i, 1);
        if (k == BAD || (k == OPEN && !open_bracket(p, c)) ||
            (k == CLOSE && !close_bracket(p, c)))
            return leave(p, i, -1);
        p->in_string = k == QUOTE;
        p->last = c;
        i++;
        if (k == CLOSE && p->depth == 0)
            return leave(p, i, 1);
    }
}
