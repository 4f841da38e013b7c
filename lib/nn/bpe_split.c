/* SPDX-License-Identifier: MIT */
#include "nn/bpe_split.h"
#include "nn/unicode_word.h"
#include <stdbool.h>

static enum ug_class ascii_class(unsigned char c)
{
    unsigned char low = c | 0x20;
    if (low >= 'a' && low <= 'z')
        return UG_LETTER;
    if (c >= '0' && c <= '9')
        return UG_NUMBER;
    return c == ' ' || (c >= '\t' && c <= '\r') ? UG_SPACE : UG_OTHER;
}

enum ug_class bpe_class(size_t *bytes, const unsigned char *s, size_t n)
{
    uint32_t cp;
    if (s[0] < 0x80) {
        *bytes = 1;
        return ascii_class(s[0]);
    }
    int len = uword_decode(&cp, s, n);
    *bytes = len > 0 ? (size_t)len : 1; /* not UTF-8: never, but then it ends */
    return len > 0 ? unicode_gpt2_class(cp) : UG_OTHER;
}

/* Bytes of the characters of one class at s; *last: of the last of them. */
static size_t run(size_t *last, const unsigned char *s, size_t n, enum ug_class class)
{
    size_t i = 0, len;
    while (i < n && bpe_class(&len, s + i, n - i) == class)
        i += *last = len;
    return i;
}

static size_t contraction(const unsigned char *s, size_t n)
{
    if (s[0] != '\'' || n < 2)
        return 0;
    if (s[1] == 's' || s[1] == 't' || s[1] == 'm' || s[1] == 'd')
        return 2;
    bool long_one = n > 2 && ((s[2] == 'e' && (s[1] == 'r' || s[1] == 'v')) ||
                              (s[2] == 'l' && s[1] == 'l'));
    return long_one ? 3 : 0;
}

size_t bpe_split(const unsigned char *s, size_t n)
{
    size_t len = contraction(s, n), last = 0, lead = s[0] == ' ' && n > 1;
    if (len > 0)
        return len;
    enum ug_class class = bpe_class(&len, s + lead, n - lead);
    if (class != UG_SPACE)
        return lead + run(&last, s + lead, n - lead, class);
    /* White space: all of it at the end of the text; else without its last character, which
     * the next piece may want, unless there is only that. */
    len = run(&last, s, n, UG_SPACE);
    return len == n || len == last ? len : len - last;
}
