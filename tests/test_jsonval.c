/* SPDX-License-Identifier: MIT */
#include "source/jsonval.h"
#include "base/buf.h"
#include "base/rng.h"
#include "base/util.h"
#include "source/utf8.h"
#include "tap.h"
#include <cjson/cJSON.h>
#include <stdlib.h>

/* ---- strings and numbers ---- */

/* The value of {"k": <value>} as text; "!reason" when malformed. */
static const char *value_of(const char *value, int64_t *repaired)
{
    static char text[2000];
    struct jsonval j;
    struct jsonval_text key, t = {0};
    int n = snprintf(text, sizeof text, "{\"k\": %s}", value), rc;
    jsonval_begin(&j, text, (size_t)n);
    rc = jsonval_object(&j);
    while (rc >= 0 && (rc = jsonval_key(&j, &key)) == 1)
        rc = jsonval_scalar(&j, &t);
    *repaired = j.repaired;
    if (jsonval_end(&j) < 0) {
        snprintf(text, sizeof text, "!%s", j.why);
        return text;
    }
    jsonval_terminate(&t);
    return t.s;
}

static void test_values(void)
{
    static const struct {
        const char *json, *want;
        int repaired;
    } t[] = {
        {"\"plain\"", "plain", 0},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 0},
        {"\"\\u00e9\\u4e2d\"", "\xc3\xa9\xe4\xb8\xad", 0},
        {"\"\\ud83d\\ude00!\"", "\xf0\x9f\x98\x80!", 0},
        {"\"\\uD83D\\uDE00\"", "\xf0\x9f\x98\x80", 0},
        {"\"a\\ud83db\"",
         "a\xef\xbf\xbd"
         "b",
         1},
        {"\"\\ude00\"", "\xef\xbf\xbd", 1},
        {"\"\\ud83d\\ud83d\\ude00\"", "\xef\xbf\xbd\xf0\x9f\x98\x80", 1},
        {"\"\\ud83d\\u0041\"",
         "\xef\xbf\xbd"
         "A",
         1},
        {"\"x\\u0000y\"", "x\xef\xbf\xbdy", 1},
        {"\"raw\ttab\"", "raw\ttab", 0},
        {"101074926318992653684", "101074926318992653684", 0},
        {"-0.5e+10", "-0.5e+10", 0},
        {"9007199254740993", "9007199254740993", 0},
        {"true", "", 0},
        {"null", "", 0},
        {"NaN", "", 0},
        {"-Infinity", "", 0},
        {"[1, {\"a\": [\"]\"]}]", "", 0},
        {"\"\\x\"", "!unknown escape in a string", 0},
        {"\"\\u12g4\"", "!\\u without four hex digits", 0},
        {"\"\\u12", "!\\u without four hex digits", 0},
        {"\"open", "!string without a closing quote", 0},
        {"01", "!malformed number", 0},
        {"1.", "!malformed number", 0},
        {"-", "!malformed number", 0},
        {"1e", "!malformed number", 0},
        {"tru", "!unknown word where a value belongs", 0},
        {"", "!no value here", 0},
        {"1, \"k\": \"last\"", "last", 0},
        {"1,", "!no key here", 0},
        {"[1,]", "!no value here", 0},
        {"[1 2]", "!no comma here", 0},
        {"{\"a\" 1}", "!no colon behind a key", 0},
        {"1} {", "!more text behind the value", 0},
    };
    int64_t repaired;
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        is(value_of(t[i].json, &repaired), t[i].want, t[i].json);
        ok(repaired == t[i].repaired, "repaired %d", (int)repaired);
    }
}

static int walk(struct buf *out, struct jsonval *j);

static void test_depth(void)
{
    for (int depth = 63; depth <= 65; depth++) {
        char text[200] = "";
        struct jsonval j;
        struct buf out = {0};
        for (int i = 0; i < depth; i++)
            text[i] = '[', text[2 * depth - 1 - i] = ']';
        jsonval_begin(&j, text, (size_t)(2 * depth));
        jsonval_skip(&j);
        ok((jsonval_end(&j) == 0) == (depth <= 64), "skip: depth %d %s", depth,
           j.why ? j.why : "is fine");
        jsonval_begin(&j, text, (size_t)(2 * depth));
        walk(&out, &j);
        ok((jsonval_end(&j) == 0) == (depth <= 64), "walk: depth %d", depth);
        buf_release(&out);
    }
}

/* ---- against cJSON ---- */

static void put_string(struct buf *out, const char *s)
{
    buf_addf(out, "<%zu:%s>", strlen(s), s);
}

/* A canonical dump by our walk. */
static int walk(struct buf *out, struct jsonval *j)
{
    struct jsonval_text t;
    int rc;
    switch (jsonval_peek(j)) {
    case JSONVAL_OBJECT:
        buf_addc(out, '{');
        for (rc = jsonval_object(j); rc >= 0 && (rc = jsonval_key(j, &t)) == 1;) {
            put_string(out, t.s);
            rc = walk(out, j);
        }
        buf_addc(out, '}');
        return rc;
    case JSONVAL_ARRAY:
        buf_addc(out, '[');
        for (rc = jsonval_array(j); rc >= 0 && (rc = jsonval_item(j)) == 1;)
            rc = walk(out, j);
        buf_addc(out, ']');
        return rc;
    case JSONVAL_NUMBER:
        if (jsonval_scalar(j, &t) < 0)
            return -1;
        buf_addf(out, "%.17g,", strtod(t.s, NULL));
        return 0;
    case JSONVAL_STRING:
        if (jsonval_scalar(j, &t) < 0)
            return -1;
        put_string(out, t.s);
        return 0;
    case JSONVAL_ABSENT: return -1;
    default:
        if (jsonval_scalar(j, &t) < 0)
            return -1;
        buf_adds(out, t.kind == JSONVAL_TRUE ? "T" : t.kind == JSONVAL_FALSE ? "F" : "N");
        return 0;
    }
}

/* The same dump of cJSON's tree. */
static void dump(struct buf *out, const cJSON *v)
{
    if (cJSON_IsObject(v) || cJSON_IsArray(v)) {
        buf_addc(out, cJSON_IsObject(v) ? '{' : '[');
        for (const cJSON *c = v->child; c; c = c->next) {
            if (cJSON_IsObject(v))
                put_string(out, c->string);
            dump(out, c);
        }
        buf_addc(out, cJSON_IsObject(v) ? '}' : ']');
    } else if (cJSON_IsNumber(v)) {
        buf_addf(out, "%.17g,", v->valuedouble);
    } else if (cJSON_IsString(v)) {
        put_string(out, v->valuestring);
    } else {
        buf_adds(out, cJSON_IsTrue(v) ? "T" : cJSON_IsFalse(v) ? "F" : "N");
    }
}

static void random_string(struct buf *b, struct rng *r)
{
    static const char *const part[] = {
        "a",
        "Zz ",
        "\\n",
        "\\\"",
        "\\\\",
        "\\/",
        "\\u00e9",
        "\\u20AC",
        "\\ud83d\\ude00",
        "\xc3\xa9",
        "\xf0\x9f\x98\x80",
        "{",
        "}]",
        ":,",
        "\\t\\r\\b\\f",
        "\\u0041",
        "a rather long run of plain text without any escape in it, "};
    buf_addc(b, '"');
    for (uint32_t n = rng_below(r, 6); n > 0; n--)
        buf_adds(b, part[rng_below(r, ARRAY_LEN(part))]);
    buf_addc(b, '"');
}

static void random_value(struct buf *b, struct rng *r, int depth)
{
    static const char *const plain[] = {"0",
                                        "-1",
                                        "3.25",
                                        "1e5",
                                        "-2.5E-3",
                                        "101074926318992653684",
                                        "4",
                                        "true",
                                        "null",
                                        "false",
                                        "123456789012345678901234567890.5"};
    static const char *const space[] = {"", "", " ", "\n\t", "  "};
    uint32_t kind = rng_below(r, depth > 5 ? 2 : 4);
    if (kind == 0) {
        buf_adds(b, plain[rng_below(r, ARRAY_LEN(plain))]);
    } else if (kind == 1) {
        random_string(b, r);
    } else {
        buf_addc(b, kind == 2 ? '[' : '{');
        for (uint32_t n = rng_below(r, 5), i = 0; i < n; i++) {
            buf_addf(b, "%s%s", i ? "," : "", space[rng_below(r, 5)]);
            if (kind == 3) {
                random_string(b, r);
                buf_addf(b, "%s:%s", space[rng_below(r, 5)], space[rng_below(r, 5)]);
            }
            random_value(b, r, depth + 1);
            buf_adds(b, space[rng_below(r, 5)]);
        }
        buf_addc(b, kind == 2 ? ']' : '}');
    }
}

static void test_differential(void)
{
    struct rng r;
    struct buf text = {0}, ours = {0}, theirs = {0};
    int same = 0, skipped = 0, changed = 0, n = 4000;
    rng_seed(&r, 3, 0);
    for (int i = 0; i < n; i++) {
        buf_clear(&text), buf_clear(&ours), buf_clear(&theirs);
        random_value(&text, &r, 0);
        cJSON *tree = cJSON_Parse(text.data);
        dump(&theirs, tree);
        char *copy = xstrdup(text.data);
        struct jsonval j;
        jsonval_begin(&j, copy, text.len);
        skipped += jsonval_skip(&j) == 0 && jsonval_end(&j) == 0;
        changed += strcmp(copy, text.data) != 0;
        jsonval_begin(&j, copy, text.len);
        walk(&ours, &j);
        bool equal =
            tree && jsonval_end(&j) == 0 && strcmp(buf_str(&ours), buf_str(&theirs)) == 0;
        same += equal;
        if (!equal)
            printf("# differs: %s\n", text.data);
        free(copy);
        cJSON_Delete(tree);
    }
    ok(changed == 0, "skipping changes nothing");
    ok(same == n && skipped == n, "%d of %d random values read as cJSON reads them", same,
       n);
    buf_release(&text);
    buf_release(&ours);
    buf_release(&theirs);
}

/* Mutations: no crash (the sanitizers watch), and what we accept cJSON accepts too, but for
 * what the header names. */
static void test_fuzz(void)
{
    static const char bytes[] = "\"\\{}[],:.-+eE019tfnu \n\x01zD";
    struct rng r;
    struct buf text = {0}, out = {0};
    int accepted = 0, wrong = 0, n = 20000;
    rng_seed(&r, 4, 0);
    for (int i = 0; i < n; i++) {
        buf_clear(&text), buf_clear(&out);
        random_value(&text, &r, 2);
        for (uint32_t k = 0; k <= rng_below(&r, 3) && text.len; k++)
            text.data[rng_below(&r, (uint32_t)text.len)] =
                bytes[rng_below(&r, sizeof bytes - 1)];
        if (rng_below(&r, 5) == 0)
            text.len = rng_below(&r, (uint32_t)text.len);
        if (!utf8_clean(text.data, text.len))
            continue;
        char *copy = xmalloc(text.len + 1); /* exact: reading past the NUL is seen */
        memcpy(copy, text.data, text.len);
        copy[text.len] = 0;
        struct jsonval j;
        jsonval_begin(&j, copy, text.len);
        walk(&out, &j);
        bool good = jsonval_end(&j) == 0;
        memcpy(copy, text.data, text.len);
        copy[text.len] = 0;
        accepted += good;
        const char *end;
        cJSON *tree = cJSON_ParseWithLengthOpts(copy, text.len + 1, &end, 1);
        wrong += good && !tree && !strstr(copy, "\\u") && !strstr(copy, "NaN");
        cJSON_Delete(tree);
        free(copy);
    }
    ok(wrong == 0, "%d mutated values, %d accepted, none that cJSON refuses", n,
       accepted);
    buf_release(&text);
    buf_release(&out);
}

static void test_speed(void)
{
    struct buf text = {0};
    int64_t n = 0;
    buf_adds(&text, "{\"business_id\": \"898e9fda2ac8ea724f2f4e8f\", \"user_id\": "
                    "\"146164359262202923581\", \"rating\": 4, \"review_text\": \"");
    for (int i = 0; i < 8; i++)
        buf_adds(&text,
                 "They have a good view, and the food came hot.\\nWe shall be back; it "
                 "was worth every buck \\ud83d\\ude00. ");
    buf_adds(&text, "\", \"pics\": [\"AF1QipxlswCd5EdPBvk3hgGmB8RHf2poFVHarUeFyrIq\"]}");
    char *copy = xmalloc(text.len + 1);
    double t = monotonic_s();
    for (int i = 0; i < 20000; i++) {
        struct jsonval j;
        struct jsonval_text key, v;
        memcpy(copy, text.data, text.len + 1);
        jsonval_begin(&j, copy, text.len);
        for (int rc = jsonval_object(&j); rc >= 0 && (rc = jsonval_key(&j, &key)) == 1;) {
            rc = jsonval_scalar(&j, &v);
            n += (int64_t)v.n;
        }
    }
    double ours = monotonic_s() - t;
    t = monotonic_s();
    for (int i = 0; i < 20000; i++)
        cJSON_Delete(cJSON_Parse(text.data));
    double theirs = monotonic_s() - t, mb = 20000.0 * (double)text.len / 1e6;
    ok(n > 0, "speed");
    printf("# fields of a record of %zu bytes: jsonval %.0f MB/s, cJSON %.0f MB/s\n",
           text.len, mb / ours, mb / theirs);
    free(copy);
    buf_release(&text);
}

/* ---- UTF-8 ---- */

static void test_utf8(void)
{
    /* What Python's bytes.decode("utf-8", "replace") gives: the number of U+FFFD. */
    static const struct {
        const char *s;
        int bad;
    } t[] = {{"plain", 0},
             {"\xc3\xa9", 0},
             {"\x89\xdb\xf7", 3},
             {"\xe2\x82", 1},
             {"\xe2\x82x", 1},
             {"\xf0\x9f\x98", 1},
             {"\xf0\x9f\x98\x80", 0},
             {"\xed\xa0\x80", 3},
             {"\xc0\x80", 2},
             {"\xf4\x90\x80\x80", 4},
             {"\xff\xfe", 2},
             {"\xe0\x80\x80", 3},
             {"0123456789abcde\xff", 1},
             {"0123456789abcdef\xc3\xa9\xff", 1}};
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        struct buf b = {0};
        int bad = (int)utf8_repair(&b, t[i].s, strlen(t[i].s));
        ok(bad == t[i].bad && utf8_clean(t[i].s, strlen(t[i].s)) == !bad &&
               utf8_clean(b.data, b.len),
           "UTF-8 case %zu: %d replaced", i, bad);
        buf_release(&b);
    }
    ok(!utf8_clean("a\0b", 3), "NUL is not clean");
    struct buf b = {0};
    ok(utf8_valid("a\0b", 3) && !utf8_valid("a\0\xff", 3) &&
           utf8_replace(&b, "\0\xc2\0\xe2\x82z", 6) == 2 && b.len == 9 &&
           memcmp(b.data, "\0\xef\xbf\xbd\0\xef\xbf\xbdz", 9) == 0,
       "where NUL is a character it is valid, and stays");
    buf_release(&b);
    char out[UTF8_EXCERPT], in[300];
    for (int i = 0; i < 300; i += 3)
        memcpy(in + i, "\xe4\xb8\xad", 3);
    utf8_excerpt(out, in, sizeof in);
    ok(strlen(out) == 198 && utf8_clean(out, 198),
       "an excerpt ends with a whole character");
}

int main(void)
{
    test_values();
    test_depth();
    test_differential();
    test_fuzz();
    test_utf8();
    test_speed();
    return done();
}
