/* SPDX-License-Identifier: MIT */
#include "nn/wordpiece.h"
#include "base/buf.h"
#include "base/util.h"
#include "nn/unicode_bert.h"
#include "nn/unicode_word.h"
#include "source/utf8.h"
#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define LINES_MAX (1 << 20)
#define LINE_BYTES_MAX 1024
#define FILE_MAX ((size_t)256 << 20)

enum { PAD, UNK, CLS, SEP, MASK, SPECIALS };
static const char *const special_text[SPECIALS] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]",
                                                   "[MASK]"};

/* A state of the trie: the one behind byte c is base + c if that unit's parent is this one. */
struct unit {
    int32_t base, parent; /* parent -1: free */
    int32_t id;           /* of the piece that ends here, or -1 */
};

struct wordpiece {
    struct unit *unit; /* [units]; 0 is the root, and 256 free units lie at the end */
    int32_t units;
    int32_t inner; /* the state behind "##": where continuations begin; -1: there are none */
    int size, special[SPECIALS];
    unsigned char class_of[256]; /* of a byte */
    unsigned char lower[256];    /* of a byte: A-Z to a-z, the others as they are */
};

enum { LETTER, BLANK, GONE, ALONE, HIGH };

/* ---- the vocabulary ---- */

struct line {
    const unsigned char *s;
    int32_t n, id;
};

/* A state to be given children: the lines [lo, hi) share its first `depth` bytes. */
struct todo {
    int32_t state, lo, hi, depth;
};

static int by_bytes(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    int c = memcmp(x->s, y->s, (size_t)(x->n < y->n ? x->n : y->n));
    return c ? c : x->n - y->n;
}

static void grow(struct wordpiece *w, int32_t units)
{
    if (units <= w->units)
        return;
    int32_t more = units + units / 2;
    w->unit = xrealloc(w->unit, (size_t)more, sizeof *w->unit);
    for (int32_t i = w->units; i < more; i++)
        w->unit[i] = (struct unit){.base = 0, .parent = -1, .id = -1};
    w->units = more;
}

/* A base at which all n bytes (ascending) find free units; *first_free moves up over what is
 * nearly full, so that building stays linear. */
static int32_t find_base(struct wordpiece *w, int32_t *first_free, const unsigned char *byte,
                         int n)
{
    int32_t taken = 0;
    grow(w, *first_free + 512);
    while (w->unit[*first_free].parent >= 0)
        grow(w, ++*first_free + 512);
    int32_t from = *first_free > byte[0] ? *first_free - byte[0] : 1;
    for (int32_t base = from;; base++) {
        grow(w, base + 512);
        int i = 0;
        while (i < n && w->unit[base + byte[i]].parent < 0)
            i++;
        if (i == n) {
            if (taken > 32 && base - from < taken * 20 / 19)
                *first_free = base + byte[0];
            return base;
        }
        taken += w->unit[base + byte[0]].parent >= 0;
    }
}

/* The distinct bytes at depth of the sorted lines [lo, hi), and where each one's lines end. */
static int children(unsigned char byte[256], int32_t end[256], const struct line *line,
                    const struct todo *t)
{
    int n = 0;
    for (int32_t i = t->lo; i < t->hi; i++) {
        if (line[i].n == t->depth)
            continue;
        unsigned char c = line[i].s[t->depth];
        if (n == 0 || byte[n - 1] != c)
            byte[n++] = c;
        end[n - 1] = i + 1;
    }
    return n;
}

/* Breadth first, so that the states near the root, which every word visits, lie together. */
static void build(struct wordpiece *w, const struct line *line, int n)
{
    unsigned char byte[256];
    int32_t end[256], first_free = 1;
    size_t cap = (size_t)n + 16, head = 0, tail = 1;
    struct todo *queue = xcalloc(cap, sizeof *queue);
    grow(w, 1024);
    w->unit[0].parent = 0;
    queue[0] = (struct todo){0, 0, n, 0};
    while (head < tail) {
        struct todo t = queue[head++];
        int32_t lo = t.lo;
        if (line[lo].n == t.depth)
            w->unit[t.state].id = line[lo++].id;
        int k = children(byte, end, line, &t);
        if (k == 0)
            continue;
        int32_t base = find_base(w, &first_free, byte, k);
        w->unit[t.state].base = base;
        if (tail + (size_t)k > cap)
            queue = xrealloc(queue, cap = 2 * cap + 256, sizeof *queue);
        for (int i = 0; i < k; i++) {
            w->unit[base + byte[i]].parent = t.state;
            queue[tail++] = (struct todo){base + byte[i], lo, end[i], t.depth + 1};
            lo = end[i];
        }
    }
    free(queue);
}

/* Cuts the file into lines, checking each. Returns how many, or -1. */
static int cut_lines(struct line **out, const struct buf *b, const char *path, struct err *e)
{
    size_t n = 0, cap = 1024;
    struct line *line = xcalloc(cap, sizeof *line);
    *out = line;
    for (size_t at = 0; at < b->len; n++) {
        const char *s = b->data + at, *lf = memchr(s, '\n', b->len - at);
        size_t len = lf ? (size_t)(lf - s) : b->len - at;
        at += len + (lf != NULL);
        len -= len > 0 && s[len - 1] == '\r';
        if (n == LINES_MAX)
            return err_set(e, "%s: more than %d lines", path, LINES_MAX);
        if (len == 0 || len > LINE_BYTES_MAX)
            return err_set(e, "%s: line %zu has %zu bytes, expected 1 to %d", path, n + 1, len,
                           LINE_BYTES_MAX);
        if (!utf8_clean(s, len))
            return err_set(e, "%s: line %zu is no UTF-8 text", path, n + 1);
        if (n == cap)
            *out = line = xrealloc(line, cap *= 2, sizeof *line);
        line[n] = (struct line){(const unsigned char *)s, (int32_t)len, (int32_t)n};
    }
    return (int)n;
}

static int32_t step(const struct wordpiece *w, int32_t state, unsigned char c)
{
    int32_t next = w->unit[state].base + c;
    return w->unit[next].parent == state ? next : -1;
}

/* The state behind the whole of s, or -1. */
static int32_t walk(const struct wordpiece *w, const char *s)
{
    int32_t state = 0;
    for (; *s && state >= 0; s++)
        state = step(w, state, (unsigned char)*s);
    return state;
}

static int read_vocabulary(struct wordpiece *w, struct line **line, const struct buf *b,
                           const char *path, int want, struct err *e)
{
    int n = cut_lines(line, b, path, e);
    if (n < 0)
        return -1;
    if (n == 0 || (want > 0 && n != want))
        return err_set(e, "%s: %d pieces, expected %d: another model's vocabulary?", path, n,
                       want > 0 ? want : 30522);
    qsort(*line, (size_t)n, sizeof **line, by_bytes);
    for (int i = 1; i < n; i++)
        if (by_bytes(&(*line)[i - 1], &(*line)[i]) == 0)
            return err_set(e, "%s: '%.*s' stands twice, in lines %d and %d", path,
                           (*line)[i].n > 100 ? 100 : (int)(*line)[i].n, (*line)[i].s,
                           (*line)[i - 1].id + 1, (*line)[i].id + 1);
    build(w, *line, n);
    w->size = n;
    w->inner = walk(w, "##");
    for (int k = 0; k < SPECIALS; k++) {
        int32_t state = walk(w, special_text[k]);
        w->special[k] = state < 0 ? -1 : w->unit[state].id;
        if (w->special[k] < 0 && k != MASK)
            return err_set(e, "%s: no %s among %d pieces: no BERT vocabulary", path,
                           special_text[k], n);
    }
    return 0;
}

/* ASCII, as nn/unicode_bert.h has the rest: control characters are deleted, not blanks. */
static void classify_bytes(struct wordpiece *w)
{
    for (int c = 0; c < 256; c++) {
        bool upper = c >= 'A' && c <= 'Z', letter = upper || (c >= 'a' && c <= 'z');
        w->lower[c] = (unsigned char)(upper ? c | 0x20 : c);
        w->class_of[c] = letter || (c >= '0' && c <= '9')                   ? LETTER
                         : c == ' ' || c == '\t' || c == '\n' || c == '\r' ? BLANK
                         : c < ' ' || c == 0x7f                             ? GONE
                         : c < 0x80                                         ? ALONE
                                                                            : HIGH;
    }
}

struct wordpiece *wordpiece_open(const char *path, int want, struct err *e)
{
    struct wordpiece *w = xcalloc(1, sizeof *w);
    classify_bytes(w);
    struct buf b = {0};
    struct line *line = NULL;
    int rc = buf_read_file(&b, path, FILE_MAX, e);
    if (rc == 0)
        rc = read_vocabulary(w, &line, &b, path, want, e);
    free(line);
    buf_release(&b);
    if (rc == 0)
        return w;
    wordpiece_close(w);
    return NULL;
}

void wordpiece_close(struct wordpiece *w)
{
    if (!w)
        return;
    free(w->unit);
    free(w);
}

int wordpiece_size(const struct wordpiece *w)
{
    return w->size;
}

/* ---- words to pieces ---- */

struct out {
    const struct wordpiece *w;
    int *ids, n, max; /* max: without the [SEP] to come */
};

static void put(struct out *o, int id)
{
    if (o->n < o->max)
        o->ids[o->n++] = id;
}

/* The pieces of a word, longest first from the left; [UNK] alone when a rest matches none.
 * Later pieces are looked for even when there is no more room: they decide about the first. */
static void put_word(struct out *o, const unsigned char *s, size_t n)
{
    const struct unit *unit = o->w->unit;
    int kept = o->n;
    int32_t start = 0;
    for (size_t at = 0; at < n;) {
        int32_t state = start, id = -1;
        size_t end = at;
        for (size_t i = at; i < n && state >= 0; i++) {
            int32_t next = unit[state].base + o->w->lower[s[i]];
            if (unit[next].parent != state)
                break;
            state = next;
            if (unit[state].id >= 0)
                id = unit[state].id, end = i + 1;
        }
        if (id < 0) {
            o->n = kept;
            put(o, o->w->special[UNK]);
            return;
        }
        put(o, id);
        at = end;
        start = o->w->inner;
    }
}

/* ---- text to words ---- */

static void flush(struct out *o, struct uword *v)
{
    if (v->chars > UWORD_CHARS_MAX)
        put(o, o->w->special[UNK]);
    else if (v->chars > 0)
        put_word(o, v->s, (size_t)v->bytes);
    uword_clear(v);
}

static void put_alone(struct out *o, struct uword *v, uint32_t cp)
{
    flush(o, v);
    uword_add(v, cp);
    flush(o, v);
}

static void feed_ascii(struct out *o, struct uword *v, unsigned char c)
{
    switch (o->w->class_of[c]) {
    case LETTER: uword_add(v, o->w->lower[c]); break;
    case BLANK: flush(o, v); break;
    case ALONE:
        flush(o, v);
        put_word(o, &c, 1);
        break;
    default: break;
    }
}

static void feed(struct out *o, struct uword *v, uint32_t cp)
{
    if (cp < 0x80) {
        feed_ascii(o, v, (unsigned char)cp);
        return;
    }
    struct ub_char c = unicode_bert_find(cp);
    switch (c.kind) {
    case UB_DELETE: break;
    case UB_SPACE: flush(o, v); break;
    case UB_BARRIER: uword_barrier(v); break;
    case UB_ALONE: put_alone(o, v, cp); break;
    case UB_MARK: uword_add_mark(v, cp, c.order); break;
    case UB_HANGUL: uword_add_hangul(v, cp); break;
    case UB_SEQ3:
    case UB_SEQ2:
        for (int i = 0; i < (c.kind == UB_SEQ3 ? 3 : 2); i++)
            feed(o, v, c.out[i]);
        break;
    case UB_MAP:
        if (c.out[0] != cp) {
            feed(o, v, c.out[0]);
            break;
        } /* fall through */
    case UB_KEEP: uword_add(v, cp); break;
    }
}

/* The special token that stands at s: its bytes, its id; 0 when there is none. */
static size_t special_at(int *id, const struct wordpiece *w, const unsigned char *s, size_t n)
{
    for (int k = 0; k < SPECIALS; k++) {
        size_t len = strlen(special_text[k]);
        if (w->special[k] >= 0 && len <= n && memcmp(s, special_text[k], len) == 0) {
            *id = w->special[k];
            return len;
        }
    }
    return 0;
}

/* Feeds what stands at s, one character or one special token; returns its bytes. */
static size_t feed_next(struct out *o, struct uword *v, const unsigned char *s, size_t n)
{
    uint32_t cp;
    int id, len;
    size_t taken;
    if (s[0] == '[' && (taken = special_at(&id, o->w, s, n)) > 0) {
        flush(o, v);
        put(o, id);
        return taken;
    }
    if (s[0] < 0x80) {
        feed_ascii(o, v, s[0]);
        return 1;
    }
    /* What is not UTF-8 becomes U+FFFD in Python, which the normaliser deletes. However many
     * bytes one U+FFFD stands for, those behind the first are continuation bytes, which
     * begin no character: one byte at a time deletes the same. */
    len = uword_decode(&cp, s, n);
    if (len == 0)
        return 1;
    feed(o, v, cp);
    return (size_t)len;
}

/* A word of ASCII letters and digits that ends as one: put at once, without normalising it into
 * a buffer. Returns its bytes; 0: it goes on with something else (U+0301 behind it, say). */
static size_t plain_word(struct out *o, const unsigned char *s, size_t n)
{
    const unsigned char *class_of = o->w->class_of;
    size_t i = 0;
    while (i < n && class_of[s[i]] == LETTER)
        i++;
    if (i < n && class_of[s[i]] != BLANK && class_of[s[i]] != ALONE)
        return 0;
    if (i > UWORD_CHARS_MAX)
        put(o, o->w->special[UNK]);
    else if (i > 0)
        put_word(o, s, i);
    return i;
}

int wordpiece_ids(int *ids, int max, const char *text, size_t n, const struct wordpiece *w)
{
    assert(max >= 2);
    const unsigned char *s = (const unsigned char *)text;
    struct out o = {.w = w, .ids = ids, .max = max - 1};
    struct uword v;
    uword_clear(&v);
    put(&o, w->special[CLS]);
    for (size_t i = 0; i < n && o.n < o.max;) {
        if (v.chars == 0) {
            while (i < n && w->class_of[s[i]] == BLANK)
                i++;
            i += plain_word(&o, s + i, n - i);
            if (i == n || o.n == o.max)
                break;
        }
        i += feed_next(&o, &v, s + i, n - i);
    }
    flush(&o, &v);
    ids[o.n++] = w->special[SEP];
    return o.n;
}
