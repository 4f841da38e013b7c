/* SPDX-License-Identifier: MIT */
/* Ids and texts against Hugging Face's, made by tests/golden/bpe/make_goldens.py. With OPT's
 * real vocabulary (MM_MODELS, default "models", blip2-opt-2.7b in it) where it is. */
#include "nn/bpe.h"
#include "base/rng.h"
#include "base/sha256.h"
#include "base/util.h"
#include "source/utf8.h"
#include "bpe_vocab.h"
#include "tap.h"
#include <cjson/cJSON.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define GOLDEN "tests/golden/bpe/"
enum { CASES_MAX = 2000, MAX = 20000, TEXTS = 10000 };

struct test_case {
    struct buf text, head;
    cJSON *row;
};

static struct test_case cases[CASES_MAX];
static const struct buf *heads[CASES_MAX]; /* valid ones of at most 64 bytes */
static int case_count, head_count;
static int ids[MAX];

static void unhex(struct buf *b, const char *hex)
{
    unsigned c;
    buf_reserve(b, 0);
    for (; sscanf(hex, "%2x", &c) == 1; hex += 2)
        buf_addc(b, (int)c);
}

static const char *string_of(const cJSON *row, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItem(row, name));
}

static void read_cases(void)
{
    struct err e = {{0}};
    struct buf b = {0};
    if (buf_read_file(&b, GOLDEN "cases.jsonl", 16 << 20, &e) < 0)
        die("%s", e.text);
    char *save = NULL;
    for (char *line = strtok_r(b.data, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        struct test_case *c = &cases[case_count++];
        if (!(c->row = cJSON_Parse(line)) || case_count == CASES_MAX)
            die("cases.jsonl: line %d", case_count);
        unhex(&c->head, string_of(c->row, "head"));
        buf_reserve(&c->text, 0);
        for (int i = cJSON_GetObjectItem(c->row, "times")->valueint; i > 0; i--)
            buf_add(&c->text, c->head.data, c->head.len);
        unhex(&c->text, string_of(c->row, "tail"));
        if (c->head.len <= 64 && utf8_valid(c->head.data, c->head.len))
            heads[head_count++] = &c->head;
    }
    buf_release(&b);
}

/* ---- digests ---- */

static void hash_int(struct sha256 *h, size_t n)
{
    int32_t v = (int32_t)n;
    sha256_add(h, &v, sizeof v);
}

static void hash_ids(struct sha256 *h, const int *id, size_t n)
{
    hash_int(h, n);
    sha256_add(h, id, n * sizeof *id);
}

static void hash_text(struct sha256 *h, const struct buf *t)
{
    hash_int(h, t->len);
    sha256_add(h, t->data, t->len);
}

static const char *hex_of(struct sha256 *h)
{
    static char hex[SHA256_HEX];
    unsigned char d[SHA256_BYTES];
    sha256_end(d, h);
    sha256_hex(hex, d);
    sha256_free(h);
    return hex;
}

/* The line "name texts digest" of digests.txt. Frees h. */
static void check_digest(const char *name, const char *suffix, int texts, struct sha256 *h)
{
    char got[200], want[200], label[80];
    int n = snprintf(label, sizeof label, "%s%s", name, suffix);
    snprintf(got, sizeof got, "%s %d %s\n", label, texts, hex_of(h));
    FILE *f = fopen(GOLDEN "digests.txt", "r");
    while (f && fgets(want, sizeof want, f))
        if (strncmp(want, label, (size_t)n) == 0 && want[n] == ' ')
            break;
    if (f)
        fclose(f);
    is(got, want, label);
}

/* ---- texts: numbered hashes, the Python side draws the same ---- */

static uint64_t draw_at;
static uint32_t draw(uint32_t n)
{
    return (uint32_t)(rng_mix(draw_at++) % n);
}

static const uint32_t range[][2] = {
    {0xa0, 0x17f},       {0x300, 0x36f},     {0x370, 0x52f},     {0x591, 0x6ff},
    {0x900, 0xdff},      {0xe00, 0xe7f},     {0xac00, 0xd7a3},   {0x2010, 0x2070},
    {0x2100, 0x27bf},    {0x3000, 0x30ff},   {0x4e00, 0x9fff},   {0x1f300, 0x1faff},
    {0x660, 0x669},      {0x966, 0x96f},     {0x1d7ce, 0x1d7ff}, {0x2150, 0x2189},
    {0xff00, 0xff60},    {0xe0000, 0xe007f}, {0x20000, 0x323af}, {0xfe00, 0xfe0f},
    {0x200b, 0x200f},    {0x20, 0x7e},       {0, 0x1f},          {0x7f, 0x9f}};
static const char *const blank[] = {" ",        " ",        "\n",           "\t",
                                    "\r",       "\u3000",   "\xc2\xa0",     "\u2003",
                                    "\xc2\x85", "\u2028",   "\x0b",         "\x1c"};
static const char *const shorts[] = {
    "'s", "'t",     "'re",    "'ve",  "'m",      "'ll", "'d",    "'",      "n't", " .", " ,",
    " ?", "\u200d", "\ufe0f", "<pad>", "</s>",   "<image>", "<s>", "<unk>", "<mask>",
    "madeupword0000"};
#define ONE_OF(list) ((list)[draw(ARRAY_LEN(list))])

static void add_part(struct buf *b, bool rough)
{
    uint32_t kind = draw(10), n, cp;
    const uint32_t *r;
    const struct buf *h;
    switch (kind) {
    case 0:
    case 1:
    case 2:
        h = rough ? &cases[draw((uint32_t)case_count)].head : heads[draw((uint32_t)head_count)];
        buf_add(b, h->data, h->len < 64 ? h->len : 64);
        break;
    case 3:
        r = ONE_OF(range);
        for (n = 1 + draw(4); n > 0; n--)
            add_utf8(b, r[0] + draw(r[1] - r[0] + 1));
        break;
    case 4:
        for (n = 1 + draw(3); n > 0; n--)
            buf_adds(b, ONE_OF(blank));
        break;
    case 5: buf_adds(b, ONE_OF(shorts)); break;
    case 6:
        cp = draw(0x110000);
        add_utf8(b, cp >= 0xd800 && cp < 0xe000 ? 0xe9 : cp);
        break;
    case 7: buf_addc(b, rough ? (int)draw(256) : ' '); break;
    case 8:
        for (n = 1 + draw(6); n > 0; n--)
            buf_addc(b, (int)(48 + draw(10)));
        break;
    default:
        for (n = 1 + draw(12); n > 0; n--)
            buf_addc(b, (int)(97 + draw(26)));
    }
}

static void make_random(struct buf *b, uint32_t i)
{
    draw_at = 1000 * ((uint64_t)i + 1);
    for (uint32_t k = 1 + draw(12); k > 0; k--)
        add_part(b, false);
}

static void make_rough(struct buf *b, uint32_t i)
{
    draw_at = 1000 * ((uint64_t)i + 1);
    for (uint32_t k = 1 + draw(12); k > 0; k--)
        add_part(b, true);
}

static void make_overlap(struct buf *b, uint32_t i)
{
    static const char *const part[] = {"<im", "<image><", "xyz", "yzz",  "z a",   "<image>", "<",
                                       "age>", "z",       "x",   "</s>", "<pad>", " ",       "a "};
    draw_at = 2000000011 + 1000 * (uint64_t)i;
    for (uint32_t k = 1 + draw(10); k > 0; k--)
        buf_adds(b, ONE_OF(part));
}

static void make_caption(struct buf *b, uint32_t i)
{
    buf_add(b, cases[i].text.data, cases[i].text.len);
}

static void make_large(struct buf *b, uint32_t i)
{
    static const char *const unit[] = {"a", "the", " ", "\n", "\u00e9", "!?", "ab c"};
    static const int times[] = {1000000, 300000, 1000000, 1000000, 400000, 300000, 200000};
    for (int k = times[i]; k > 0; k--)
        buf_adds(b, unit[i]);
    if (i == 2)
        buf_addc(b, 'x');
}

#define CODE_POINTS (0x110000 - 0x800)
static uint32_t code_point(uint32_t i)
{
    return i < 0xd800 ? i : i + 0x800;
}

static void make_alone(struct buf *b, uint32_t i)
{
    add_utf8(b, code_point(i));
}

static void make_between(struct buf *b, uint32_t i)
{
    for (const char *p = "a1!\n"; *p; p++) {
        buf_addc(b, *p);
        add_utf8(b, code_point(i));
    }
    buf_addc(b, 'b');
}

/* ---- against the goldens ---- */

/* Ids of n texts; with texts also what becomes of them, as they are and tidied. */
static void test_digest(const struct bpe *b, const char *name, uint32_t n,
                        void (*make)(struct buf *, uint32_t), bool texts)
{
    struct sha256 *h = sha256_new(), *plain = sha256_new(), *tidy = sha256_new();
    struct buf t = {0}, out = {0};
    for (uint32_t i = 0; i < n; i++) {
        buf_clear(&t);
        make(&t, i);
        int *id = t.len > MAX / 3 ? xcalloc(t.len, sizeof *id) : ids;
        size_t k = bpe_ids(id, t.len > MAX / 3 ? t.len : MAX, buf_str(&t), t.len, b);
        hash_ids(h, id, k);
        for (int how = 0; texts && how < 2; how++) {
            buf_clear(&out);
            bpe_text(&out, id, k, how ? BPE_CLEAN | BPE_STRIP : 0, b);
            hash_text(how ? tidy : plain, &out);
        }
        if (id != ids)
            free(id);
    }
    check_digest(name, "", (int)n, h);
    if (texts) {
        check_digest(name, "_text", (int)n, plain);
        check_digest(name, "_tidy", (int)n, tidy);
    } else {
        sha256_free(plain);
        sha256_free(tidy);
    }
    buf_release(&t);
    buf_release(&out);
}

static void test_id_lists(const struct bpe *b)
{
    struct sha256 *h[2] = {sha256_new(), sha256_new()};
    struct buf out = {0};
    for (uint32_t i = 0; i < TEXTS; i++) {
        draw_at = 1000000007 + 1000 * (uint64_t)i;
        uint32_t n = 1 + draw(40);
        for (uint32_t k = 0; k < n; k++)
            ids[k] = (int)draw((uint32_t)bpe_size(b) + 8);
        for (int how = 0; how < 2; how++) {
            buf_clear(&out);
            bpe_text(&out, ids, n, how ? BPE_CLEAN | BPE_STRIP : 0, b);
            hash_text(h[how], &out);
        }
    }
    check_digest("small_ids", "_text", TEXTS, h[0]);
    check_digest("small_ids", "_tidy", TEXTS, h[1]);
    buf_release(&out);
}

/* Whether n ids are the row's, which are a list or, being many, a digest. */
static bool same_ids(const cJSON *row, size_t n)
{
    const cJSON *want = cJSON_GetObjectItem(row, "ids"), *id;
    if (cJSON_IsString(want)) {
        struct sha256 *h = sha256_new();
        hash_ids(h, ids, n);
        return strcmp(hex_of(h), want->valuestring) == 0;
    }
    size_t i = 0;
    cJSON_ArrayForEach(id, want)
        if (i == n || ids[i++] != id->valueint)
            return false;
    return i == n;
}

static bool same_text(const struct bpe *b, const struct test_case *c, size_t n, int how)
{
    const char *hex = string_of(c->row, how ? "tidy" : "text");
    struct buf out = {0}, want = {0};
    bpe_text(&out, ids, n, how, b);
    bool same;
    if (hex && cJSON_IsString(cJSON_GetObjectItem(c->row, "ids"))) {
        struct sha256 *h = sha256_new();
        hash_text(h, &out);
        same = strcmp(hex_of(h), hex) == 0;
    } else {
        if (hex)
            unhex(&want, hex);
        const struct buf *w = hex ? &want : &c->text;
        same = out.len == w->len && memcmp(out.data, w->data, w->len) == 0;
    }
    buf_release(&out);
    buf_release(&want);
    return same;
}

static void test_cases(const struct bpe *b)
{
    int wrong = 0;
    for (int i = 0; i < case_count; i++) {
        const struct test_case *c = &cases[i];
        size_t n = bpe_ids(ids, MAX, c->text.data, c->text.len, b);
        bool good = same_ids(c->row, n), text = same_text(b, c, n, 0),
             tidy = same_text(b, c, n, BPE_CLEAN | BPE_STRIP);
        if ((!good || !text || !tidy) && wrong++ < 5)
            printf("# case %d (%s): ids %d, text %d, tidy %d\n", i + 1,
                   string_of(c->row, "what"), good, text, tidy);
    }
    ok(wrong == 0 && case_count > 900, "%d captions and hostile texts", case_count);
}

/* ---- what holds without goldens ---- */

static void test_round_trip(const struct bpe *b)
{
    struct buf t = {0}, out = {0};
    int wrong = 0, tried = 0;
    for (uint32_t i = 0; i < 20000; i++) {
        buf_clear(&t), buf_clear(&out);
        draw_at = 3000000019u + 1000 * (uint64_t)i;
        for (uint32_t k = 1 + draw(12); k > 0; k--)
            add_part(&t, false);
        if (strstr(t.data, "<pad>") || strstr(t.data, "</s>") || strstr(t.data, "<image>") ||
            strlen(t.data) < t.len)
            continue;
        bpe_text(&out, ids, bpe_ids(ids, MAX, t.data, t.len, b), 0, b);
        wrong += out.len != t.len || memcmp(out.data, t.data, t.len) != 0;
        tried++;
    }
    ok(wrong == 0 && tried > 10000, "%d texts come back byte for byte", tried);
    buf_release(&t);
    buf_release(&out);
}

/* Fewer ids are the first of many, and no more than asked for is written. */
static void test_short(const struct bpe *b)
{
    static int few[300];
    int wrong = 0;
    for (int i = 0; i < case_count; i++) {
        const struct buf *t = &cases[i].text;
        size_t all = bpe_ids(ids, MAX, t->data, t->len, b);
        wrong += all > 3 * t->len || bpe_ids(NULL, 0, t->data, t->len, b) != all;
        for (size_t max = 0; max < 200; max += 1 + max / 4) {
            memset(few, 0x5a, sizeof few);
            size_t n = bpe_ids(few, max, t->data, t->len, b), kept = n < max ? n : max;
            wrong += n != all || memcmp(few, ids, kept * sizeof *few) != 0 ||
                     few[kept] != 0x5a5a5a5a;
        }
    }
    ok(wrong == 0, "fewer ids are the first of many");
}

static void test_appends(const struct bpe *b)
{
    struct buf out = {0};
    static const int odd[] = {-1, 1 << 30, 1, 2};
    bpe_text(&out, ids, 0, 0, b);
    is(out.data, "", "no ids: an empty text");
    buf_adds(&out, "x  . ");
    bpe_text(&out, odd, ARRAY_LEN(odd), BPE_CLEAN | BPE_STRIP, b);
    is(out.data, "x  . ", "numbers that are no id, and special ones, add nothing");
    size_t n = bpe_ids(ids, MAX, "  so , what ", 12, b);
    bpe_text(&out, ids, n, BPE_CLEAN | BPE_STRIP, b);
    is(out.data, "x  . so, what", "only what is appended is tidied");
    buf_release(&out);
}

static void *thread(void *b)
{
    int *wrong = xcalloc(1, sizeof *wrong), mine[400];
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < case_count; i++) {
            const cJSON *want = cJSON_GetObjectItem(cases[i].row, "ids");
            if (!cJSON_IsArray(want))
                continue;
            size_t n = bpe_ids(mine, 400, cases[i].text.data, cases[i].text.len, b), at = 0;
            const cJSON *id;
            cJSON_ArrayForEach(id, want)
                *wrong += at >= n || mine[at++] != id->valueint;
        }
    return wrong;
}

static void test_threads(struct bpe *b)
{
    pthread_t t[4];
    int wrong = 0;
    for (int i = 0; i < 4; i++)
        if (pthread_create(&t[i], NULL, thread, b) != 0)
            die("no thread");
    for (int i = 0; i < 4; i++) {
        void *p;
        pthread_join(t[i], &p);
        wrong += *(int *)p;
        free(p);
    }
    ok(wrong == 0, "four threads share one tokeniser");
}

/* A million bytes of one word: were it quadratic, this would take an hour. */
static void test_large(const struct bpe *b)
{
    double t = monotonic_s();
    test_digest(b, "small_large", 7, make_large, false);
    t = monotonic_s() - t;
    ok(t < 20, "seven texts of 0.6 to 1 MB: %.2f s", t);
}

/* ---- vocabularies ---- */

/* Makes visible how a text was cut: a letter, a digit, a sign and a line end each merge with the
 * first byte of any character that is in one piece with them. */
static void test_probe(void)
{
    struct buf v = {0}, m = {0};
    int order[256], n = 0, id = 260;
    struct err e = {{0}};
    for (uint32_t c = 0; c < 324; c++)
        for (int byte = 0; byte < 256; byte++)
            if (letter(byte) == c)
                order[n++] = byte;
    buf_adds(&v, "{\"<s>\":0,\"<pad>\":1,\"</s>\":2,\"<unk>\":3");
    for (int i = 0; i < 256; i++) {
        buf_adds(&v, ",\"");
        add_letter(&v, order[i]);
        buf_addf(&v, "\":%d", 4 + i);
    }
    for (const char *first = "a1!\n"; *first; first++)
        for (int i = 0; i < 256; i++) {
            buf_adds(&v, ",\"");
            add_letter(&v, *first);
            add_letter(&v, order[i]);
            buf_addf(&v, "\":%d", id++);
            add_utf8(&m, letter(*first));
            buf_addc(&m, ' ');
            add_utf8(&m, letter(order[i]));
            buf_addc(&m, '\n');
        }
    buf_addc(&v, '}');
    put_file("vocab.json", v.data, v.len);
    put_file("merges.txt", m.data, m.len);
    struct bpe *b = bpe_open(temp, 2000, &e);
    if (ok(b != NULL, "a vocabulary that shows how texts are cut %s", e.text)) {
        test_digest(b, "probe_between", CODE_POINTS, make_between, false);
        test_digest(b, "probe_random", TEXTS, make_random, false);
    }
    bpe_close(b);
    drop_file("vocab.json");
    drop_file("merges.txt");
    buf_release(&v);
    buf_release(&m);
}

static void test_tiny(void)
{
    struct err e = {{0}};
    struct bpe *b = bpe_open(GOLDEN "tiny", 314, &e);
    if (!ok(b && bpe_size(b) == 314, "a tokenizer.json as Hugging Face saves it %s", e.text))
        return;
    test_digest(b, "tiny_random", TEXTS, make_random, false);
    test_digest(b, "tiny_overlap", TEXTS, make_overlap, true);
    bpe_close(b);
}

/* Over the texts of single ids: the cuts are known, OPT's numbers are not. */
static void test_pieces(const struct bpe *b, const char *name, uint32_t n,
                        void (*make)(struct buf *, uint32_t))
{
    struct sha256 *h = sha256_new();
    struct buf t = {0}, out = {0};
    for (uint32_t i = 0; i < n; i++) {
        buf_clear(&t);
        make(&t, i);
        size_t k = bpe_ids(ids, MAX, t.data, t.len, b);
        hash_int(h, k);
        for (size_t j = 0; j < k; j++) {
            buf_clear(&out);
            bpe_text(&out, ids + j, 1, 0, b);
            hash_text(h, &out);
        }
    }
    check_digest(name, "", (int)n, h);
    buf_release(&t);
    buf_release(&out);
}

static void say_speed(const struct bpe *b, const char *name, const char *text)
{
    size_t n = strlen(text), runs = 0, k = 0;
    double t = monotonic_s(), s;
    struct buf out = {0};
    while ((s = monotonic_s() - t) < 0.1)
        for (int i = 0; i < 100; i++, runs++)
            k = bpe_ids(ids, MAX, text, n, b);
    printf("# %s: %zu ids of %zu bytes in %.0f ns, %.0f MB/s", name, k, n, s / (double)runs * 1e9,
           (double)(runs * n) / s / 1e6);
    t = monotonic_s(), runs = 0;
    while ((s = monotonic_s() - t) < 0.1)
        for (int i = 0; i < 100; i++, runs++) {
            buf_clear(&out);
            bpe_text(&out, ids, k, BPE_CLEAN | BPE_STRIP, b);
        }
    printf("; back in %.0f ns\n", s / (double)runs * 1e9);
    buf_release(&out);
}

static void test_real(void)
{
    static const int like[] = {100, 101, 47, 4, 50118, 102};
    struct err e = {{0}};
    const char *models = getenv("MM_MODELS") ? getenv("MM_MODELS") : "models";
    char *dir = xasprintf("%s/blip2-opt-2.7b", models), *json = xasprintf("%s/vocab.json", dir),
         *all = xasprintf("%s/tokenizer.json", dir);
    double t = monotonic_s();
    bool there = access(json, R_OK) == 0 || access(all, R_OK) == 0;
    struct bpe *b = there ? bpe_open(dir, 50304, &e) : NULL;
    t = monotonic_s() - t;
    free(dir), free(json), free(all);
    if (!there) {
        skip("no blip2-opt-2.7b/vocab.json (MM_MODELS)");
        return;
    }
    if (!ok(b && bpe_size(b) == 50266, "OPT's vocabulary %s", e.text))
        return;
    size_t n = bpe_ids(ids, MAX, "I like you.\na", 13, b);
    ok(n == 6 && memcmp(ids, like, sizeof like) == 0, "ids that are known of OPT");
    n = bpe_ids(ids, MAX, "</s><pad><image>", 16, b);
    ok(n == 3 && ids[0] == 2 && ids[1] == 1 && ids[2] == 50265, "its added tokens");
    test_pieces(b, "gpt2_captions", 64, make_caption);
    test_pieces(b, "gpt2_random", TEXTS, make_random);
    test_pieces(b, "gpt2_rough", TEXTS, make_rough);
    test_round_trip(b);
    printf("# opened in %.1f ms\n", t * 1e3);
    say_speed(b, "a caption", "a plate of food with meat, potatoes and green beans");
    say_speed(b, "English", "Lovely evening on the terrace: the starters came quickly, the biryani "
                            "was fragrant but a little salty, and our waiter kept the glasses "
                            "filled without being asked. Parking is a nightmare, though. We'd "
                            "gladly come again for the kebabs!");
    say_speed(b, "French", "Très bon repas à la crêperie, l'équipe était aimable; "
                           "le dîner a coûté vingt-cinq euros, à refaire bientôt.");
    say_speed(b, "Chinese", "这家餐厅的菜很好吃，服务也很周到，下次还会再来。");
    bpe_close(b);
}

static void test_small(void)
{
    struct err e = {{0}};
    struct bpe *b = bpe_open(GOLDEN "small", 1009, &e);
    if (!ok(b && bpe_size(b) == 1009, "small vocabulary %s", e.text))
        return;
    test_cases(b);
    test_digest(b, "small_random", TEXTS, make_random, true);
    test_digest(b, "small_rough", TEXTS, make_rough, true);
    test_id_lists(b);
    test_digest(b, "small_alone", CODE_POINTS, make_alone, false);
    test_round_trip(b);
    test_short(b);
    test_appends(b);
    test_threads(b);
    test_large(b);
    bpe_close(b);
}

int main(void)
{
    make_temp();
    read_cases();
    test_small();
    test_tiny();
    test_probe();
    test_real();
    for (int i = 0; i < case_count; i++) {
        buf_release(&cases[i].text);
        buf_release(&cases[i].head);
        cJSON_Delete(cases[i].row);
    }
    rmdir(temp);
    return done();
}
