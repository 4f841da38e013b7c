/* SPDX-License-Identifier: MIT */
#include "base/util.h"
#include "llm/batch.h"
#include <stdlib.h>
#include <string.h>

enum { ID_MAX = 200 }; /* bytes of a service's id: it becomes part of an address */

static int take_text(struct jsonval *j, char **s)
{
    struct jsonval_text t;
    if (jsonval_scalar(j, &t) < 0)
        return -1;
    if (t.kind == JSONVAL_STRING && t.n > 0)
        *s = t.s;
    return 0;
}

static int take_count(struct jsonval *j, int64_t *v)
{
    struct jsonval_text t;
    char digits[20];
    if (jsonval_scalar(j, &t) < 0)
        return -1;
    if (t.kind == JSONVAL_NUMBER && t.n < sizeof digits) {
        memcpy(digits, t.s, t.n);
        digits[t.n] = 0;
        *v = strtoll(digits, NULL, 10);
    }
    return 0;
}

static int take_object(struct jsonval *j, struct batch_remote *x, int depth);

static int take_value(struct jsonval *j, struct batch_remote *x, const struct jsonval_text *key,
                      int depth)
{
    const struct {
        const char *name;
        char **text;
        int64_t *count;
    } known[] = {
        {"id", depth == 0 ? &x->id : NULL, NULL}, {"input_file_id", &x->input, NULL},
        {"status", &x->status, NULL}, {"output_file_id", &x->output, NULL},
        {"error_file_id", &x->errors, NULL}, {"code", &x->code, NULL},
        {"message", &x->message, NULL}, {"line", NULL, &x->line},
        {"total", NULL, &x->total}, {"completed", NULL, &x->completed},
        {"failed", NULL, &x->failed}};
    enum jsonval_kind kind = jsonval_peek(j);
    int rc;
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (jsonval_is(key, known[i].name)) {
            if (known[i].text && kind == JSONVAL_STRING)
                return *known[i].text ? jsonval_skip(j) : take_text(j, known[i].text);
            if (known[i].count && kind == JSONVAL_NUMBER)
                return take_count(j, known[i].count);
        }
    if (depth < 3 && (jsonval_is(key, "errors") || jsonval_is(key, "request_counts") ||
                      jsonval_is(key, "data"))) {
        if (kind == JSONVAL_OBJECT)
            return take_object(j, x, depth + 1);
        if (kind == JSONVAL_ARRAY) {
            for (rc = jsonval_array(j); rc == 0 && (rc = jsonval_item(j)) == 1;)
                rc = jsonval_peek(j) == JSONVAL_OBJECT ? take_object(j, x, depth + 1)
                                                       : jsonval_skip(j);
            return rc;
        }
    }
    return jsonval_skip(j);
}

/* A batch, or (depth > 0) a part of it. */
static int take_object(struct jsonval *j, struct batch_remote *x, int depth)
{
    struct jsonval_text key;
    int rc;
    for (rc = jsonval_object(j); rc == 0 && (rc = jsonval_key(j, &key)) == 1;)
        rc = take_value(j, x, &key, depth);
    return rc;
}

static int sound_id(const char *id)
{
    return id && *id && strlen(id) <= ID_MAX &&
           strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:") ==
               strlen(id) && strcmp(id, ".") != 0 && strcmp(id, "..") != 0;
}

int batch_remote(struct batch_remote *x, struct buf *reply, const char *what, struct err *e)
{
    struct jsonval j;
    *x = (struct batch_remote){.line = -1};
    chat_json_begin(&j, reply);
    if (take_object(&j, x, 0) < 0 || jsonval_end(&j) < 0)
        return err_set(e, "%s: the service's answer is not JSON: %s", what,
                       j.why ? j.why : "no object");
    if (!sound_id(x->id))
        return err_set(e, "%s: the service's answer has no id", what);
    if ((x->output && !sound_id(x->output)) || (x->errors && !sound_id(x->errors)))
        return err_set(e, "%s: the service's answer names a file in an odd way", what);
    return 0;
}

int batch_find(char **id, struct buf *reply, const char *file, struct err *e)
{
    struct jsonval j;
    struct jsonval_text key;
    int rc;
    chat_json_begin(&j, reply);
    for (rc = jsonval_object(&j); rc == 0 && (rc = jsonval_key(&j, &key)) == 1;) {
        if (!jsonval_is(&key, "data") || jsonval_peek(&j) != JSONVAL_ARRAY) {
            rc = jsonval_skip(&j);
            continue;
        }
        for (rc = jsonval_array(&j); rc == 0 && (rc = jsonval_item(&j)) == 1;) {
            struct batch_remote x = {0};
            rc = take_object(&j, &x, 0);
            if (rc == 0 && x.input && sound_id(x.id) && strcmp(x.input, file) == 0)
                free(*id), *id = xstrdup(x.id);
        }
    }
    return rc < 0 ? err_set(e, "the service's list of batches is not JSON: %s",
                            j.why ? j.why : "no object") : 0;
}
