/* SPDX-License-Identifier: MIT */
#include "llm/pieces.h"
#include "base/util.h"
#include "base/words.h"
#include <stdlib.h>
#include <string.h>

/* Where to cut so that at most `most` bytes come first: behind a sentence, else behind a
 * blank, else between two characters. */
static size_t cut_at(const char *text, size_t bytes, size_t most)
{
    size_t at = 0, step;
    if (bytes <= most)
        return bytes;
    while ((step = words_sentence(text + at, bytes - at)) > 0 && at + step <= most)
        at += step;
    if (at > most / 4)
        return at;
    for (at = most; at > most / 2; at--)
        if (text[at - 1] == ' ' || text[at - 1] == '\n')
            return at;
    for (at = most; at > 1 && ((unsigned char)text[at] & 0xc0) == 0x80; at--)
        ;
    return at;
}

static void name_it(struct ask_piece *p, int whole)
{
    char hex[SHA256_HEX];
    sha256_hex(hex, p->digest);
    free(p->name);
    p->name = whole ? xstrdup(hex) : xasprintf("%s:%zu+%zu", hex, p->from, p->bytes);
}

struct ask_piece *pieces_cut(const struct ask_set *set, size_t most, int *n)
{
    struct ask_piece *out = NULL;
    int cap = 0;
    *n = 0;
    for (int i = 0; i < set->n; i++) {
        const struct ask_text *t = &set->text[i];
        for (size_t at = 0; at < t->bytes;) {
            if (*n == cap) {
                cap = cap * 2 + set->n;
                out = xrealloc(out, (size_t)cap, sizeof *out);
            }
            struct ask_piece *p = &out[(*n)++];
            *p = (struct ask_piece){.text = t->text + at, .from = at, .fold = t->fold};
            p->bytes = cut_at(t->text + at, t->bytes - at, most);
            memcpy(p->digest, t->digest, SHA256_BYTES);
            name_it(p, p->bytes == t->bytes);
            at += p->bytes;
        }
    }
    return out;
}

void pieces_free(struct ask_piece *p, int n)
{
    for (int i = 0; i < n; i++)
        free(p[i].name);
    free(p);
}

int pieces_halve(struct ask_piece **p, int *n, int i, size_t least)
{
    struct ask_piece *whole = &(*p)[i];
    if (whole->bytes < 2 * least)
        return 0;
    size_t first = cut_at(whole->text, whole->bytes, whole->bytes / 2 + whole->bytes / 8);
    *p = xrealloc(*p, (size_t)*n + 1, sizeof **p);
    whole = &(*p)[i];
    struct ask_piece *rest = &(*p)[(*n)++];
    *rest = *whole;
    rest->name = NULL;
    rest->text += first;
    rest->from += first;
    rest->bytes -= first;
    whole->bytes = first;
    name_it(whole, 0);
    name_it(rest, 0);
    return 1;
}
