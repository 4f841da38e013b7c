/* SPDX-License-Identifier: MIT */
#include "llm/chat.h"
#include "source/jsonval.h"
#include "source/utf8.h"
#include <stdlib.h>
#include <string.h>

/* ---- text from outside ---- */

size_t chat_clean_text(char *s, size_t n)
{
    size_t to = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i], c2 = i + 1 < n ? (unsigned char)s[i + 1] : 0;
        if (c == '\r') {
            i += c2 == '\n';
            s[to++] = '\n';
        } else if (c == 0xc2 && c2 < 0xa0) { /* U+0080 to U+009F: 0x9b steers terminals */
            i++;
            s[to++] = ' ';
        } else {
            s[to++] = (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f ? ' ' : (char)c;
        }
    }
    s[to] = 0;
    return to;
}

void chat_one_line(char *out, size_t size, const char *s)
{
    struct buf b = {0};
    buf_reserve(&b, strlen(s));
    utf8_repair(&b, s, strlen(s));
    size_t n = chat_clean_text(b.data, b.len), to = 0;
    for (size_t i = 0; i < n; i++) {
        char c = b.data[i] == '\n' || b.data[i] == '\t' ? ' ' : b.data[i];
        if (c != ' ' || (to > 0 && b.data[to - 1] != ' '))
            b.data[to++] = c;
    }
    while (to > 0 && b.data[to - 1] == ' ')
        to--;
    if (to >= size)
        for (to = size - 1; to > 0 && ((unsigned char)b.data[to] & 0xc0) == 0x80;)
            to--;
    memcpy(out, b.data, to);
    out[to] = 0;
    buf_release(&b);
}

/* ---- answers ---- */


void chat_json_begin(struct jsonval *j, struct buf *body)
{
    buf_reserve(body, 0);
    if (!utf8_clean(body->data, body->len)) {
        struct buf repaired = {0};
        utf8_repair(&repaired, body->data, body->len);
        buf_release(body);
        *body = repaired;
        buf_reserve(body, 0);
    }
    jsonval_begin(j, body->data, body->len);
}

/* A string: cleaned; null: NULL. */
static int take_text(struct jsonval *j, char **s, size_t *n)
{
    struct jsonval_text t;
    if (jsonval_scalar(j, &t) < 0)
        return -1;
    *s = t.kind == JSONVAL_STRING ? t.s : NULL;
    size_t bytes = *s ? chat_clean_text(t.s, t.n) : 0;
    if (n)
        *n = bytes;
    return 0;
}

static int take_count(struct jsonval *j, int64_t *v)
{
    struct jsonval_text t;
    char digits[24];
    if (jsonval_scalar(j, &t) < 0)
        return -1;
    if (t.kind != JSONVAL_NUMBER || t.n >= sizeof digits)
        return 0;
    memcpy(digits, t.s, t.n); /* no NUL behind a number before the walk has ended */
    digits[t.n] = 0;
    double d = strtod(digits, NULL);
    *v = d >= 0 && d <= 1e12 ? (int64_t)d : -1;
    return 0;
}

static int take_usage(struct jsonval *j, struct chat_answer *a)
{
    struct jsonval_text key;
    int rc;
    if (jsonval_peek(j) != JSONVAL_OBJECT)
        return jsonval_skip(j);
    for (rc = jsonval_object(j); rc == 0 && (rc = jsonval_key(j, &key)) == 1;) {
        if (jsonval_is(&key, "prompt_tokens"))
            rc = take_count(j, &a->tokens_in);
        else if (jsonval_is(&key, "completion_tokens"))
            rc = take_count(j, &a->tokens_out);
        else if (jsonval_is(&key, "cached_tokens"))
            rc = take_count(j, &a->tokens_cached);
        else if (jsonval_is(&key, "prompt_tokens_details"))
            rc = take_usage(j, a);
        else
            rc = jsonval_skip(j);
    }
    return rc;
}

/* {"type":"text","text":"..."}: its text moves to the end of what the parts before gave. */
static int take_part(struct jsonval *j, char **s, size_t *n)
{
    struct jsonval_text key;
    int rc;
    if (jsonval_peek(j) != JSONVAL_OBJECT)
        return jsonval_skip(j);
    for (rc = jsonval_object(j); rc == 0 && (rc = jsonval_key(j, &key)) == 1;) {
        char *text = NULL;
        size_t bytes = 0;
        rc = jsonval_is(&key, "text") ? take_text(j, &text, &bytes) : jsonval_skip(j);
        if (text && *s) {
            memmove(*s + *n, text, bytes + 1); /* into what has been read */
            *n += bytes;
        } else if (text) {
            *s = text;
            *n = bytes;
        }
    }
    return rc;
}

static int take_content(struct jsonval *j, struct chat_answer *a)
{
    enum jsonval_kind kind = jsonval_peek(j);
    int rc;
    a->text = NULL;
    if (kind == JSONVAL_STRING || kind == JSONVAL_NULL)
        return take_text(j, &a->text, &a->text_bytes);
    if (kind != JSONVAL_ARRAY)
        return -1;
    for (rc = jsonval_array(j); rc == 0 && (rc = jsonval_item(j)) == 1;)
        rc = take_part(j, &a->text, &a->text_bytes);
    return rc;
}

static int take_message(struct jsonval *j, struct chat_answer *a)
{
    struct jsonval_text key;
    int rc;
    for (rc = jsonval_object(j); rc == 0 && (rc = jsonval_key(j, &key)) == 1;) {
        if (jsonval_is(&key, "content"))
            rc = take_content(j, a);
        else if (jsonval_is(&key, "refusal"))
            rc = take_text(j, &a->refusal, NULL);
        else
            rc = jsonval_skip(j);
    }
    return rc;
}

/* Of several choices the first counts; we never ask for more than one. */
static int take_choices(struct jsonval *j, struct chat_answer *a, int *messages)
{
    struct jsonval_text key;
    int rc, nth = 0;
    if (jsonval_peek(j) != JSONVAL_ARRAY)
        return jsonval_skip(j);
    for (rc = jsonval_array(j); rc == 0 && (rc = jsonval_item(j)) == 1; nth++) {
        if (nth > 0 || jsonval_peek(j) != JSONVAL_OBJECT) {
            rc = jsonval_skip(j);
            continue;
        }
        for (rc = jsonval_object(j); rc == 0 && (rc = jsonval_key(j, &key)) == 1;) {
            if (jsonval_is(&key, "message") && jsonval_peek(j) == JSONVAL_OBJECT)
                rc = take_message(j, a), ++*messages;
            else if (jsonval_is(&key, "finish_reason"))
                rc = take_text(j, &a->finish_reason, NULL);
            else
                rc = jsonval_skip(j);
        }
    }
    return rc;
}

static const struct chat_answer nothing = {
    .tokens_in = -1, .tokens_cached = -1, .tokens_out = -1};

/* A 200 with {"error": ...} comes from gateways whose model failed behind them. */
static int take_completion(struct jsonval *j, struct chat_answer *a, int *messages)
{
    struct jsonval_text key;
    int rc;
    for (rc = jsonval_object(j); rc == 0 && (rc = jsonval_key(j, &key)) == 1;) {
        if (jsonval_is(&key, "choices"))
            rc = take_choices(j, a, messages);
        else if (jsonval_is(&key, "usage"))
            rc = take_usage(j, a);
        else if (jsonval_is(&key, "model"))
            rc = take_text(j, &a->model, NULL);
        else if (jsonval_is(&key, "system_fingerprint"))
            rc = take_text(j, &a->fingerprint, NULL);
        else
            rc = jsonval_skip(j);
    }
    return rc;
}

int chat_parse_answer(struct chat_answer *a, struct buf *body, struct err *e)
{
    struct jsonval j;
    int messages = 0;
    *a = nothing;
    chat_json_begin(&j, body);
    int rc = take_completion(&j, a, &messages);
    if (rc == 0 && jsonval_end(&j) == 0 && messages > 0)
        return 0;
    *a = nothing;
    if (j.why)
        return err_set(e, "the answer is not JSON: %s at byte %zu", j.why, j.why_at);
    return err_set(e, "the answer has no %s", rc < 0 ? "content that is text" : "choices");
}

int chat_parse_caption(struct chat_answer *a, struct buf *body, struct err *e)
{
    struct jsonval j;
    struct jsonval_text key;
    int rc = 0, list;
    *a = nothing;
    chat_json_begin(&j, body);
    list = jsonval_peek(&j) == JSONVAL_ARRAY;
    if (list && jsonval_array(&j) == 0 && jsonval_item(&j) != 1)
        return err_set(e, "the answer is an empty list");
    for (rc = jsonval_object(&j); rc == 0 && (rc = jsonval_key(&j, &key)) == 1;)
        rc = jsonval_is(&key, "generated_text") ? take_text(&j, &a->text, &a->text_bytes)
                                                : jsonval_skip(&j);
    while (list && rc == 0 && (rc = jsonval_item(&j)) == 1)
        rc = jsonval_skip(&j);
    if (rc == 0 && jsonval_end(&j) == 0 && a->text)
        return 0;
    *a = nothing;
    if (j.why)
        return err_set(e, "the answer is not JSON: %s at byte %zu", j.why, j.why_at);
    return err_set(e, "the answer has no generated_text");
}
