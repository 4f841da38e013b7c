/* SPDX-License-Identifier: MIT */
#include "nn/bpe_files.h"
#include "base/util.h"
#include "nn/bpe_json.h"
#include "source/utf8.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VOCAB_MAX ((size_t)8 << 20)
#define MERGES_MAX ((size_t)16 << 20)
#define TOKENIZER_MAX ((size_t)64 << 20)

void *bpe_files_room(void *list, size_t n, size_t size)
{
    return n & (n - 1) ? list : xrealloc(list, n ? 2 * n : 1, size);
}

static int not_text(const struct buf *b, const char *path, struct err *e)
{
    int line = 1;
    const char *s = b->data, *end = b->data + b->len, *lf;
    while ((lf = memchr(s, '\n', (size_t)(end - s))) && utf8_clean(s, (size_t)(lf - s)))
        s = lf + 1, line++;
    return err_set(e, "%s: line %d is no UTF-8 text, or holds a NUL byte", path, line);
}

/* File k of f, as text. */
static int read_text(struct bpe_files *f, int k, size_t max_bytes, struct err *e)
{
    struct buf *b = &f->text[k];
    if (buf_read_file(b, f->path[k], max_bytes, e) < 0)
        return -1;
    buf_reserve(b, 0);
    return utf8_clean(b->data, b->len) ? 0 : not_text(b, f->path[k], e);
}

/* ---- merges ---- */

int bpe_files_add_merge(struct bpe_files *f, struct bpe_merge m, struct err *e)
{
    if (m.na == 0 || m.nb == 0)
        return err_set(e, "%s: %s %u: expected two pieces, a blank between", f->path[1],
                       f->merge_at, (unsigned)m.at);
    if (f->merges == BPE_IDS_MAX)
        return err_set(e, "%s: more than %d merges", f->path[1], BPE_IDS_MAX);
    f->merge = bpe_files_room(f->merge, f->merges, sizeof *f->merge);
    f->merge[f->merges++] = m;
    return 0;
}

struct bpe_merge bpe_files_cut_merge(const char *s, size_t n, uint32_t at)
{
    const char *blank = memchr(s, ' ', n), *end = s + n;
    struct bpe_merge m = {.at = at};
    if (!blank || memchr(blank + 1, ' ', (size_t)(end - blank - 1)))
        return m;
    m.a = s, m.na = (uint32_t)(blank - s);
    m.b = blank + 1, m.nb = (uint32_t)(end - m.b);
    return m;
}

static int read_merges_txt(struct bpe_files *f, struct err *e)
{
    const struct buf *b = &f->text[1];
    uint32_t line = 1;
    for (size_t at = 0; at < b->len; line++) {
        const char *s = b->data + at, *lf = memchr(s, '\n', b->len - at);
        size_t n = lf ? (size_t)(lf - s) : b->len - at;
        at += n + (lf != NULL);
        n -= n > 0 && s[n - 1] == '\r';
        if (line == 1 && strncmp(s, "#version", 8) == 0)
            continue;
        if (bpe_files_add_merge(f, bpe_files_cut_merge(s, n, line), e) < 0)
            return -1;
    }
    return 0;
}

/* ---- the folder ---- */

static bool is_added(const struct bpe_files *f, const struct bpe_added *a)
{
    for (size_t i = 0; i < f->addeds; i++)
        if (f->added[i].n == a->n && memcmp(f->added[i].s, a->s, a->n) == 0)
            return true;
    return false;
}

/* Those of OPT's settings, and of the Blip2Processor, that the files do not name. */
static void add_opt_tokens(struct bpe_files *f)
{
    static const struct bpe_added opt[] = {
        {"<pad>", 5, -1, .special = true, .late = true, .in_vocab = true},
        {"</s>", 4, -1, .special = true, .late = true, .in_vocab = true},
        {"<image>", 7, -1, .special = true, .late = false, .in_vocab = false},
    };
    for (size_t i = 0; i < ARRAY_LEN(opt); i++)
        if (!is_added(f, &opt[i])) {
            f->added = bpe_files_room(f->added, f->addeds, sizeof *f->added);
            f->added[f->addeds++] = opt[i];
        }
}

static void digest(struct bpe_files *f, int files)
{
    struct sha256 *h = sha256_new();
    for (int k = 0; k < files; k++)
        sha256_add_field(h, f->text[k].data, f->text[k].len);
    sha256_end(f->digest, h);
    sha256_free(h);
}

static bool is_there(const char *dir, const char *name)
{
    char *path = xasprintf("%s/%s", dir, name);
    bool there = access(path, F_OK) == 0;
    free(path);
    return there;
}

static int read_two(struct bpe_files *f, int rows, struct err *e)
{
    if (read_text(f, 0, VOCAB_MAX, e) < 0 || read_text(f, 1, MERGES_MAX, e) < 0)
        return -1;
    digest(f, 2);
    return bpe_json_vocab(f, rows, e) < 0 ? -1 : read_merges_txt(f, e);
}

static int read_one(struct bpe_files *f, int rows, struct err *e)
{
    if (read_text(f, 0, TOKENIZER_MAX, e) < 0)
        return -1;
    digest(f, 1);
    return bpe_json_tokenizer(f, rows, e);
}

int bpe_files_read(struct bpe_files *f, const char *dir, int rows, struct err *e)
{
    bool two = is_there(dir, "vocab.json") || is_there(dir, "merges.txt");
    *f = (struct bpe_files){.merge_at = two ? "line" : "merge"};
    f->path[0] = xasprintf("%s/%s", dir, two ? "vocab.json" : "tokenizer.json");
    f->path[1] = xasprintf("%s/%s", dir, two ? "merges.txt" : "tokenizer.json");
    if (!two && !is_there(dir, "tokenizer.json"))
        return err_set(e, "%s: neither vocab.json with merges.txt nor tokenizer.json", dir);
    int rc = two ? read_two(f, rows, e) : read_one(f, rows, e);
    add_opt_tokens(f);
    return rc;
}

void bpe_files_release(struct bpe_files *f)
{
    for (int k = 0; k < 2; k++) {
        buf_release(&f->text[k]);
        free(f->path[k]);
    }
    free(f->piece);
    free(f->merge);
    free(f->added);
    *f = (struct bpe_files){0};
}
