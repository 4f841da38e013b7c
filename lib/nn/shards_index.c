/* SPDX-License-Identifier: MIT */
#include "nn/shards_index.h"
#include "base/util.h"
#include "source/jsonval.h"
#include "source/utf8.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define INDEX_MAX ((size_t)16 << 20)
#define NAMES_MAX 100000
#define TENSOR_NAME_MAX 1024
#define FILE_NAME_MAX 255

/* Why that is not the name of a file beside the index; NULL when it is one. What it names is
 * opened, and an index comes from elsewhere. */
static const char *bad_file(const struct jsonval_text *v)
{
    if (v->kind != JSONVAL_STRING)
        return "is no text";
    if (v->n == 0)
        return "is empty";
    if (v->n > FILE_NAME_MAX)
        return "is longer than 255 bytes";
    if (v->s[0] == '.')
        return "begins with a dot";
    if (strchr(v->s, '/') || strchr(v->s, '\\'))
        return "is a path";
    if (strstr(v->s, ".."))
        return "holds '..'";
    for (size_t i = 0; i < v->n; i++)
        if ((unsigned char)v->s[i] < 0x20 || v->s[i] == 0x7f)
            return "holds a control character";
    return NULL;
}

static int add_name(struct shards_index *x, const struct jsonval_text *tensor,
                    const struct jsonval_text *file, struct err *e)
{
    if (tensor->n == 0 || tensor->n > TENSOR_NAME_MAX)
        return err_set(e, "weight_map: a tensor's name of %zu bytes, expected 1 to %d", tensor->n,
                       TENSOR_NAME_MAX);
    if (x->count == NAMES_MAX)
        return err_set(e, "weight_map: more than %d names", NAMES_MAX);
    const char *bad = bad_file(file);
    int shown = file->n > 40 ? 40 : (int)file->n;
    if (bad)
        return err_set(e, "weight_map: file '%.*s' of tensor '%.100s' %s, expected the bare name "
                          "of a file", shown, file->s, tensor->s, bad);
    if (x->count == x->cap) {
        x->cap = x->cap ? 2 * x->cap : 256;
        x->at = xrealloc(x->at, x->cap, sizeof *x->at);
    }
    x->at[x->count++] = (struct shards_name){tensor->s, file->s};
    return 0;
}

/* -1 with e empty: the JSON itself is malformed. */
static int read_map(struct shards_index *x, struct jsonval *j, struct err *e)
{
    struct jsonval_text tensor, file;
    int rc;
    if (jsonval_object(j) < 0)
        return -1;
    while ((rc = jsonval_key(j, &tensor)) == 1)
        if (jsonval_scalar(j, &file) < 0 || add_name(x, &tensor, &file, e) < 0)
            return -1;
    return rc;
}

static int read_root(struct shards_index *x, struct jsonval *j, struct err *e)
{
    struct jsonval_text key;
    bool map = false;
    int rc;
    if (jsonval_object(j) < 0)
        return -1;
    while ((rc = jsonval_key(j, &key)) == 1) {
        if (!jsonval_is(&key, "weight_map")) {
            if (jsonval_skip(j) < 0)
                return -1;
            continue;
        }
        if (map)
            return err_set(e, "weight_map twice");
        map = true;
        if (read_map(x, j, e) < 0)
            return -1;
    }
    if (rc < 0 || jsonval_end(j) < 0)
        return -1;
    if (j->repaired > 0)
        return err_set(e, "%lld escapes are NUL or half a surrogate pair", (long long)j->repaired);
    if (x->count == 0)
        return err_set(e, map ? "weight_map names no tensor" : "no weight_map");
    return 0;
}

static int by_tensor(const void *a, const void *b)
{
    const struct shards_name *x = a, *y = b;
    return strcmp(x->tensor, y->tensor);
}

static int by_file(const void *a, const void *b)
{
    const struct shards_name *x = a, *y = b;
    int c = strcmp(x->file, y->file);
    return c ? c : strcmp(x->tensor, y->tensor);
}

int shards_index_read(struct shards_index *x, const char *path, struct err *e)
{
    struct jsonval j;
    struct err why = {{0}};
    if (buf_read_file(&x->text, path, INDEX_MAX, e) < 0)
        return -1;
    if (!utf8_clean(buf_str(&x->text), x->text.len))
        return err_set(e, "%s: no UTF-8 text; download it again", path);
    jsonval_begin(&j, x->text.data, x->text.len);
    if (read_root(x, &j, &why) < 0)
        return why.text[0] ? err_set(e, "%s: %s; download it again", path, why.text)
                           : err_set(e, "%s: no valid index at byte %zu: %s; download it again",
                                     path, j.why_at, j.why ? j.why : "unknown");
    qsort(x->at, x->count, sizeof *x->at, by_tensor);
    for (size_t i = 1; i < x->count; i++)
        if (by_tensor(&x->at[i - 1], &x->at[i]) == 0)
            return err_set(e, "%s: weight_map: tensor '%.200s' twice; download it again", path,
                           x->at[i].tensor);
    qsort(x->at, x->count, sizeof *x->at, by_file);
    return 0;
}

void shards_index_release(struct shards_index *x)
{
    free(x->at);
    buf_release(&x->text);
}
