/* SPDX-License-Identifier: MIT */
#include "nn/bpe.h"
#include "base/util.h"
#include "nn/bpe_split.h"
#include "nn/bpe_tables.h"
#include "source/utf8.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct bpe *bpe_open(const char *dir, int rows, struct err *e)
{
    struct bpe *b = xcalloc(1, sizeof *b);
    struct bpe_files f;
    int most = rows < BPE_IDS_MAX ? rows : BPE_IDS_MAX, rc = bpe_files_read(&f, dir, most, e);
    if (rc == 0)
        rc = bpe_build(b, &f, most, e);
    bpe_files_release(&f);
    if (rc == 0)
        return b;
    bpe_close(b);
    return NULL;
}

void bpe_close(struct bpe *b)
{
    if (!b)
        return;
    for (size_t i = 0; i < b->addeds; i++)
        free(b->added[i].s);
    free(b->added);
    free(b->pair);
    free(b->made);
    free(b->bytes);
    free(b->start);
    free(b->special);
    free(b);
}

int bpe_size(const struct bpe *b)
{
    return b->size;
}

const unsigned char *bpe_digest(const struct bpe *b)
{
    return b->digest;
}

/* ---- merging a word ---- */

enum { SMALL = 64 };
#define NO_RANK UINT32_MAX

/* What the bytes of a word are at present, as a list; by the position of the first byte. */
struct symbol {
    int32_t id, prev, next; /* prev, next: positions, or -1 */
    uint32_t rank;          /* of the pair with the next; NO_RANK also where nothing begins */
};

struct work {
    const struct bpe *b;
    int *ids;
    size_t n, max;
    struct symbol *symbol;
    /* Least first: rank << 32 | position, so that of equal pairs the left one comes first.
     * An entry whose symbol has another rank by now is passed over. A merge takes one out and
     * puts at most two in: 2 for each byte are enough. */
    uint64_t *heap;
    size_t heap_n, cap;
    struct symbol small_symbol[SMALL];
    uint64_t small_heap[2 * SMALL];
};

static void put(struct work *w, int id)
{
    if (w->n < w->max)
        w->ids[w->n] = id;
    w->n++;
}

static void reserve(struct work *w, size_t n)
{
    if (n <= w->cap)
        return;
    if (w->cap > SMALL) {
        free(w->symbol);
        free(w->heap);
    }
    w->cap = n;
    w->symbol = xcalloc(n, sizeof *w->symbol);
    w->heap = xcalloc(n, 2 * sizeof *w->heap);
}

static void heap_push(struct work *w, uint64_t x)
{
    size_t i = w->heap_n++;
    for (; i > 0 && w->heap[(i - 1) / 2] > x; i = (i - 1) / 2)
        w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = x;
}

static uint64_t heap_pop(struct work *w)
{
    uint64_t top = w->heap[0], x = w->heap[--w->heap_n];
    size_t i = 0, k;
    while ((k = 2 * i + 1) < w->heap_n) {
        k += k + 1 < w->heap_n && w->heap[k + 1] < w->heap[k];
        if (w->heap[k] >= x)
            break;
        w->heap[i] = w->heap[k];
        i = k;
    }
    w->heap[i] = x;
    return top;
}

/* The rank of the pair at position at, which goes onto the heap when it has one. */
static void look(struct work *w, int32_t at)
{
    struct symbol *s = &w->symbol[at];
    uint64_t v = s->next < 0 ? BPE_FREE_SLOT
                             : *bpe_pair(w->b, s->id, w->symbol[s->next].id);
    s->rank = v == BPE_FREE_SLOT ? NO_RANK : (uint32_t)(v & (BPE_IDS_MAX - 1));
    if (s->rank != NO_RANK)
        heap_push(w, (uint64_t)s->rank << 32 | (uint32_t)at);
}

static void merge(struct work *w, int32_t at)
{
    struct symbol *s = &w->symbol[at], *gone = &w->symbol[s->next];
    s->id = w->b->made[s->rank];
    s->next = gone->next;
    gone->rank = NO_RANK;
    if (s->next >= 0)
        w->symbol[s->next].prev = at;
    look(w, at);
    if (s->prev >= 0)
        look(w, s->prev);
}

static void put_word(struct work *w, const unsigned char *s, size_t n)
{
    reserve(w, n);
    w->heap_n = 0;
    for (size_t i = 0; i < n; i++)
        w->symbol[i] = (struct symbol){.id = w->b->byte_id[s[i]],
                                       .prev = (int32_t)i - 1,
                                       .next = i + 1 < n ? (int32_t)i + 1 : -1};
    for (size_t i = 0; i < n; i++)
        look(w, (int32_t)i);
    while (w->heap_n > 0) {
        uint64_t top = heap_pop(w);
        int32_t at = (int32_t)(uint32_t)top;
        if (w->symbol[at].rank == (uint32_t)(top >> 32))
            merge(w, at);
    }
    for (int32_t at = 0; at >= 0; at = w->symbol[at].next)
        put(w, w->symbol[at].id);
}

/* ---- text to words ---- */

/* The longest added token of the pass that stands at s, or NULL. */
static const struct bpe_token *token_at(const struct bpe *b, int pass, const unsigned char *s,
                                        size_t n)
{
    const struct bpe_token *best = NULL;
    for (size_t i = 0; i < b->addeds; i++) {
        const struct bpe_token *t = &b->added[i];
        if (t->pass == pass && t->n <= n && memcmp(s, t->s, t->n) == 0 &&
            (!best || t->n > best->n))
            best = t;
    }
    return best;
}

/* What lies between two added tokens is a text of its own: the blank before one belongs to no
 * word. */
static void put_text(struct work *w, const unsigned char *s, size_t n, int pass)
{
    size_t from = 0;
    if (pass == BPE_PASSES) {
        for (size_t len; from < n; from += len) {
            len = bpe_split(s + from, n - from);
            put_word(w, s + from, len);
        }
        return;
    }
    const bool *begins = w->b->begins[pass];
    for (size_t i = 0; i < n;) {
        const struct bpe_token *t = begins[s[i]] ? token_at(w->b, pass, s + i, n - i) : NULL;
        if (!t) {
            i++;
            continue;
        }
        put_text(w, s + from, i - from, pass + 1);
        put(w, t->id);
        from = i += t->n;
    }
    put_text(w, s + from, n - from, pass + 1);
}

size_t bpe_ids(int *ids, size_t max, const char *text, size_t n, const struct bpe *b)
{
    struct work w = {.b = b, .ids = ids, .max = max, .cap = SMALL};
    struct buf fixed = {0};
    assert(n <= BPE_TEXT_MAX);
    w.symbol = w.small_symbol;
    w.heap = w.small_heap;
    if (!utf8_valid(text, n)) {
        utf8_replace(&fixed, text, n);
        text = fixed.data;
        n = fixed.len;
    }
    put_text(&w, (const unsigned char *)text, n, 0);
    if (w.cap > SMALL) {
        free(w.symbol);
        free(w.heap);
    }
    buf_release(&fixed);
    return w.n;
}

/* ---- ids to text ---- */

/* Every `from` in s [n] becomes it without its first character and, if tail, its last, as
 * Python's replace does it: from the left, without looking at what came out. Returns the bytes
 * left. */
static size_t close_up(char *s, size_t n, const char *from, bool tail)
{
    size_t len = strlen(from), to = 0;
    for (size_t i = 0; i < n;) {
        if (s[i] == ' ' && n - i >= len && memcmp(s + i, from, len) == 0) {
            memcpy(s + to, from + 1, len - 1 - tail);
            to += len - 1 - tail;
            i += len;
        } else {
            s[to++] = s[i++];
        }
    }
    return to;
}

static size_t clean(char *s, size_t n)
{
    static const char *const from[] = {" .",   " ?",  " !",  " ,",   " ' ",
                                       " n't", " 'm", " 's", " 've", " 're"};
    for (size_t k = 0; k < ARRAY_LEN(from); k++)
        n = close_up(s, n, from[k], k == 4);
    return n;
}

/* Python's isspace(): the white space of the regular expression and four separators. */
static bool is_space(const char *s, size_t n)
{
    size_t len;
    return (s[0] >= 0x1c && s[0] <= 0x1f) ||
           bpe_class(&len, (const unsigned char *)s, n) == UG_SPACE;
}

static size_t strip(char *s, size_t n)
{
    size_t from = 0, len;
    while (from < n && is_space(s + from, n - from)) {
        bpe_class(&len, (const unsigned char *)s + from, n - from);
        from += len;
    }
    while (n > from) {
        size_t last = n - 1;
        while (last > from && (s[last] & 0xc0) == 0x80)
            last--;
        if (!is_space(s + last, n - last))
            break;
        n = last;
    }
    memmove(s, s + from, n - from);
    return n - from;
}

void bpe_text(struct buf *out, const int *ids, size_t n, int how, const struct bpe *b)
{
    struct buf raw = {0};
    size_t at = out->len;
    buf_reserve(out, 0);
    for (size_t i = 0; i < n; i++)
        if (ids[i] >= 0 && ids[i] < b->size && !b->special[ids[i]])
            buf_add(&raw, b->bytes + b->start[ids[i]], b->start[ids[i] + 1] - b->start[ids[i]]);
    utf8_replace(out, raw.data, raw.len);
    size_t len = out->len - at;
    if (how & BPE_CLEAN)
        len = clean(out->data + at, len);
    if (how & BPE_STRIP)
        len = strip(out->data + at, len);
    out->len = at + len;
    out->data[out->len] = 0;
    buf_release(&raw);
}
