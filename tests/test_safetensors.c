/* SPDX-License-Identifier: MIT */
/* Files by the safetensors package, every rule with a file that breaks it, and thousands of
 * damaged files. The real weights (MM_MODELS, default "models") where they are. */
#include "nn/safetensors.h"
#include "base/buf.h"
#include "base/rng.h"
#include "base/sha256.h"
#include "base/util.h"
#include "tap.h"
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define GOLDEN "tests/golden/safetensors/"

static char temp[] = "/tmp/mm_test_safetensors.XXXXXX";

static void write_temp(const void *p, size_t n)
{
    unlink(temp); /* truncating a file makes some file systems flush it */
    FILE *f = fopen(temp, "wb");
    if (!f || fwrite(p, 1, n, f) != n || fclose(f) != 0)
        die("cannot write %s", temp);
}

/* ---- good files ---- */

static int equal(const struct safetensors *st, const char *name, int rank, const int64_t *shape,
                 const float *want)
{
    struct err e = {{0}};
    float got[64];
    const struct st_tensor *t = safetensors_find(st, name);
    if (!t || t->count > 64 || safetensors_load(got, st, name, rank, shape, &e) < 0) {
        printf("# %s: %s\n", name, t ? e.text : "absent");
        return 0;
    }
    return memcmp(got, want, t->count * sizeof *got) == 0;
}

#define SHAPE(...) (const int64_t[]){__VA_ARGS__}

static void test_values(const struct safetensors *st)
{
    float f32[12], deep[8];
    for (int i = 0; i < 12; i++)
        f32[i] = (float)i / 8 - 0.5f;
    for (int i = 0; i < 8; i++)
        deep[i] = (float)i;
    static const float f16[] = {0.0f,     -0.0f,   1.0f,    -2.5f,
                                65504.0f, 0x1p-24f, 0x1p-14f, 0.333251953125f};
    static const float bf16[] = {1.0f, -3.140625f, 0x1p127f, 0x1p-126f};
    static const float one_half[] = {1.5f}, scalar[] = {2.5f};
    ok(equal(st, "f32.weight", 2, SHAPE(3, 4), f32), "F32");
    ok(equal(st, "f16.weight", 2, SHAPE(2, 4), f16), "F16");
    ok(equal(st, "bf16.weight", 1, SHAPE(4), bf16), "BF16");
    ok(equal(st, "scalar", 0, SHAPE(0), scalar), "rank 0");
    ok(equal(st, "empty", 2, SHAPE(0, 7), f32), "a dimension of 0");
    ok(equal(st, "deep", 8, SHAPE(1, 2, 1, 2, 1, 2, 1, 1), deep), "rank 8");
    ok(equal(st, "n\xc3\xa4me \"quoted\" \\ \xe4\xb8\xad\xf0\x9f\x98\x8b", 1, SHAPE(1), one_half),
       "an escaped name");
    const struct st_tensor *t = safetensors_find(st, "position_ids");
    int64_t id = 0;
    ok(t && t->dtype == ST_I64 && t->rank == 2 && t->shape[1] == 5 && t->bytes == 40, "I64");
    if (t)
        memcpy(&id, t->data + 8 * 3, 8);
    ok(id == 3, "I64 values are in the mapping");
    ok(!safetensors_find(st, "__metadata__") && !safetensors_find(st, "") &&
           !safetensors_find(st, "f32.weigh") && !safetensors_find(st, "zzz"),
       "absent names are not found");
}

static void load_fails(const struct safetensors *st, const char *name, int rank,
                       const int64_t *shape, const char *word)
{
    struct err e = {{0}};
    float out[64];
    ok(safetensors_load(out, st, name, rank, shape, &e) < 0 && strstr(e.text, word) &&
           strstr(e.text, name) && strstr(e.text, "mixed.safetensors"),
       "%s", e.text);
}

static void test_mixed(void)
{
    struct err e = {{0}};
    struct safetensors *st = safetensors_open(GOLDEN "mixed.safetensors", &e);
    if (!ok(st && safetensors_count(st) == 11, "eleven tensors %s", e.text))
        return;
    test_values(st);
    size_t ordered = 1;
    for (size_t i = 1; i < safetensors_count(st); i++)
        ordered += safetensors_at(st, i - 1)->data + safetensors_at(st, i - 1)->bytes ==
                   safetensors_at(st, i)->data;
    ok(ordered == 11, "in the order of their data, without gaps");
    load_fails(st, "no.such", 2, SHAPE(3, 4), "[3, 4]");
    load_fails(st, "f32.weight", 2, SHAPE(4, 3), "has shape [3, 4], expected [4, 3]");
    load_fails(st, "f32.weight", 1, SHAPE(12), "expected [12]");
    load_fails(st, "f32.weight", 0, SHAPE(0), "expected []");
    load_fails(st, "position_ids", 2, SHAPE(1, 5), "is I64");
    load_fails(st, "wild", 1, SHAPE(3), "NaN or infinity at element 1 of 3");
    load_fails(st, "infinite", 1, SHAPE(3), "NaN or infinity at element 2 of 3");
    struct buf b = {0};
    unsigned char d[SHA256_BYTES];
    ok(buf_read_file(&b, GOLDEN "mixed.safetensors", 1 << 20, &e) == 0, "read %s", e.text);
    sha256_of(d, b.data, b.len);
    ok(memcmp(d, safetensors_digest(st), sizeof d) == 0 &&
           memcmp(d, safetensors_digest(st), sizeof d) == 0,
       "the digest is that of the file, twice");
    buf_release(&b);
    safetensors_close(st);
    st = safetensors_open(GOLDEN "none.safetensors", &e);
    ok(st && safetensors_count(st) == 0 && !safetensors_find(st, "x"), "no tensors %s", e.text);
    safetensors_close(st);
    ok(!safetensors_open(GOLDEN "f64.safetensors", &e) && strstr(e.text, "dtype 'F64'"), "%s",
       e.text);
    safetensors_close(NULL);
}

static void test_halves(const char *name, float (*convert)(uint16_t))
{
    static float all[65536];
    unsigned char d[SHA256_BYTES];
    char hex[SHA256_HEX], want[SHA256_HEX + 1] = "";
    for (unsigned i = 0; i < 65536; i++)
        all[i] = convert((uint16_t)i);
    sha256_of(d, all, sizeof all);
    sha256_hex(hex, d);
    char *path = xasprintf(GOLDEN "%s.sha256", name);
    FILE *f = fopen(path, "r");
    if (!f || !fgets(want, sizeof want, f))
        die("%s", path);
    fclose(f);
    free(path);
    want[64] = 0;
    is(hex, want, name);
}

/* ---- files that break one rule ---- */

static void make(struct buf *b, const char *json, size_t json_bytes, size_t data_bytes)
{
    uint64_t n = json_bytes;
    buf_clear(b);
    buf_add(b, &n, 8);
    buf_add(b, json, json_bytes);
    for (size_t i = 0; i < data_bytes; i++)
        buf_addc(b, 0);
}

static void opens(const char *json, size_t data_bytes, size_t tensors)
{
    struct err e = {{0}};
    struct buf b = {0};
    make(&b, json, strlen(json), data_bytes);
    write_temp(b.data, b.len);
    struct safetensors *st = safetensors_open(temp, &e);
    ok(st && safetensors_count(st) == tensors, "opens: %.70s %s", json, e.text);
    safetensors_close(st);
    buf_release(&b);
}

static void refuses_bytes(const void *p, size_t n, const char *word)
{
    struct err e = {{0}};
    write_temp(p, n);
    struct safetensors *st = safetensors_open(temp, &e);
    ok(!st && strstr(e.text, word) && strstr(e.text, temp), "refused: %s (%s)",
       st ? "no, it opens" : e.text + strlen(temp) + 2, word);
    safetensors_close(st);
}

static void refuses(const char *json, size_t data_bytes, const char *word)
{
    struct buf b = {0};
    make(&b, json, strlen(json), data_bytes);
    refuses_bytes(b.data, b.len, word);
    buf_release(&b);
}

#define T(name, shape, begin, end)                                                            \
    "\"" name "\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[" begin "," end "]}"

static void test_frame(void)
{
    struct err e = {{0}};
    uint64_t n = 100000001;
    ok(!safetensors_open("/no/such/file", &e) && strstr(e.text, "No such"), "%s", e.text);
    ok(!safetensors_open("/tmp", &e) && strstr(e.text, "not a regular"), "%s", e.text);
    unlink(temp);
    ok(mkfifo(temp, 0600) == 0 && !safetensors_open(temp, &e) && strstr(e.text, "not a regular"),
       "a fifo: %s", e.text);
    refuses_bytes("", 0, "0 bytes");
    refuses_bytes("\2\0\0\0\0\0\0", 7, "7 bytes");
    refuses_bytes("\2\0\0\0\0\0\0\0", 8, "download it again");
    refuses_bytes("\2\0\0\0\0\0\0\0{", 9, "needs 10");
    refuses_bytes("\0\0\0\0\0\0\0\0", 8, "'{'");
    refuses_bytes("\2\0\0\0\0\0\0\0[]", 10, "'{'");
    refuses_bytes("\3\0\0\0\0\0\0\0 {}", 11, "'{'");
    refuses_bytes("\377\377\377\377\377\377\377\377{}", 10, "at most 100000000");
    refuses_bytes(&n, 8, "100000001");
    refuses("{}", 1, "11 bytes, its header promises 10");
    refuses("{" T("a", "[2]", "0", "8") "}", 7, "cut short");
    refuses("{" T("a", "[2]", "0", "8") "}", 9, "promises");
    opens("{" T("a", "[2]", "0", "8") "}", 8, 1);
    opens("{}    ", 0, 0);
    opens("{" T("b", "[1]", "4", "8") "," T("a", "[1]", "0", "4") "}", 8, 2);
    opens("{" T("b", "[0]", "4", "4") "," T("c", "[1]", "4", "8") "," T("a", "[1]", "0", "4") "}",
          8, 3);
}

static void test_places(void)
{
    refuses("{" T("a", "[1]", "4", "8") "}", 8, "begins at data byte 4, expected 0 (gap)");
    refuses("{" T("a", "[1]", "0", "4") "," T("b", "[1]", "8", "12") "}", 12, "gap");
    refuses("{" T("a", "[2]", "0", "8") "," T("b", "[1]", "4", "8") "}", 8, "overlap");
    refuses("{" T("a", "[1]", "0", "4") "," T("b", "[1]", "0", "4") "}", 4, "overlap");
    refuses("{" T("a", "[1]", "4", "0") "}", 4, "before their begin");
    refuses("{" T("a", "[1]", "0", "8") "}", 8, "hold 8 bytes, shape and dtype F32 need 4");
    refuses("{" T("a", "[]", "0", "0") "}", 0, "need 4");
    refuses("{" T("a", "[0]", "0", "4") "}", 4, "need 0");
    refuses("{" T("a", "[9007199254740992,9007199254740992]", "0", "4") "}", 4, "2^64 elements");
    refuses("{" T("a", "[4294967296,1073741824]", "0", "0") "}", 0, "2^64 bytes");
    refuses("{" T("a", "[4294967296,4294967296,0]", "0", "0") "}", 0, "2^64 elements");
    refuses("{" T("a", "[1]", "0", "4") "," T("a", "[1]", "4", "8") "}", 8, "'a' twice");
    refuses("{" T("a", "[1]", "0", "4") "," T("\\u0061", "[1]", "4", "8") "}", 8, "'a' twice");
    refuses("{" T("", "[1]", "0", "4") "}", 4, "name of 0 bytes");
    opens("{" T("a", "[1,1,1,1,1,1,1,1]", "0", "4") "}", 4, 1);
    refuses("{" T("a", "[1,1,1,1,1,1,1,1,1]", "0", "4") "}", 4, "rank above 8");
}

static void test_integers(void)
{
    static const char *const bad[] = {"-1",   "1.0", "1e0", "1E0", "-0", "9007199254740993",
                                      "18446744073709551617", "\"1\"", "null", "true", "[1]",
                                      "{}", "1.5", "00000000000000000"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char *s = xasprintf("{\"a\":{\"dtype\":\"F32\",\"shape\":[%s],\"data_offsets\":[0,4]}}",
                            bad[i]);
        refuses(s, 4, i == 13 ? "malformed number" : "shape");
        free(s);
        s = xasprintf("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,%s]}}", bad[i]);
        refuses(s, 4, i == 13 ? "malformed number" : "data_offsets");
        free(s);
    }
}

static void test_json(void)
{
    refuses("{" T("a", "[1]", "0", "4") ",}", 4, "no valid JSON");
    refuses("{" T("a", "[1,]", "0", "4") "}", 4, "no valid JSON");
    refuses("{" T("a", "[1]", "0", "4"), 4, "no valid JSON");
    refuses("{" T("a", "[1]", "0", "4") "}}", 4, "no valid JSON");
    refuses("{" T("a", "[1]", "0", "4") "} x", 4, "no valid JSON");
    refuses("{'a':1}", 0, "no valid JSON");
    refuses("{\"a\":[]}", 0, "no valid JSON");
    refuses("{\"a\":1}", 0, "no valid JSON");
    refuses("{\"a\":{}}", 0, "no dtype");
    refuses("{\"a\":{\"dtype\":\"F32\"}}", 0, "no shape");
    refuses("{\"a\":{\"dtype\":\"F32\",\"shape\":[]}}", 4, "no data_offsets");
    refuses("{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4],\"x\":1}}", 4,
            "unknown key 'x'");
    refuses("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", 4,
            "dtype twice");
    refuses("{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0]}}", 0, "1 of two");
    refuses("{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4,4]}}", 4,
            "more than two");
    refuses("{\"a\":{\"dtype\":\"F32\",\"shape\":4,\"data_offsets\":[0,4]}}", 4, "no array");
    refuses("{\"a\":{\"dtype\":32,\"shape\":[],\"data_offsets\":[0,4]}}", 4, "dtype '32'");
    refuses("{\"a\":{\"dtype\":\"f32\",\"shape\":[],\"data_offsets\":[0,4]}}", 4, "dtype 'f32'");
    refuses("{\"a\":{\"dtype\":\"BOOL\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4, "dtype 'BOOL'");
    refuses("{" T("a\\u0000b", "[1]", "0", "4") "}", 4, "NUL");
    refuses("{" T("a\\ud800", "[1]", "0", "4") "}", 4, "surrogate");
    refuses("{" T("a\\x", "[1]", "0", "4") "}", 4, "escape");
    refuses("{" T("a\tb", "[1]", "0", "4") "}", 4, "control character");
    refuses("{" T("a\xff", "[1]", "0", "4") "}", 4, "no UTF-8");
    refuses("{\"__metadata__\":{\"a\":1}}", 0, "'a' is no text");
    refuses("{\"__metadata__\":{\"a\":{\"b\":\"c\"}}}", 0, "'a' is no text");
    refuses("{\"__metadata__\":\"x\"}", 0, "no valid JSON");
    refuses("{\"__metadata__\":{},\"__metadata__\":{}}", 0, "__metadata__ twice");
    opens("{\"__metadata__\":{\"a\":\"b\"}}", 0, 0);
}

static void test_caps(void)
{
    struct buf json = {0}, b = {0};
    buf_adds(&json, "{\"");
    for (int i = 0; i < 1025; i++)
        buf_addc(&json, 'n');
    buf_adds(&json, "\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}");
    refuses(json.data, 0, "name of 1025 bytes");
    buf_clear(&json);
    buf_addc(&json, '{');
    for (int i = 0; i <= 100000; i++)
        buf_addf(&json, "%s" T("%d", "[0]", "0", "0"), i ? "," : "", i);
    buf_addc(&json, '}');
    refuses(json.data, 0, "more than 100000 tensors");
    buf_clear(&json);
    buf_addc(&json, '{');
    for (int i = 0; i < 100000; i++)
        buf_addf(&json, "%s" T("%d", "[1]", "%d", "%d"), i ? "," : "", i, 4 * i, 4 * i + 4);
    buf_addc(&json, '}');
    double t = monotonic_s();
    make(&b, json.data, json.len, 400000);
    write_temp(b.data, b.len);
    struct err e = {{0}};
    struct safetensors *st = safetensors_open(temp, &e);
    t = monotonic_s() - t;
    const struct st_tensor *x = st ? safetensors_find(st, "77777") : NULL;
    ok(x && x == safetensors_at(st, 77777), "100,000 tensors, %.2f s %s", t, e.text);
    safetensors_close(st);
    buf_clear(&json);
    buf_addc(&json, '{');
    for (int i = 0; i < 100000; i++)
        buf_adds(&json, "\"a\":{");
    refuses(json.data, 0, "unknown key 'a'");
    buf_clear(&json);
    buf_adds(&json, "{\"a\":");
    for (int i = 0; i < 100000; i++)
        buf_addc(&json, '[');
    refuses(json.data, 0, "no valid JSON");
    buf_release(&json);
    buf_release(&b);
}

/* Unpadded header: every tensor at an odd address. */
static void test_unaligned(void)
{
    struct err e = {{0}};
    struct buf b = {0};
    const char *json = "{" T("a", "[2]", "0", "8") "} ";
    size_t n = strlen(json) - strlen(json) % 2 + 1;
    char *odd = xasprintf("%-*s", (int)n + 2, json);
    float v[2] = {1.5f, -2.0f}, got[2];
    make(&b, odd, n, 0);
    buf_add(&b, v, sizeof v);
    write_temp(b.data, b.len);
    struct safetensors *st = safetensors_open(temp, &e);
    ok(st && (uintptr_t)safetensors_at(st, 0)->data % 2 == 1, "data at an odd address %s", e.text);
    ok(st && safetensors_load(got, st, "a", 1, SHAPE(2), &e) == 0 &&
           memcmp(got, v, sizeof v) == 0, "loads from there %s", e.text);
    safetensors_close(st);
    free(odd);
    buf_release(&b);
}

/* ---- damage ---- */

static void damage(struct buf *b, struct rng *r)
{
    static const char *const bits[] = {"{", "}", "[", "]", "\"", ",", ":", "0", "9", "-", "\\u",
                                       "e9", "F16", "I64", "null", "99999999999999999999"};
    uint64_t n;
    memcpy(&n, b->data, 8);
    size_t at = rng_below(r, 2) ? rng_below(r, (uint32_t)b->len)
                                : 8 + rng_below(r, (uint32_t)(b->len - 8));
    switch (rng_below(r, 5)) {
    case 0: b->data[at] = (char)rng_below(r, 256); break;
    case 1: b->data[at] ^= (char)(1 << rng_below(r, 8)); break;
    case 2: b->len = at < 8 ? 8 : at; break;
    case 3:
        n = rng_below(r, 2) ? n + rng_below(r, 9) - 4 : rng_u64(r) >> rng_below(r, 64);
        memcpy(b->data, &n, 8);
        break;
    default: {
        const char *s = bits[rng_below(r, ARRAY_LEN(bits))];
        size_t len = strlen(s);
        if (at + len <= b->len)
            memcpy(b->data + at, s, len);
    }
    }
}

/* Must end without a crash; every tensor of a file that opens lies inside it. */
static int use(struct err *e)
{
    float out[256];
    struct safetensors *st = safetensors_open(temp, e);
    if (!st)
        return 0;
    unsigned sum = 0;
    for (size_t i = 0; i < safetensors_count(st); i++) {
        const struct st_tensor *t = safetensors_at(st, i);
        for (size_t k = 0; k < t->bytes; k++)
            sum += t->data[k];
        if (t->count <= 256 && safetensors_load(out, st, t->name, t->rank, t->shape, e) == 0)
            sum += t->count > 0 && out[0] > 0;
        if (safetensors_find(st, t->name) != t)
            die("lost %s", t->name);
    }
    safetensors_close(st);
    return sum != 0x7fffffff;
}

static void test_damage(void)
{
    enum { CASES = 20000 };
    struct err e = {{0}};
    struct buf whole = {0}, b = {0};
    struct rng r;
    int opened = 0;
    rng_seed(&r, 7, 0);
    if (buf_read_file(&whole, GOLDEN "mixed.safetensors", 1 << 20, &e) < 0)
        die("%s", e.text);
    for (int i = 0; i < CASES; i++) {
        buf_clear(&b);
        buf_add(&b, whole.data, whole.len);
        for (uint32_t k = 1 + rng_below(&r, 3); k > 0 && b.len > 8; k--)
            damage(&b, &r);
        write_temp(b.data, b.len);
        e.text[0] = 0;
        int rc = use(&e);
        opened += rc;
        if (rc == 0 && !e.text[0])
            die("case %d refused without a word", i);
    }
    ok(opened > CASES / 20 && opened < CASES / 2, "%d damaged files, %d still valid", CASES,
       opened);
    buf_release(&whole);
    buf_release(&b);
}

static void test_real(void)
{
    struct err e = {{0}};
    const char *models = getenv("MM_MODELS") ? getenv("MM_MODELS") : "models";
    char *path = xasprintf("%s/all-MiniLM-L6-v2/model.safetensors", models);
    if (access(path, R_OK) != 0) {
        skip("no all-MiniLM-L6-v2/model.safetensors (MM_MODELS)");
        free(path);
        return;
    }
    double t = monotonic_s();
    struct safetensors *st = safetensors_open(path, &e);
    double opened = monotonic_s() - t;
    if (ok(st && safetensors_count(st) >= 101, "MiniLM opens %s", e.text)) {
        float *w = xcalloc(30522 * 384, sizeof *w);
        t = monotonic_s();
        ok(safetensors_load(w, st, "embeddings.word_embeddings.weight", 2, SHAPE(30522, 384),
                            &e) == 0, "word embeddings load %s", e.text);
        printf("# open %.2f ms, 46.9 MB loaded in %.1f ms, %zu tensors\n", opened * 1e3,
               (monotonic_s() - t) * 1e3, safetensors_count(st));
        free(w);
    }
    safetensors_close(st);
    free(path);
}

int main(void)
{
    int fd = mkstemp(temp);
    if (fd < 0)
        die("no temporary file");
    close(fd);
    test_mixed();
    test_halves("f16", safetensors_from_f16);
    test_halves("bf16", safetensors_from_bf16);
    test_frame();
    test_places();
    test_integers();
    test_json();
    test_caps();
    test_unaligned();
    test_damage();
    test_real();
    unlink(temp);
    return done();
}
