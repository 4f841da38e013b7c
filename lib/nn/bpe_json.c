/* SPDX-License-Identifier: MIT */
#include "nn/bpe_json.h"
#include "base/util.h"
#include "source/jsonval.h"
#include <string.h>

/* Arguments of %.*s: the beginning of what a file says. */
#define SHOW(s, n) ((n) > 60 ? 60 : (int)(n)), (s)

/* What a reader of JSON needs on its way down. */
struct walk {
    struct bpe_files *f;
    struct jsonval *j;
    int rows;
    struct err *e;
};

static int malformed(const struct walk *w)
{
    if (!w->j->why)
        return -1; /* said already */
    return err_set(w->e, "%s: byte %zu: %s", w->f->path[0], w->j->why_at, w->j->why);
}

/* A scalar whose key is named in what is said of it. */
static int scalar(struct jsonval_text *v, const struct walk *w, const char *key)
{
    if (jsonval_scalar(w->j, v) < 0)
        return malformed(w);
    if (w->j->repaired > 0)
        return err_set(w->e, "%s: '%.60s' holds \\u0000 or half a surrogate pair", w->f->path[0],
                       key);
    return 0;
}

/* The id that v is; the whole of it must be decimal digits. */
static int take_id(int *id, const struct walk *w, const struct jsonval_text *v, const char *s,
                   size_t n)
{
    int most = (w->rows < BPE_IDS_MAX ? w->rows : BPE_IDS_MAX) - 1, x = 0;
    bool good = v->kind == JSONVAL_NUMBER && v->n < 8;
    for (size_t i = 0; good && i < v->n; i++) {
        good = v->s[i] >= '0' && v->s[i] <= '9';
        x = 10 * x + (v->s[i] - '0');
    }
    *id = x;
    if (good && x <= most)
        return 0;
    return err_set(w->e, "%s: '%.*s' has id '%.*s', expected 0 to %d", w->f->path[0], SHOW(s, n),
                   SHOW(v->s, v->n), most);
}

static int read_vocab(const struct walk *w)
{
    struct bpe_files *f = w->f;
    struct jsonval_text key, v;
    int rc;
    if (jsonval_object(w->j) < 0)
        return malformed(w);
    while ((rc = jsonval_key(w->j, &key)) == 1) {
        struct bpe_piece p = {.s = key.s, .n = (uint32_t)key.n};
        if (scalar(&v, w, key.s) < 0 || take_id(&p.id, w, &v, key.s, key.n) < 0)
            return -1;
        if (key.n == 0 || f->pieces == BPE_IDS_MAX)
            return err_set(w->e, "%s: %s", f->path[0],
                           key.n ? "more than 1048576 pieces" : "a piece without letters");
        f->piece = bpe_files_room(f->piece, f->pieces, sizeof *f->piece);
        f->piece[f->pieces++] = p;
    }
    return rc < 0 ? malformed(w) : 0;
}

int bpe_json_vocab(struct bpe_files *f, int rows, struct err *e)
{
    struct jsonval j;
    const struct walk w = {f, &j, rows, e};
    jsonval_begin(&j, f->text[0].data, f->text[0].len);
    if (read_vocab(&w) < 0)
        return -1;
    return jsonval_end(&j) < 0 ? malformed(&w) : 0;
}

/* ---- tokenizer.json ---- */

/* ["a", "b"] */
static int pair_item(struct bpe_merge *m, const struct walk *w)
{
    struct jsonval_text v[2] = {{0}};
    int n = 0, rc;
    if (jsonval_array(w->j) < 0)
        return malformed(w);
    while ((rc = jsonval_item(w->j)) == 1 && n < 2)
        if (scalar(&v[n++], w, "merges") < 0)
            return -1;
    if (rc < 0)
        return malformed(w);
    if (rc == 0 && n == 2 && v[0].kind == JSONVAL_STRING && v[1].kind == JSONVAL_STRING)
        *m = (struct bpe_merge){v[0].s, v[1].s, (uint32_t)v[0].n, (uint32_t)v[1].n, m->at};
    return 0;
}

static int read_merges(const struct walk *w)
{
    struct jsonval_text v;
    int rc;
    if (jsonval_array(w->j) < 0)
        return malformed(w);
    for (uint32_t at = 1; (rc = jsonval_item(w->j)) == 1; at++) {
        struct bpe_merge m = {.at = at};
        if (jsonval_peek(w->j) == JSONVAL_ARRAY) {
            if (pair_item(&m, w) < 0)
                return -1;
        } else if (scalar(&v, w, "merges") < 0) {
            return -1;
        } else if (v.kind == JSONVAL_STRING) {
            m = bpe_files_cut_merge(v.s, v.n, at);
        }
        if (bpe_files_add_merge(w->f, m, w->e) < 0)
            return -1;
    }
    return rc < 0 ? malformed(w) : 0;
}

/* A setting that must not be on: null, false or "". */
static int off(const struct walk *w, const struct jsonval_text *key)
{
    struct jsonval_text v;
    if (scalar(&v, w, key->s) < 0)
        return -1;
    if (v.kind == JSONVAL_NULL || v.kind == JSONVAL_FALSE ||
        (v.kind == JSONVAL_STRING && v.n == 0))
        return 0;
    return err_set(w->e, "%s: '%.60s' is on: not the BPE of OPT", w->f->path[0], key->s);
}

/* A setting that must be this string, or true where want is NULL. */
static int must_be(const struct walk *w, const struct jsonval_text *key, const char *want)
{
    struct jsonval_text v;
    if (scalar(&v, w, key->s) < 0)
        return -1;
    if (want ? v.kind == JSONVAL_STRING && jsonval_is(&v, want) : v.kind == JSONVAL_TRUE)
        return 0;
    return err_set(w->e, "%s: '%s' is '%.*s', expected %s", w->f->path[0], key->s,
                   SHOW(v.s, v.n), want ? want : "true");
}

static int flag(bool *out, const struct walk *w, const struct jsonval_text *key)
{
    struct jsonval_text v;
    if (scalar(&v, w, key->s) < 0)
        return -1;
    *out = v.kind == JSONVAL_TRUE;
    if (*out || v.kind == JSONVAL_FALSE)
        return 0;
    return err_set(w->e, "%s: '%s' of an added token is neither true nor false", w->f->path[0],
                   key->s);
}

/* One object of added_tokens. */
static int read_added(struct bpe_added *a, const struct walk *w)
{
    struct jsonval_text key, id = {0}, content = {0};
    bool special = false, late = false;
    int rc, bits = 0;
    if (jsonval_object(w->j) < 0)
        return malformed(w);
    while ((rc = jsonval_key(w->j, &key)) == 1) {
        if (jsonval_is(&key, "id"))
            rc = scalar(&id, w, key.s);
        else if (jsonval_is(&key, "content"))
            rc = scalar(&content, w, key.s);
        else if (jsonval_is(&key, "special"))
            rc = flag(&special, w, &key), bits |= 1;
        else if (jsonval_is(&key, "normalized"))
            rc = flag(&late, w, &key), bits |= 2;
        else
            rc = off(w, &key); /* single_word, lstrip, rstrip, and what we do not know */
        if (rc < 0)
            return -1;
    }
    if (rc < 0)
        return malformed(w);
    if (content.kind != JSONVAL_STRING || content.n == 0 || bits != 3)
        return err_set(w->e, "%s: added token %zu without content, special or normalized",
                       w->f->path[0], w->f->addeds + 1);
    *a = (struct bpe_added){.s = content.s, .n = (uint32_t)content.n, .special = special,
                            .late = late};
    return take_id(&a->id, w, &id, content.s, content.n);
}

static int read_all_added(const struct walk *w)
{
    struct bpe_files *f = w->f;
    int rc;
    if (jsonval_array(w->j) < 0)
        return malformed(w);
    while ((rc = jsonval_item(w->j)) == 1) {
        if (f->addeds == BPE_ADDED_MAX)
            return err_set(w->e, "%s: more than %d added tokens", f->path[0], BPE_ADDED_MAX);
        f->added = bpe_files_room(f->added, f->addeds, sizeof *f->added);
        if (read_added(&f->added[f->addeds], w) < 0)
            return -1;
        f->addeds++;
    }
    return rc < 0 ? malformed(w) : 0;
}

/* A byte-level pre-tokeniser or decoder. */
static int read_level(const struct walk *w, bool splits)
{
    struct jsonval_text key;
    bool named = false;
    int rc;
    if (jsonval_object(w->j) < 0)
        return malformed(w);
    while ((rc = jsonval_key(w->j, &key)) == 1) {
        if (jsonval_is(&key, "type"))
            rc = must_be(w, &key, "ByteLevel"), named = true;
        else if (splits && jsonval_is(&key, "add_prefix_space"))
            rc = off(w, &key);
        else if (splits && jsonval_is(&key, "use_regex"))
            rc = must_be(w, &key, NULL);
        else
            rc = jsonval_skip(w->j);
        if (rc < 0)
            return malformed(w);
    }
    if (rc < 0)
        return malformed(w);
    if (!named)
        return err_set(w->e, "%s: no type of the %s", w->f->path[0],
                       splits ? "pre_tokenizer" : "decoder");
    return 0;
}

static int read_model(const struct walk *w)
{
    struct jsonval_text key;
    int rc;
    if (jsonval_object(w->j) < 0)
        return malformed(w);
    while ((rc = jsonval_key(w->j, &key)) == 1) {
        if (jsonval_is(&key, "vocab"))
            rc = read_vocab(w);
        else if (jsonval_is(&key, "merges"))
            rc = read_merges(w);
        else if (jsonval_is(&key, "type"))
            rc = must_be(w, &key, "BPE");
        else if (jsonval_is(&key, "dropout") || jsonval_is(&key, "ignore_merges") ||
                 jsonval_is(&key, "continuing_subword_prefix") ||
                 jsonval_is(&key, "end_of_word_suffix"))
            rc = off(w, &key);
        else
            rc = jsonval_skip(w->j); /* unk_token and its like: every byte is a piece */
        if (rc < 0)
            return malformed(w);
    }
    return rc < 0 ? malformed(w) : 0;
}

int bpe_json_tokenizer(struct bpe_files *f, int rows, struct err *e)
{
    struct jsonval j;
    struct jsonval_text key;
    const struct walk w = {f, &j, rows, e};
    bool splits = false, joins = false;
    int rc;
    jsonval_begin(&j, f->text[0].data, f->text[0].len);
    if (jsonval_object(&j) < 0)
        return malformed(&w);
    while ((rc = jsonval_key(&j, &key)) == 1) {
        if (jsonval_is(&key, "model"))
            rc = read_model(&w);
        else if (jsonval_is(&key, "added_tokens"))
            rc = read_all_added(&w);
        else if (jsonval_is(&key, "pre_tokenizer"))
            rc = read_level(&w, true), splits = true;
        else if (jsonval_is(&key, "decoder"))
            rc = read_level(&w, false), joins = true;
        else if (jsonval_is(&key, "normalizer"))
            rc = off(&w, &key);
        else
            rc = jsonval_skip(&j);
        if (rc < 0)
            return malformed(&w);
    }
    if (jsonval_end(&j) < 0)
        return malformed(&w);
    if (!splits || !joins)
        return err_set(e, "%s: no %s", f->path[0], splits ? "decoder" : "pre_tokenizer");
    return 0;
}
