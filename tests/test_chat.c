/* SPDX-License-Identifier: MIT */
#include "llm/chat.h"
#include "base/rng.h"
#include "base/util.h"
#include "source/utf8.h"
#include "tap.h"
#include <stdlib.h>

/* ---- requests ---- */

static void writes(const char *name, const struct service_request *r, unsigned quirks,
                   const char *want)
{
    struct buf b = {0};
    chat_write_request(&b, "m", r, quirks);
    is(buf_str(&b), want, name);
    buf_release(&b);
}

static void requests(void)
{
    struct service_request r = {.system = "Be \"brief\".", .user = "a\nb\t\x01\\ caf\xc3\xa9",
                                .max_tokens = 64, .temperature = 0.25};
    writes("plain", &r, 0,
           "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"Be \\\"brief\\\".\"},"
           "{\"role\":\"user\",\"content\":\"a\\nb\\u0009\\u0001\\\\ caf\xc3\xa9\"}],"
           "\"max_tokens\":64,\"temperature\":0.25}");
    writes("max_completion_tokens, no temperature, no system", &r,
           CHAT_NEW_TOKENS | CHAT_NO_TEMPERATURE | CHAT_NO_SYSTEM,
           "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"Be \\\"brief\\\".\\n\\n"
           "a\\nb\\u0009\\u0001\\\\ caf\xc3\xa9\"}],\"max_completion_tokens\":64}");
    r = (struct service_request){.user = "bad \xff byte", .temperature = -1,
                                 .schema = "{\"type\":\"object\"}", .schema_name = "tag"};
    writes("schema, repaired text, nothing optional", &r, CHAT_NEW_TOKENS | CHAT_OLD_TOKENS,
           "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"bad \xef\xbf\xbd byte\"}],"
           "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"tag\","
           "\"strict\":true,\"schema\":{\"type\":\"object\"}}}}");
    writes("json_object with the schema", &r, CHAT_OBJECT_FORMAT,
           "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"bad \xef\xbf\xbd byte\"}],"
           "\"response_format\":{\"type\":\"json_object\",\"schema\":{\"type\":\"object\"}}}");
    ok(chat_quirk_next(CHAT_NO_FORMAT, 0) == CHAT_OBJECT_FORMAT &&
           chat_quirk_next(CHAT_NO_FORMAT, CHAT_OBJECT_FORMAT) == CHAT_NO_FORMAT,
       "which is tried before none at all");
    writes("no response_format", &r, CHAT_NO_FORMAT,
           "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"bad \xef\xbf\xbd byte\"}]}");
    r = (struct service_request){.user = "What is it?", .temperature = -1, .image = "\xff\xd8z!",
                                 .image_bytes = 4, .image_type = "image/png"};
    writes("photo", &r, 0,
           "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\","
           "\"text\":\"What is it?\"},{\"type\":\"image_url\",\"image_url\":{\"url\":"
           "\"data:image/png;base64,/9h6IQ==\"}}]}]}");
}

/* Base64 of more than the part that is coded at a time: each part without padding. */
static void large_photo(void)
{
    size_t n = (7u << 20) + 1, want = (n + 2) / 3 * 4;
    struct service_request r = {.user = "", .temperature = -1, .image = xcalloc(n, 1),
                                .image_bytes = n, .image_type = "image/jpeg"};
    struct buf b = {0};
    chat_write_request(&b, "m", &r, 0);
    const char *p = strstr(b.data, "base64,") + 7;
    ok(strspn(p, "A") == want - 1 && strncmp(p + want - 1, "=\"}}]", 5) == 0 &&
           strlen(b.data) == b.len,
       "7 MiB of zeros are %zu characters, padded at the end only", want);
    buf_release(&b);
    free((void *)(uintptr_t)r.image);
}

static void quirks(void)
{
    struct service_request r = {.system = "s", .user = "u", .schema = "{}", .max_tokens = 5};
    struct service_request bare = {.user = "u", .temperature = -1};
    struct buf b = {0};
    ok(chat_quirk_applies(CHAT_NEW_TOKENS, &r, 0), "max_tokens can be renamed");
    ok(!chat_quirk_applies(CHAT_NEW_TOKENS, &r, CHAT_NEW_TOKENS), "once");
    ok(!chat_quirk_applies(CHAT_OLD_TOKENS, &r, 0), "and back only after that");
    ok(chat_quirk_applies(CHAT_OLD_TOKENS, &r, CHAT_NEW_TOKENS), "back");
    ok(!chat_quirk_applies(CHAT_NEW_TOKENS, &r, CHAT_NEW_TOKENS | CHAT_OLD_TOKENS), "no loop");
    ok(!chat_quirk_applies(CHAT_OLD_TOKENS, &r, CHAT_NEW_TOKENS | CHAT_OLD_TOKENS), "no loop");
    for (unsigned q = 1; q <= CHAT_NO_SYSTEM; q *= 2)
        ok(!chat_quirk_applies(q, &bare, CHAT_NEW_TOKENS & ~q), "%u: nothing to leave out", q);
    chat_note_quirks(&b, CHAT_NO_FORMAT | CHAT_NO_SYSTEM | CHAT_NEW_TOKENS);
    is(buf_str(&b), "max_completion_tokens for max_tokens, no response_format, no system role",
       "for people");
    buf_release(&b);
}

/* ---- answers ---- */

static int parse(struct chat_answer *a, struct buf *b, const char *s, size_t n, struct err *e)
{
    buf_clear(b);
    buf_add(b, s, n);
    return chat_parse_answer(a, b, e);
}

static const char whole[] =
    " {\"id\":\"x\",\"model\":\"gpt\",\"system_fingerprint\":\"fp\",\"choices\":[{\"index\":0,"
    "\"finish_reason\":\"stop\",\"message\":{\"role\":\"assistant\",\"content\":\"A\\nB \\u00e9\","
    "\"refusal\":null,\"tool_calls\":[]}},{\"message\":{\"content\":\"second\"}}],\"usage\":{"
    "\"prompt_tokens\":12,\"completion_tokens\":3.0,\"total_tokens\":15,"
    "\"prompt_tokens_details\":{\"audio_tokens\":0,\"cached_tokens\":8}}}\n";

static void answers(void)
{
    struct chat_answer a;
    struct buf b = {0};
    struct err e;
    ok(parse(&a, &b, whole, sizeof whole - 1, &e) == 0, "a whole answer");
    is(a.text, "A\nB \xc3\xa9", "text, of the first choice");
    ok(a.text_bytes == strlen(a.text), "its length");
    is(a.model, "gpt", "model");
    is(a.fingerprint, "fp", "fingerprint");
    is(a.finish_reason, "stop", "finish_reason");
    is(a.refusal, NULL, "no refusal");
    ok(a.tokens_in == 12 && a.tokens_out == 3 && a.tokens_cached == 8, "tokens");
    buf_release(&b);
}

static void content(const char *json, const char *want, const char *name)
{
    struct chat_answer a;
    struct buf b = {0};
    struct err e;
    char *s = xasprintf("{\"choices\":[{\"message\":{\"content\":%s}}]}", json);
    int rc = parse(&a, &b, s, strlen(s), &e);
    is(rc == 0 ? a.text : "(malformed)", want, name);
    ok(rc != 0 || (a.tokens_in == -1 && a.tokens_cached == -1 && a.tokens_out == -1),
       "no usage: -1");
    buf_release(&b);
    free(s);
}

static void contents(void)
{
    content("null", NULL, "null content");
    content("\"\"", "", "empty content");
    content("\"a\\r\\nb\\rc\\u0007\\u009b\\u007f.\\t\"", "a\nb\nc   .\t", "control characters");
    content("\"\\ud83d x \\ude00 \\u0000\"", "\xef\xbf\xbd x \xef\xbf\xbd \xef\xbf\xbd",
            "lone surrogates and NUL");
    content("\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80", "a pair of surrogates");
    content("\"caf\xe9\"", "caf\xef\xbf\xbd", "Latin-1");
    content("[{\"type\":\"text\",\"text\":\"on\\u0065 \"},7,{\"type\":\"image\"},"
            "{\"type\":\"text\",\"text\":\"two\"},{\"text\":\" three\"}]",
            "one two three", "parts are joined");
    content("[]", NULL, "no parts");
    content("7", "(malformed)", "a number");
    content("{}", "(malformed)", "an object");
}

static void malformed(void)
{
    static const struct {
        const char *s, *why;
    } all[] = {
        {"", "not JSON"},
        {"<html>", "not JSON"},
        {"[]", "not JSON"},
        {"{}", "no choices"},
        {"{\"choices\":[]}", "no choices"},
        {"{\"choices\":null}", "no choices"},
        {"{\"choices\":[7]}", "no choices"},
        {"{\"choices\":[{\"text\":\"old\"}]}", "no choices"},
        {"{\"choices\":[{\"message\":null}]}", "no choices"},
        {"{\"error\":{\"message\":\"behind the gateway\"}}", "no choices"},
        {"{\"choices\":[{\"message\":{\"content\":\"a\"}}]} x", "not JSON"},
        {"{\"choices\":[{\"message\":{\"content\":\"a\"}}", "not JSON"},
    };
    struct chat_answer a;
    struct buf b = {0};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct err e = {""};
        int rc = parse(&a, &b, all[i].s, strlen(all[i].s), &e);
        ok(rc < 0 && strstr(e.text, all[i].why) && !a.text, "%s -> %s", all[i].s, e.text);
    }
    buf_release(&b);
}

static void counts(void)
{
    static const char *const odd[] = {"-1", "1e300", "null", "\"12\"", "true", "{}",
                                      "123456789012345678901234567890"};
    struct chat_answer a;
    struct buf b = {0};
    struct err e;
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        char *s = xasprintf("{\"usage\":{\"prompt_tokens\":%s},\"choices\":[{\"message\":{}}]}",
                            odd[i]);
        ok(parse(&a, &b, s, strlen(s), &e) == 0 && a.tokens_in == -1, "%s tokens: not said", odd[i]);
        free(s);
    }
    buf_release(&b);
}

static void captions(void)
{
    static const struct {
        const char *s, *want;
    } all[] = {{"{\"generated_text\":\"a dish\"}", "a dish"},
               {"[{\"generated_text\":\"a \\u0007dish\"}]", "a  dish"},
               {"[{\"generated_text\":\"one\"},{\"generated_text\":\"two\"}]", "one"},
               {"[]", NULL},
               {"{}", NULL},
               {"{\"generated_text\":null}", NULL},
               {"[{\"generated_text\":\"cut", NULL},
               {"{\"error\":\"loading\"}", NULL}};
    struct chat_answer a;
    struct buf b = {0};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct err e = {""};
        buf_clear(&b);
        buf_adds(&b, all[i].s);
        int rc = chat_parse_caption(&a, &b, &e);
        is(a.text, all[i].want, all[i].s);
        ok((rc == 0) == (all[i].want != NULL) && (rc == 0 || e.text[0]), "%s", e.text);
    }
    buf_release(&b);
}

/* ---- errors ---- */

static struct chat_error error_of(const char *s, const char *key)
{
    struct chat_error x;
    struct buf b = {0};
    buf_adds(&b, s);
    chat_parse_error(&x, &b, key);
    buf_release(&b);
    return x;
}

static void messages(void)
{
    static const struct {
        const char *s, *want;
    } all[] = {
        {"{\"error\":{\"message\":\"no\\n\\u001b[31m more\",\"code\":404}}", "no [31m more"},
        {"{\"error\":\"model 'x' not found\"}", "model 'x' not found"},
        {"{\"object\":\"error\",\"message\":\"m\",\"code\":400}", "m"},
        {"{\"detail\":\"Not Found\"}", "Not Found"},
        {"{\"detail\":[{\"loc\":[\"body\",\"x\"],\"msg\":\"field required\"}]}", "field required"},
        {"{\"error\":{\"message\":null,\"code\":\"insufficient_quota\"}}", "insufficient_quota"},
        {"{\"error\":{\"type\":\"overloaded\"}}", "overloaded"},
        {"\"just a string\"", "just a string"},
        {"<html><head><title>502</title></head>\t<body>Bad  gateway</body>", "502 Bad gateway"},
        {"caf\xe9 \x01 closed", "caf\xef\xbf\xbd closed"},
        {"", ""},
        {"{}", ""},
        {"{\"error\":{\"message\":\"cut", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct chat_error x = error_of(all[i].s, NULL);
        if (*all[i].want)
            is(x.message, all[i].want, all[i].s);
        else
            ok(strlen(x.message) < 40, "%s: '%s'", all[i].s, x.message);
    }
}

static void bounded(void)
{
    struct buf b = {0};
    buf_adds(&b, "{\"error\":{\"message\":\"");
    for (int i = 0; i < 1000; i++)
        buf_adds(&b, "\xe2\x82\xac");
    buf_adds(&b, "\"}}");
    struct chat_error x = error_of(b.data, NULL);
    ok(strlen(x.message) == 198 && utf8_clean(x.message, 198), "200 bytes, no half character");
    buf_release(&b);
}

static void key_is_masked(void)
{
    static const char key[] = "sk-abc/def0123456789";
    static const char *const bodies[] = {
        "{\"error\":{\"message\":\"bad key sk-abc/def0123456789!\"}}",
        "{\"error\":{\"message\":\"bad key sk-abc\\/def0123456789!\"}}",
        "{\"error\":{\"message\":\"bad key sk\\u002dabc/def0123456789!\"}}",
        "<p>bad key sk-abc/def0123456789!",
        "{\"error\":{\"code\":\"bad key sk-abc\\/def0123456789!\"}}"};
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
        is(error_of(bodies[i], key).message, "bad key ********************!", bodies[i]);
    /* Cut in its middle, a key would no longer be found. */
    char *s = xasprintf("{\"error\":{\"message\":\"%0190d%s\"}}", 0, "sk-abc\\/def0123456789");
    ok(!strstr(error_of(s, key).message, "sk-"), "masked before it is cut");
    free(s);
}

static void meanings(void)
{
    static const struct {
        const char *s;
        char what; /* l too long, q quota, p policy, or 0 */
        unsigned quirk;
    } all[] = {
        {"{\"error\":{\"message\":\"This model's maximum context length is 4097 tokens. However, "
         "you requested 5000 tokens.\",\"code\":\"context_length_exceeded\"}}", 'l', 0},
        {"{\"error\":{\"code\":400,\"message\":\"the request exceeds the available context size, "
         "try increasing it\",\"type\":\"exceed_context_size_error\",\"n_ctx\":4096}}", 'l', 0},
        {"{\"detail\":\"Requested tokens (5000) exceed context window of 2048\"}", 'l', 0},
        {"{\"object\":\"error\",\"message\":\"This model's maximum context length is 2048 tokens. "
         "Please reduce the length of the messages\",\"code\":400}", 'l', 0},
        {"{\"error\":{\"message\":\"You exceeded your current quota\",\"type\":"
         "\"insufficient_quota\",\"code\":\"insufficient_quota\"}}", 'q', 0},
        {"{\"error\":{\"message\":\"x\",\"code\":\"billing_hard_limit_reached\"}}", 'q', 0},
        {"{\"error\":{\"message\":\"x\",\"code\":\"content_policy_violation\"}}", 'p', 0},
        {"{\"error\":{\"message\":\"Unsupported parameter: 'max_tokens' is not supported with "
         "this model. Use 'max_completion_tokens' instead.\",\"param\":\"max_tokens\",\"code\":"
         "\"unsupported_parameter\"}}", 0, CHAT_NEW_TOKENS},
        {"{\"error\":{\"message\":\"Unsupported parameter: 'max_tokens' is not supported with "
         "this model. Use 'max_completion_tokens' instead.\"}}", 0, CHAT_NEW_TOKENS},
        {"{\"error\":{\"message\":\"Unrecognized request argument supplied: "
         "max_completion_tokens\"}}", 0, CHAT_OLD_TOKENS},
        {"{\"error\":{\"message\":\"Unsupported value: 'temperature' does not support 0 with this "
         "model. Only the default (1) value is supported.\",\"param\":\"temperature\",\"code\":"
         "\"unsupported_value\"}}", 0, CHAT_NO_TEMPERATURE},
        {"{\"error\":{\"message\":\"Invalid parameter: 'response_format' of type 'json_schema' is "
         "not supported with this model.\"}}", 0, CHAT_NO_FORMAT},
        {"{\"detail\":[{\"type\":\"extra_forbidden\",\"loc\":[\"body\",\"response_format\"],"
         "\"msg\":\"Extra inputs are not permitted\"}]}", 0, CHAT_NO_FORMAT},
        {"{\"error\":{\"message\":\"1 validation error:\\n  {'type': 'literal_error', 'loc': ('body', "
         "'response_format', 'type'), 'msg': \\\"Input should be 'text' or 'json_object'\\\"}\"}}", 0,
         CHAT_NO_FORMAT},
        {"{\"error\":{\"code\":500,\"message\":\"Jinja Exception: System role not supported\"}}", 0,
         CHAT_NO_SYSTEM},
        {"{\"error\":{\"message\":\"max_tokens is too large: 9000\",\"param\":\"max_tokens\"}}", 0,
         0},
        {"{\"error\":{\"message\":\"Rate limit reached\",\"code\":\"rate_limit_exceeded\"}}", 0, 0},
        {"{\"error\":{\"message\":\"unknown field\"}}", 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct chat_error x = error_of(all[i].s, NULL);
        char what = x.too_long ? 'l' : x.quota ? 'q' : x.policy ? 'p' : 0;
        ok(what == all[i].what && x.quirk == all[i].quirk, "%.90s (%c, %u)", all[i].s,
           what ? what : '-', x.quirk);
    }
}

/* ---- any bytes ---- */

/* What was parsed is text that may be shown and stored. */
static int sound(const struct chat_answer *a)
{
    const char *texts[] = {a->text, a->refusal, a->finish_reason, a->model, a->fingerprint};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (!texts[i])
            continue;
        if (!utf8_clean(texts[i], strlen(texts[i])))
            return 0;
        for (const char *p = texts[i]; *p; p++)
            if (((unsigned char)*p < 0x20 && *p != '\n' && *p != '\t') || *p == 0x7f)
                return 0;
    }
    return !a->text || strlen(a->text) == a->text_bytes;
}

static void fuzz(const char *seed, size_t n, const char *name)
{
    struct rng r;
    struct buf b = {0};
    struct chat_answer a;
    struct chat_error x;
    struct err e;
    int bad = 0, parsed = 0;
    char *copy = xmalloc(n);
    rng_seed(&r, 1, 0);
    for (size_t i = 0; i < n + 20000; i++) {
        size_t len = i < n ? i : n;
        memcpy(copy, seed, n);
        for (uint32_t k = i < n ? 0 : 1 + rng_below(&r, 4); k > 0; k--)
            copy[rng_below(&r, (uint32_t)n)] = (char)rng_below(&r, 256);
        int rc = parse(&a, &b, copy, len, &e);
        parsed += rc == 0;
        bad += !sound(&a);
        buf_clear(&b);
        buf_add(&b, copy, len);
        bad += chat_parse_caption(&a, &b, &e) == 0 && !sound(&a);
        buf_clear(&b);
        buf_add(&b, copy, len);
        chat_parse_error(&x, &b, "gpt");
        bad += strlen(x.message) > 200 || strstr(x.message, "gpt") ||
               !utf8_clean(x.message, strlen(x.message));
    }
    ok(bad == 0, "%s: every prefix and 20,000 mutations, %d parsed, %d unsound", name, parsed, bad);
    free(copy);
    buf_release(&b);
}

int main(void)
{
    static const char parts[] =
        "{\"choices\":[{\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"a\\u0062\\r\\n\"},"
        "{\"text\":\"\xe2\x82\xac\"}]}}]}";
    static const char error[] =
        "{\"error\":{\"message\":\"gpt: 'response_format' is not supported \xc2\x9b\",\"type\":\"t\","
        "\"param\":null,\"code\":\"c\"},\"detail\":[{\"loc\":[\"body\",\"x\"],\"msg\":\"m\"}]}";
    static const char caption[] = "[{\"generated_text\":\"a \\ud83d\\ude00 dish\",\"x\":[1,{}]}]";
    requests();
    large_photo();
    quirks();
    answers();
    contents();
    malformed();
    counts();
    captions();
    messages();
    bounded();
    key_is_masked();
    meanings();
    fuzz(whole, sizeof whole - 1, "answer");
    fuzz(parts, sizeof parts - 1, "parts");
    fuzz(error, sizeof error - 1, "error");
    fuzz(caption, sizeof caption - 1, "caption");
    return done();
}
