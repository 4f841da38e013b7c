/* SPDX-License-Identifier: MIT */
#include "base/util.h"
#include "nn/bpe_tables.h"
#include "nn/unicode_word.h"
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define CHARS 324 /* the alphabet of GPT-2 is below U+0144 */

/* Arguments of %.*s: the beginning of a piece. */
#define SHOW(s, n) ((n) > 60 ? 60 : (int)(n)), (s)

/* ---- the alphabet: a printable character for each byte ---- */

/* Those that print in Latin-1 stand for themselves, the other 68 for U+0100 on, in order. */
static bool prints(int byte)
{
    return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}

static void make_alphabet(int char_of[256], int byte_of[CHARS])
{
    int next = 256;
    memset(byte_of, -1, CHARS * sizeof *byte_of);
    for (int byte = 0; byte < 256; byte++) {
        char_of[byte] = prints(byte) ? byte : next++;
        byte_of[char_of[byte]] = byte;
    }
}

/* The bytes of a piece -> to [n]; a piece with a character that stands for no byte is its own
 * text (the reference decodes it so). Returns how many. */
static uint32_t piece_bytes(char *to, const char *s, uint32_t n, const int byte_of[CHARS])
{
    uint32_t k = 0, cp;
    for (uint32_t i = 0; i < n; k++) {
        int len = 1;
        cp = (unsigned char)s[i];
        if (cp >= 0x80)
            len = uword_decode(&cp, (const unsigned char *)s + i, n - i);
        if (len == 0 || cp >= CHARS || byte_of[cp] < 0) {
            memcpy(to, s, n);
            return n;
        }
        to[k] = (char)byte_of[cp];
        i += (uint32_t)len;
    }
    return k;
}

/* ---- the vocabulary ---- */

/* Pieces by their text while the tables are built. */
struct index {
    const struct bpe_piece *piece;
    uint32_t *slot; /* number of the piece + 1, or 0 */
    size_t mask;
};

static size_t slots_for(size_t n)
{
    size_t slots = 16;
    while (slots < 2 * n)
        slots *= 2;
    return slots;
}

/* The slot of s, or the free one where it belongs. */
static uint32_t *find_slot(const struct index *x, const char *s, size_t n)
{
    size_t i = (size_t)XXH3_64bits(s, n) & x->mask;
    for (;; i = (i + 1) & x->mask) {
        if (x->slot[i] == 0)
            return &x->slot[i];
        const struct bpe_piece *p = &x->piece[x->slot[i] - 1];
        if (p->n == n && memcmp(p->s, s, n) == 0)
            return &x->slot[i];
    }
}

static int find_id(const struct index *x, const char *s, size_t n)
{
    uint32_t at = *find_slot(x, s, n);
    return at ? x->piece[at - 1].id : -1;
}

static int index_pieces(struct index *x, const struct bpe_files *f, struct err *e)
{
    size_t slots = slots_for(f->pieces);
    *x = (struct index){f->piece, xcalloc(slots, sizeof *x->slot), slots - 1};
    for (size_t i = 0; i < f->pieces; i++) {
        const struct bpe_piece *p = &f->piece[i];
        uint32_t *slot = find_slot(x, p->s, p->n);
        if (*slot)
            return err_set(e, "%s: '%.*s' stands twice", f->path[0], SHOW(p->s, p->n));
        *slot = (uint32_t)i + 1;
    }
    return 0;
}

static int find_bytes(struct bpe *b, const struct index *x, const int char_of[256],
                      const char *path, struct err *e)
{
    for (int byte = 0; byte < 256; byte++) {
        int c = char_of[byte];
        char s[2] = {(char)(c < 0x80 ? c : 0xc0 | c >> 6), (char)(0x80 | (c & 0x3f))};
        b->byte_id[byte] = find_id(x, s, c < 0x80 ? 1 : 2);
        if (b->byte_id[byte] < 0)
            return err_set(e, "%s: no piece for byte 0x%02x, U+%04X in the alphabet of GPT-2: "
                              "no byte-level vocabulary", path, (unsigned)byte, (unsigned)c);
    }
    return 0;
}

/* ---- merges ---- */

uint64_t *bpe_pair(const struct bpe *b, int32_t left, int32_t right)
{
    uint64_t key = (uint64_t)left << BPE_ID_BITS | (uint64_t)right;
    size_t mask = ((size_t)1 << (64 - b->shift)) - 1;
    size_t i = (size_t)(key * 0x9e3779b97f4a7c15u >> b->shift);
    while (b->pair[i] != BPE_FREE_SLOT && b->pair[i] >> BPE_ID_BITS != key)
        i = (i + 1) & mask;
    return &b->pair[i];
}

/* The ids of a merge's two parts and of what it makes: id [3]. */
static int merge_ids(int id[3], const struct bpe_merge *m, const struct index *x,
                     const struct bpe_files *f, struct buf *joined, struct err *e)
{
    buf_clear(joined);
    buf_add(joined, m->a, m->na);
    buf_add(joined, m->b, m->nb);
    const char *s[3] = {m->a, m->b, joined->data};
    size_t n[3] = {m->na, m->nb, joined->len};
    for (int k = 0; k < 3; k++) {
        id[k] = find_id(x, s[k], n[k]);
        if (id[k] < 0)
            return err_set(e, "%s: %s %u: '%.*s' is not in the vocabulary", f->path[1],
                           f->merge_at, (unsigned)m->at, SHOW(s[k], n[k]));
    }
    return 0;
}

static int build_merges(struct bpe *b, const struct index *x, const struct bpe_files *f,
                        struct err *e)
{
    size_t slots = slots_for(f->merges);
    struct buf joined = {0};
    int id[3], rc = 0;
    if (f->merges == 0)
        return err_set(e, "%s: no merges", f->path[1]);
    b->shift = 64 - __builtin_ctzll(slots);
    b->pair = xcalloc(slots, sizeof *b->pair);
    memset(b->pair, 0xff, slots * sizeof *b->pair);
    b->made = xcalloc(f->merges, sizeof *b->made);
    for (uint32_t r = 0; r < f->merges && rc == 0; r++) {
        const struct bpe_merge *m = &f->merge[r];
        if ((rc = merge_ids(id, m, x, f, &joined, e)) < 0)
            break;
        uint64_t *slot = bpe_pair(b, id[0], id[1]);
        if (*slot != BPE_FREE_SLOT)
            rc = err_set(e, "%s: %s %u: '%.*s' and '%.*s' are merged twice", f->path[1],
                         f->merge_at, (unsigned)m->at, SHOW(m->a, m->na), SHOW(m->b, m->nb));
        *slot = ((uint64_t)id[0] << BPE_ID_BITS | (uint64_t)id[1]) << BPE_ID_BITS | r;
        b->made[r] = id[2];
    }
    buf_release(&joined);
    return rc;
}

/* ---- added tokens ---- */

/* The id that the reference gives: that of the piece; else the number of pieces, or the one behind
 * the highest added id where that is not below it. Holes among the pieces do not count. */
static int added_id(struct bpe *b, const struct bpe_added *a, const struct index *x,
                    const struct bpe_files *f, struct err *e)
{
    int id = find_id(x, a->s, a->n), next = (int)f->pieces;
    if (id < 0 && a->in_vocab)
        return err_set(e, "%s: no %s among the pieces: no vocabulary of OPT", f->path[0], a->s);
    if (id < 0) {
        for (size_t i = 0; i < b->addeds; i++)
            next = b->added[i].id >= next ? b->added[i].id + 1 : next;
        id = next;
    }
    if (a->id >= 0 && a->id != id)
        return err_set(e, "%s: added token '%.*s' has id %d, expected %d", f->path[0],
                       SHOW(a->s, a->n), a->id, id);
    return id;
}

static int build_added(struct bpe *b, const struct index *x, const struct bpe_files *f,
                       struct err *e)
{
    b->added = xcalloc(f->addeds + 1, sizeof *b->added);
    for (size_t i = 0; i < f->addeds; i++) {
        const struct bpe_added *a = &f->added[i];
        struct bpe_token *t = &b->added[i];
        for (size_t k = 0; k < i; k++)
            if (b->added[k].n == a->n && memcmp(b->added[k].s, a->s, a->n) == 0)
                return err_set(e, "%s: token '%.*s' is added twice", f->path[0],
                               SHOW(a->s, a->n));
        *t = (struct bpe_token){.n = a->n, .id = added_id(b, a, x, f, e), .pass = a->late};
        if (t->id < 0)
            return -1;
        t->s = xcalloc(a->n, 1);
        memcpy(t->s, a->s, a->n);
        b->begins[t->pass][(unsigned char)a->s[0]] = true;
        b->addeds++;
    }
    return 0;
}

/* ---- ids to bytes ---- */

/* Whose an id is. */
struct owner {
    const char *s;
    uint32_t n;
};

static int own(struct owner *o, int id, int rows, const char *s, uint32_t n,
               const struct bpe_files *f, struct err *e)
{
    if (id >= rows)
        return err_set(e, "%s: '%.*s' has id %d, expected below %d", f->path[0], SHOW(s, n), id,
                       rows);
    if (o[id].s && (o[id].n != n || memcmp(o[id].s, s, n) != 0))
        return err_set(e, "%s: '%.*s' and '%.*s' have the same id %d", f->path[0],
                       SHOW(o[id].s, o[id].n), SHOW(s, n), id);
    o[id] = (struct owner){s, n};
    return 0;
}

static int find_owners(struct owner *o, const struct bpe *b, const struct bpe_files *f, int rows,
                       struct err *e)
{
    for (size_t i = 0; i < f->pieces; i++)
        if (own(o, f->piece[i].id, rows, f->piece[i].s, f->piece[i].n, f, e) < 0)
            return -1;
    for (size_t i = 0; i < f->addeds; i++)
        if (own(o, b->added[i].id, rows, f->added[i].s, f->added[i].n, f, e) < 0)
            return -1;
    return 0;
}

static int build_bytes(struct bpe *b, const struct bpe_files *f, int rows,
                       const int byte_of[CHARS], struct err *e)
{
    struct owner *o = xcalloc((size_t)rows, sizeof *o);
    size_t total = 1;
    if (find_owners(o, b, f, rows, e) < 0) {
        free(o);
        return -1;
    }
    for (int id = 0; id < rows; id++)
        if (o[id].s)
            b->size = id + 1, total += o[id].n;
    b->bytes = xcalloc(total, 1);
    b->start = xcalloc((size_t)b->size + 1, sizeof *b->start);
    for (int id = 0; id < b->size; id++)
        b->start[id + 1] =
            b->start[id] + piece_bytes(b->bytes + b->start[id], o[id].s, o[id].n, byte_of);
    b->special = xcalloc((size_t)b->size, sizeof *b->special);
    for (size_t i = 0; i < f->addeds; i++)
        b->special[b->added[i].id] = f->added[i].special;
    free(o);
    return 0;
}

int bpe_build(struct bpe *b, const struct bpe_files *f, int rows, struct err *e)
{
    struct index x = {0};
    int char_of[256], byte_of[CHARS];
    make_alphabet(char_of, byte_of);
    int rc = index_pieces(&x, f, e);
    if (rc == 0)
        rc = find_bytes(b, &x, char_of, f->path[0], e);
    if (rc == 0)
        rc = build_merges(b, &x, f, e);
    if (rc == 0)
        rc = build_added(b, &x, f, e);
    if (rc == 0)
        rc = build_bytes(b, f, rows, byte_of, e);
    memcpy(b->digest, f->digest, sizeof b->digest);
    free(x.slot);
    return rc;
}
