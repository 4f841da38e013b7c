/* SPDX-License-Identifier: MIT */
#include "llm/chat.h"
#include "llm/key.h"
#include "source/utf8.h"
#include <string.h>

/* What an error's body says, as pointers into it; "" for what it does not say. */
struct said {
    char *message, *code, *type, *param;
};

static bool any_in(const char *s, const char *const *words)
{
    for (; *words; words++)
        if (strcasestr(s, *words))
            return true;
    return false;
}

/* ---- reading ---- */

static int take_string(struct jsonval *j, char **s)
{
    struct jsonval_text t;
    if (jsonval_scalar(j, &t) < 0)
        return -1;
    if (t.kind == JSONVAL_STRING && t.n > 0)
        *s = t.s; /* codes that are numbers repeat the status */
    return 0;
}

static int take_fields(struct jsonval *j, struct said *x, int depth);

/* An error is an object, a string, or (FastAPI's detail) a list of objects. */
static int take_error(struct jsonval *j, struct said *x, int depth)
{
    enum jsonval_kind kind = jsonval_peek(j);
    int rc;
    if (kind == JSONVAL_OBJECT && depth < 4)
        return take_fields(j, x, depth + 1);
    if (kind != JSONVAL_ARRAY)
        return take_string(j, &x->message);
    for (rc = jsonval_array(j); rc == 0 && (rc = jsonval_item(j)) == 1;)
        rc = jsonval_peek(j) == JSONVAL_OBJECT && depth < 4 ? take_fields(j, x, depth + 1)
                                                            : jsonval_skip(j);
    return rc;
}

/* {"loc": ["body", "response_format"]}: the last name. */
static int take_place(struct jsonval *j, struct said *x)
{
    int rc;
    if (jsonval_peek(j) != JSONVAL_ARRAY)
        return jsonval_skip(j);
    for (rc = jsonval_array(j); rc == 0 && (rc = jsonval_item(j)) == 1;)
        rc = take_string(j, &x->param);
    return rc;
}

static int take_fields(struct jsonval *j, struct said *x, int depth)
{
    struct jsonval_text key;
    int rc;
    for (rc = jsonval_object(j); rc == 0 && (rc = jsonval_key(j, &key)) == 1;) {
        if (jsonval_is(&key, "error") || jsonval_is(&key, "detail"))
            rc = take_error(j, x, depth);
        else if (jsonval_is(&key, "message") || jsonval_is(&key, "msg"))
            rc = take_string(j, &x->message);
        else if (jsonval_is(&key, "code"))
            rc = take_string(j, &x->code);
        else if (jsonval_is(&key, "type") || jsonval_is(&key, "error_type"))
            rc = take_string(j, &x->type);
        else if (jsonval_is(&key, "param"))
            rc = take_string(j, &x->param);
        else if (jsonval_is(&key, "loc"))
            rc = take_place(j, x);
        else
            rc = jsonval_skip(j);
    }
    return rc;
}

/* A page of a proxy: what stands outside its tags, in place. */
static void strip_tags(char *s)
{
    char *to = s;
    for (bool tag = false; *s; s++) {
        if (*s == '<')
            tag = true;
        if (!tag)
            *to++ = *s;
        else if (*s == '>')
            tag = false, *to++ = ' ';
    }
    *to = 0;
}

/* ---- what it means ---- */

static bool is_too_long(const struct said *x)
{
    static const char *const words[] = {
        "context_length_exceeded", "exceed_context_size", "maximum context length",
        "available context size", "exceed context window", "exceeds the context",
        "exceeds context", "context length exceeded", "prompt is too long",
        "reduce the length of the messages", "reduce the length of the input", NULL};
    return any_in(x->code, words) || any_in(x->type, words) || any_in(x->message, words);
}

static bool is_quota(const struct said *x)
{
    static const char *const words[] = {"insufficient_quota", "billing_hard_limit",
                                        "billing_not_active", "exceeded your current quota",
                                        "insufficient balance", "insufficient credits", NULL};
    return any_in(x->code, words) || any_in(x->type, words) || any_in(x->message, words);
}

static bool is_policy(const struct said *x)
{
    static const char *const words[] = {"content_policy", "content_filter", "content policy",
                                        "content management policy", "moderation", "flagged",
                                        NULL};
    return any_in(x->code, words) || any_in(x->message, words);
}

/* The parameter that is named first: messages go on to name those to use instead. */
static unsigned named(const char *s)
{
    static const struct {
        const char *name;
        unsigned quirk;
    } names[] = {
        {"temperature", CHAT_NO_TEMPERATURE},     {"max_tokens", CHAT_NEW_TOKENS},
        {"max_completion_tokens", CHAT_OLD_TOKENS}, {"response_format", CHAT_NO_FORMAT},
        {"json_schema", CHAT_NO_FORMAT},          {"system role", CHAT_NO_SYSTEM},
        {"role 'system'", CHAT_NO_SYSTEM},        {"system message", CHAT_NO_SYSTEM},
        {"system instruction", CHAT_NO_SYSTEM},   {"system prompt", CHAT_NO_SYSTEM},
    };
    const char *first = NULL;
    unsigned quirk = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *at = strcasestr(s, names[i].name);
        if (at && (!first || at < first)) {
            first = at;
            quirk = names[i].quirk;
        }
    }
    return quirk;
}

static unsigned quirk_of(const struct said *x)
{
    static const char *const words[] = {
        "unsupported", "not support", "not supported", "unrecognized", "unrecognised",
        "unknown", "not permitted", "not allowed", "extra inputs", "extra fields",
        "unexpected", "unavailable", "not available", "not enabled", "input should be", NULL};
    if (!any_in(x->code, words) && !any_in(x->message, words))
        return 0;
    unsigned quirk = named(x->param);
    return quirk ? quirk : named(x->message);
}

void chat_parse_error(struct chat_error *x, struct buf *body, const char *key)
{
    struct jsonval j;
    buf_reserve(body, 0);
    key_mask(body->data, body->len, key);
    *x = (struct chat_error){0};
    chat_json_begin(&j, body);
    char *none = body->data + body->len; /* the NUL behind it */
    struct said said = {none, none, none, none};
    int rc = jsonval_peek(&j) == JSONVAL_STRING ? take_error(&j, &said, 0)
                                                : take_fields(&j, &said, 0);
    if (rc < 0 && !*said.message) {
        strip_tags(body->data);
        said.message = body->data;
    }
    x->too_long = is_too_long(&said);
    x->quota = is_quota(&said);
    x->policy = is_policy(&said);
    x->quirk = quirk_of(&said);
    char *text = *said.message ? said.message : *said.code ? said.code : said.type;
    key_mask(text, strlen(text), key); /* again: it may have been written with escapes */
    chat_one_line(x->message, sizeof x->message, text);
}
