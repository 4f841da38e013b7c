/* SPDX-License-Identifier: MIT */
#include "nn/unicode_word.h"
#include <stdbool.h>
#include <string.h>

void uword_clear(struct uword *v)
{
    v->bytes = v->chars = v->marks = 0;
}

static int encode(unsigned char to[4], uint32_t cp)
{
    int n = cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (int i = n - 1; i > 0; i--, cp >>= 6)
        to[i] = (unsigned char)(0x80 | (cp & 0x3f));
    to[0] = (unsigned char)(lead[n] | cp);
    return n;
}

/* Whether there is room for one more; chars stops at one too many. */
static bool count(struct uword *v)
{
    bool room = v->chars < UWORD_CHARS_MAX;
    v->chars += v->chars <= UWORD_CHARS_MAX;
    return room;
}

void uword_barrier(struct uword *v)
{
    v->marks = 0;
}

void uword_add(struct uword *v, uint32_t cp)
{
    if (!count(v))
        return;
    v->bytes += encode(v->s + v->bytes, cp);
    uword_barrier(v);
}

/* Canonical ordering (Unicode, D109) by insertion: before the marks of a higher class at the
 * end of the word. */
void uword_add_mark(struct uword *v, uint32_t cp, int order)
{
    if (!count(v))
        return;
    int at = v->bytes, k = v->marks;
    for (; k > 0 && v->order[k - 1] > order; k--) {
        v->order[k] = v->order[k - 1];
        do
            at--;
        while ((v->s[at] & 0xc0) == 0x80);
    }
    unsigned char c[4];
    int n = encode(c, cp);
    memmove(v->s + at + n, v->s + at, (size_t)(v->bytes - at));
    memcpy(v->s + at, c, (size_t)n);
    v->order[k] = (unsigned char)order;
    v->bytes += n;
    v->marks++;
}

/* Syllable = 0xac00 + (lead * 21 + vowel) * 28 + tail (Unicode, 3.12). */
void uword_add_hangul(struct uword *v, uint32_t cp)
{
    uint32_t i = cp - 0xac00;
    uword_add(v, 0x1100 + i / 588);
    uword_add(v, 0x1161 + i % 588 / 28);
    if (i % 28)
        uword_add(v, 0x11a7 + i % 28);
}

int uword_decode(uint32_t *cp, const unsigned char *s, size_t n)
{
    int len = s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (len == 0 || (size_t)len > n)
        return 0;
    uint32_t v = s[0] & (0xffu >> (len + 1));
    for (int i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        v = v << 6 | (s[i] & 0x3f);
    }
    *cp = v;
    return v < least[len] || v > 0x10ffff || (v >= 0xd800 && v < 0xe000) ? 0 : len;
}
