/* SPDX-License-Identifier: MIT */
#include "base/words.h"
#include "base/rng.h"
#include "base/util.h"
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

static const char stop_words[] =
    " a about above after again all also am an and any are as at be because been before being "
    "both but by came can come could did do does doing dont down during each even ever every few "
    "for from further get go got had has have having he her here him his how i if im in into is "
    "it its ive just let like made make many me more most much my no nor not now of off on once "
    "one only or other our out over own really same she should so some such than that thats the "
    "their them then there these they this those though through to too under until up us very was "
    "we well went were what when where which while who whom why will with would you your ";

static int is_stop(const char *w, size_t n)
{
    char key[16];
    if (n + 3 > sizeof key)
        return 0;
    key[0] = ' ';
    memcpy(key + 1, w, n);
    memcpy(key + 1 + n, " ", 2);
    return strstr(stop_words, key) != NULL;
}

static uint64_t hash_bytes(const char *p, size_t n)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)p[i]) * UINT64_C(0x100000001b3); /* FNV-1a */
    return rng_mix(h);
}

/* 1: part of a word; *fold is its lower case. */
static int word_char(int32_t c, int32_t *fold)
{
    if (c < 128) {
        *fold = c >= 'A' && c <= 'Z' ? c + 32 : c;
        return (c >= '0' && c <= '9') || (*fold >= 'a' && *fold <= 'z');
    }
    *fold = utf8proc_tolower(c);
    utf8proc_category_t k = utf8proc_category(c);
    return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_NO;
}

static void end_word(struct words *o, size_t start, size_t from, size_t to)
{
    size_t len = o->folded.len - start;
    if (len == 0)
        return;
    if (o->n == o->cap) {
        o->cap = o->cap * 2 + 64;
        o->w = xrealloc(o->w, (size_t)o->cap, sizeof *o->w);
    }
    const char *p = o->folded.data + start;
    o->w[o->n++] = (struct word){(uint32_t)start, (uint32_t)len, (uint32_t)from, (uint32_t)to,
                                 hash_bytes(p, len), is_stop(p, len)};
    buf_addc(&o->folded, 0);
}

static int apostrophe(int32_t c)
{
    return c == '\'' || c == 0x2019;
}

void words_split(struct words *o, const char *text, size_t n)
{
    const utf8proc_uint8_t *p = (const utf8proc_uint8_t *)text;
    size_t start = 0, from = 0;
    o->n = 0;
    buf_clear(&o->folded);
    for (size_t i = 0; i < n;) {
        int32_t c, fold;
        utf8proc_ssize_t len = utf8proc_iterate(p + i, (utf8proc_ssize_t)(n - i), &c);
        int bad = len <= 0;
        if (bad)
            len = 1;
        if (!bad && word_char(c, &fold)) {
            utf8proc_uint8_t out[4];
            if (o->folded.len == start)
                from = i;
            buf_add(&o->folded, out, (size_t)utf8proc_encode_char(fold, out));
        } else if (bad || !apostrophe(c)) {
            end_word(o, start, from, i);
            start = o->folded.len;
        }
        i += (size_t)len;
    }
    end_word(o, start, from, n);
}

const char *words_at(const struct words *w, int i)
{
    return w->folded.data + w->w[i].at;
}

void words_release(struct words *w)
{
    free(w->w);
    buf_release(&w->folded);
    *w = (struct words){0};
}

static int space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

size_t words_sentence(const char *text, size_t n)
{
    size_t i = 0;
    for (; i < n; i++) {
        char c = text[i];
        if (c == '\n' || c == '\r') {
            i++;
            break;
        }
        if ((c == '.' || c == '!' || c == '?') && i + 1 < n && space(text[i + 1])) {
            i++;
            break;
        }
    }
    while (i < n && space(text[i]))
        i++;
    return i;
}
