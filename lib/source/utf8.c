/* SPDX-License-Identifier: MIT */
#include "source/utf8.h"
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

static const char replacement[] = "\xef\xbf\xbd";

/* Whether a NUL byte is a character of the text. */
enum nul { NUL_BAD, NUL_GOOD };

/* Bytes of the well-formed sequence at s[0..n), n > 0, or minus the length of the maximal
 * ill-formed part. The second byte's range is table 3-7 of the Unicode standard. */
static int sequence(const unsigned char *s, size_t n, enum nul nul)
{
    int len = s[0] < 0x80   ? 1
              : s[0] < 0xc2 ? 0
              : s[0] < 0xe0 ? 2
              : s[0] < 0xf0 ? 3
              : s[0] < 0xf5 ? 4
                            : 0;
    if (len == 1)
        return s[0] || nul == NUL_GOOD ? 1 : -1;
    if (len == 0)
        return -1;
    unsigned char lo = s[0] == 0xe0 ? 0xa0 : s[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char hi = s[0] == 0xed ? 0x9f : s[0] == 0xf4 ? 0x8f : 0xbf;
    for (int i = 1; i < len; i++) {
        if ((size_t)i >= n || s[i] < lo || s[i] > hi)
            return -i;
        lo = 0x80, hi = 0xbf;
    }
    return len;
}

/* Bytes at the start of s that are 0x01..0x7f. */
static size_t ascii_run(const unsigned char *s, size_t n)
{
    size_t i = 0;
#ifdef __SSE2__
    for (; i + 16 <= n; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(s + i));
        int mask = _mm_movemask_epi8(_mm_cmpgt_epi8(v, _mm_setzero_si128()));
        if (mask != 0xffff)
            return i + (size_t)__builtin_ctz(~(unsigned)mask);
    }
#endif
    while (i < n && s[i] > 0 && s[i] < 0x80)
        i++;
    return i;
}

static bool valid(const char *s, size_t n, enum nul nul)
{
    const unsigned char *p = (const unsigned char *)s;
    for (size_t i = 0;;) {
        i += ascii_run(p + i, n - i);
        /* Scripts other than Latin come in long runs: stay here while they last. */
        while (i < n && (p[i] == 0 || p[i] >= 0x80)) {
            int len = sequence(p + i, n - i, nul);
            if (len < 0)
                return false;
            i += (size_t)len;
        }
        if (i >= n)
            return true;
    }
}

bool utf8_clean(const char *s, size_t n)
{
    return valid(s, n, NUL_BAD);
}

bool utf8_valid(const char *s, size_t n)
{
    return valid(s, n, NUL_GOOD);
}

static int64_t repair(struct buf *out, const char *s, size_t n, enum nul nul)
{
    const unsigned char *p = (const unsigned char *)s;
    int64_t repaired = 0;
    for (size_t i = 0; i < n;) {
        size_t run = ascii_run(p + i, n - i);
        buf_add(out, s + i, run);
        i += run;
        if (i >= n)
            break;
        int len = sequence(p + i, n - i, nul);
        if (len > 0)
            buf_add(out, s + i, (size_t)len);
        else
            buf_add(out, replacement, 3), repaired++;
        i += (size_t)(len > 0 ? len : -len);
    }
    return repaired;
}

int64_t utf8_repair(struct buf *out, const char *s, size_t n)
{
    return repair(out, s, n, NUL_BAD);
}

int64_t utf8_replace(struct buf *out, const char *s, size_t n)
{
    return repair(out, s, n, NUL_GOOD);
}

void utf8_excerpt(char out[UTF8_EXCERPT], const char *s, size_t n)
{
    const unsigned char *p = (const unsigned char *)s;
    size_t at = 0;
    for (size_t i = 0; i < n;) {
        int len = sequence(p + i, n - i, NUL_BAD);
        size_t take = len > 0 ? (size_t)len : 3;
        if (at + take >= UTF8_EXCERPT)
            break;
        memcpy(out + at, len > 0 ? s + i : replacement, take);
        at += take;
        i += (size_t)(len > 0 ? len : -len);
    }
    out[at] = 0;
}
