/* SPDX-License-Identifier: MIT */
#include "nn/safetensors_header.h"
#include "base/util.h"
#include "source/jsonval.h"
#include "source/utf8.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define TENSORS_MAX 100000
#define NAME_MAX_BYTES 1024
#define INTEGER_MAX ((uint64_t)1 << 53)

static const struct {
    const char *name;
    size_t bytes;
} dtypes[] = {
    [ST_F32] = {"F32", 4}, [ST_F16] = {"F16", 2}, [ST_BF16] = {"BF16", 2}, [ST_I64] = {"I64", 8}};

/* ---- one tensor of the header ---- */

static int json_error(const struct st_header *h, const struct jsonval *j, struct err *e)
{
    return err_set(e, "%s: header is no valid JSON at byte %zu: %s; download the file again",
                   h->path, j->why_at + 8, j->why ? j->why : "unknown");
}

/* Plain decimal digits up to 2^53, without sign, fraction, exponent. */
static int read_integer(uint64_t *out, struct jsonval *j, const char *what, struct err *e)
{
    struct jsonval_text t;
    if (jsonval_scalar(j, &t) < 0)
        return -1;
    uint64_t v = 0;
    bool good = t.kind == JSONVAL_NUMBER && t.n <= 16;
    for (size_t i = 0; good && i < t.n; i++) {
        good = t.s[i] >= '0' && t.s[i] <= '9';
        v = v * 10 + (uint64_t)(t.s[i] - '0');
    }
    *out = v;
    if (good && v <= INTEGER_MAX)
        return 0;
    int shown = t.n > 40 ? 40 : (int)t.n;
    return err_set(e, "%s: '%.*s' is no whole number from 0 to 2^53", what, shown, t.s);
}

static int read_shape(struct st_entry *n, struct jsonval *j, struct err *e)
{
    int rc;
    if (jsonval_array(j) < 0)
        return -1;
    while ((rc = jsonval_item(j)) == 1) {
        uint64_t d;
        if (n->t.rank == ST_RANK_MAX)
            return err_set(e, "shape: rank above %d", ST_RANK_MAX);
        if (read_integer(&d, j, "shape", e) < 0)
            return -1;
        n->t.shape[n->t.rank++] = (int64_t)d;
    }
    return rc;
}

static int read_offsets(struct st_entry *n, struct jsonval *j, struct err *e)
{
    uint64_t v[2];
    int rc, have = 0;
    if (jsonval_array(j) < 0)
        return -1;
    while ((rc = jsonval_item(j)) == 1) {
        if (have == 2)
            return err_set(e, "data_offsets: more than two numbers");
        if (read_integer(&v[have++], j, "data_offsets", e) < 0)
            return -1;
    }
    if (rc < 0)
        return -1;
    if (have < 2)
        return err_set(e, "data_offsets: %d of two numbers", have);
    n->begin = v[0], n->end = v[1];
    return 0;
}

static int read_dtype(struct st_entry *n, struct jsonval *j, struct err *e)
{
    struct jsonval_text t;
    if (jsonval_scalar(j, &t) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(dtypes); i++)
        if (t.kind == JSONVAL_STRING && jsonval_is(&t, dtypes[i].name)) {
            n->t.dtype = (enum st_dtype)i;
            return 0;
        }
    int shown = t.n > 40 ? 40 : (int)t.n;
    return err_set(e, "dtype '%.*s' is not one of F32, F16, BF16, I64", shown, t.s);
}

/* {"dtype": ..., "shape": [...], "data_offsets": [...]}, each once, in any order. -1 with e
 * empty: the JSON itself is malformed. */
static int read_entry(struct st_entry *n, struct jsonval *j, struct err *e)
{
    static const struct {
        const char *key;
        int (*read)(struct st_entry *, struct jsonval *, struct err *);
    } part[] = {{"dtype", read_dtype}, {"shape", read_shape}, {"data_offsets", read_offsets}};
    bool seen[ARRAY_LEN(part)] = {false};
    struct jsonval_text key;
    int rc;
    if (jsonval_object(j) < 0)
        return -1;
    while ((rc = jsonval_key(j, &key)) == 1) {
        size_t i = 0;
        while (i < ARRAY_LEN(part) && !jsonval_is(&key, part[i].key))
            i++;
        if (i == ARRAY_LEN(part))
            return err_set(e, "unknown key '%.40s'", key.s);
        if (seen[i])
            return err_set(e, "%s twice", part[i].key);
        seen[i] = true;
        if (part[i].read(n, j, e) < 0)
            return -1;
    }
    for (size_t i = 0; i < ARRAY_LEN(part) && rc == 0; i++)
        if (!seen[i])
            return err_set(e, "no %s", part[i].key);
    return rc;
}

/* shape x dtype must be what lies between the offsets. */
static int measure(struct st_entry *n, struct err *e)
{
    struct st_tensor *t = &n->t;
    uint64_t count = 1, bytes;
    if (n->end < n->begin)
        return err_set(e, "data_offsets end at %llu, before their begin %llu",
                       (unsigned long long)n->end, (unsigned long long)n->begin);
    for (int i = 0; i < t->rank; i++)
        if (__builtin_mul_overflow(count, (uint64_t)t->shape[i], &count))
            return err_set(e, "shape has more than 2^64 elements");
    if (__builtin_mul_overflow(count, (uint64_t)dtypes[t->dtype].bytes, &bytes))
        return err_set(e, "shape has more than 2^64 bytes");
    if (bytes != n->end - n->begin)
        return err_set(e, "data_offsets hold %llu bytes, shape and dtype %s need %llu",
                       (unsigned long long)(n->end - n->begin), dtypes[t->dtype].name,
                       (unsigned long long)bytes);
    t->count = (size_t)count;
    t->bytes = (size_t)bytes;
    return 0;
}

/* ---- the whole header ---- */

/* What jsonval lets pass and JSON does not: raw control characters inside strings. Also NUL
 * and text that is no UTF-8. */
static int check_text(const struct st_header *h, const char *s, size_t n, struct err *e)
{
    if (!utf8_clean(s, n))
        return err_set(e, "%s: header is no UTF-8 text; download the file again", h->path);
    bool in_string = false;
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '"')
            in_string = !in_string;
        else if (in_string && s[i] == '\\')
            i++;
        else if (in_string && (unsigned char)s[i] < 0x20)
            return err_set(e, "%s: control character in a string of the header, byte %zu",
                           h->path, i + 8);
    }
    return 0;
}

/* {"format": "pt", ...}: text to text, of no use here. */
static int read_metadata(struct jsonval *j, struct err *e)
{
    struct jsonval_text key, value;
    int rc;
    if (jsonval_object(j) < 0)
        return -1;
    while ((rc = jsonval_key(j, &key)) == 1)
        if (jsonval_scalar(j, &value) < 0)
            return -1;
        else if (value.kind != JSONVAL_STRING)
            return err_set(e, "'%.40s' is no text", key.s);
    return rc;
}

static struct st_entry *add_entry(struct st_header *h)
{
    if (h->count == h->cap) {
        h->cap = h->cap ? 2 * h->cap : 256;
        h->entry = xrealloc(h->entry, h->cap, sizeof *h->entry);
    }
    struct st_entry *n = &h->entry[h->count++];
    memset(n, 0, sizeof *n);
    return n;
}

static int read_tensor(struct st_header *h, struct jsonval *j, struct jsonval_text *key,
                       struct err *e)
{
    struct err why = {{0}};
    if (key->n == 0 || key->n > NAME_MAX_BYTES)
        return err_set(e, "%s: a tensor's name of %zu bytes, expected 1 to %d", h->path, key->n,
                       NAME_MAX_BYTES);
    if (h->count == TENSORS_MAX)
        return err_set(e, "%s: more than %d tensors", h->path, TENSORS_MAX);
    struct st_entry *n = add_entry(h);
    n->t.name = key->s;
    if (read_entry(n, j, &why) < 0 && !why.text[0])
        return json_error(h, j, e);
    if (why.text[0] || measure(n, &why) < 0)
        return err_set(e, "%s: tensor '%.200s': %s", h->path, n->t.name, why.text);
    return 0;
}

static int read_object(struct st_header *h, struct err *e)
{
    struct jsonval j;
    struct jsonval_text key;
    struct err why = {{0}};
    bool metadata = false;
    int rc;
    jsonval_begin(&j, h->text, h->bytes);
    if (jsonval_object(&j) < 0)
        return json_error(h, &j, e);
    while ((rc = jsonval_key(&j, &key)) == 1) {
        if (!jsonval_is(&key, "__metadata__")) {
            if (read_tensor(h, &j, &key, e) < 0)
                return -1;
            continue;
        }
        if (metadata)
            return err_set(e, "%s: __metadata__ twice in the header", h->path);
        metadata = true;
        if (read_metadata(&j, &why) < 0)
            return why.text[0] ? err_set(e, "%s: __metadata__: %s", h->path, why.text)
                               : json_error(h, &j, e);
    }
    if (rc < 0 || jsonval_end(&j) < 0)
        return json_error(h, &j, e);
    if (j.repaired > 0)
        return err_set(e, "%s: %lld escapes in the header are NUL or half a surrogate pair",
                       h->path, (long long)j.repaired);
    return 0;
}

int st_header_read(struct st_header *h, const char *s, size_t n, struct err *e)
{
    if (n == 0 || s[0] != '{')
        return err_set(e, "%s: header does not begin with '{': no safetensors file", h->path);
    if (check_text(h, s, n, e) < 0)
        return -1;
    h->bytes = n;
    h->text = xmalloc(n + 1);
    memcpy(h->text, s, n);
    h->text[n] = 0;
    return read_object(h, e);
}

void st_header_release(struct st_header *h)
{
    free(h->entry);
    free(h->text);
}
