/* SPDX-License-Identifier: MIT */
/* Ids against Hugging Face's, made by tests/golden/wordpiece/make_goldens.py. With
 * the real vocabulary (MM_MODELS, default "models") and the Zomato reviews (MM_SHARED,
 * default "../shared") where they are. */
#include "nn/wordpiece.h"
#include "base/buf.h"
#include "base/rng.h"
#include "base/sha256.h"
#include "base/util.h"
#include "source/csv.h"
#include "tap.h"
#include <cjson/cJSON.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define GOLDEN "tests/golden/wordpiece/"
enum { MAX = 256, CASES_MAX = 2000 };

struct test_case {
    struct buf text, head;
    int ids[2][MAX], n[2]; /* of the small vocabulary and the real one */
    char what[40];
};

static struct test_case cases[CASES_MAX];
static int case_count;
static char temp[] = "/tmp/mm_test_wordpiece.XXXXXX";

static void unhex(struct buf *b, const char *hex)
{
    unsigned c;
    buf_reserve(b, 0);
    for (; sscanf(hex, "%2x", &c) == 1; hex += 2)
        buf_addc(b, (int)c);
}

static void read_ids(struct test_case *c, int k, const cJSON *row, const char *name)
{
    const cJSON *id;
    cJSON_ArrayForEach(id, cJSON_GetObjectItem(row, name))
        c->ids[k][c->n[k]++] = id->valueint;
}

static void read_cases(void)
{
    struct err e = {{0}};
    struct buf b = {0};
    if (buf_read_file(&b, GOLDEN "cases.jsonl", 16 << 20, &e) < 0)
        die("%s", e.text);
    char *save = NULL;
    for (char *line = strtok_r(b.data, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        cJSON *row = cJSON_Parse(line);
        struct test_case *c = &cases[case_count++];
        if (!row || case_count == CASES_MAX)
            die("cases.jsonl: line %d", case_count);
        snprintf(c->what, sizeof c->what, "%s", cJSON_GetObjectItem(row, "what")->valuestring);
        unhex(&c->head, cJSON_GetObjectItem(row, "head")->valuestring);
        for (int i = cJSON_GetObjectItem(row, "times")->valueint; i > 0; i--)
            buf_add(&c->text, c->head.data, c->head.len);
        unhex(&c->text, cJSON_GetObjectItem(row, "tail")->valuestring);
        read_ids(c, 0, row, "small");
        read_ids(c, 1, row, "real");
        cJSON_Delete(row);
    }
    buf_release(&b);
}

static void test_cases(const struct wordpiece *w, int k, const char *name)
{
    int wrong = 0, ids[MAX];
    for (int i = 0; i < case_count; i++) {
        const struct test_case *c = &cases[i];
        int n = wordpiece_ids(ids, MAX, c->text.data, c->text.len, w);
        if (n == c->n[k] && memcmp(ids, c->ids[k], (size_t)n * sizeof *ids) == 0)
            continue;
        if (wrong++ < 5)
            printf("# %s: case %d (%s): %d ids, expected %d\n", name, i + 1, c->what, n, c->n[k]);
    }
    ok(wrong == 0 && case_count > 600, "%s: %d hostile texts", name, case_count);
}

/* Fewer ids are the first of many. Guard values show that no more is written. */
static void test_short(const struct wordpiece *w)
{
    int wrong = 0, all[1000], ids[64];
    for (int i = 0; i < case_count; i++) {
        const struct buf *t = &cases[i].text;
        int full = wordpiece_ids(all, 1000, t->data, t->len, w);
        for (int max = 2; max < 60; max += 1 + max / 8) {
            memset(ids, 0x5a, sizeof ids);
            int n = wordpiece_ids(ids, max, t->data, t->len, w);
            int want = full < max ? full : max;
            wrong += n != want || memcmp(ids, all, (size_t)(n - 1) * sizeof *ids) != 0 ||
                     ids[n - 1] != all[full - 1] || ids[max] != 0x5a5a5a5a;
        }
    }
    ok(wrong == 0, "fewer ids are the first of many");
}

/* ---- digests ---- */

/* Numbered hashes: the Python side draws the same. */
static uint64_t draw_at;
static uint32_t draw(uint32_t n)
{
    return (uint32_t)(rng_mix(draw_at++) % n);
}

static void add_utf8(struct buf *b, uint32_t c)
{
    if (c < 0x80)
        buf_addc(b, (int)c);
    else if (c < 0x800)
        buf_addc(b, (int)(0xc0 | c >> 6));
    else if (c < 0x10000)
        buf_addc(b, (int)(0xe0 | c >> 12));
    else
        buf_addc(b, (int)(0xf0 | c >> 18)), buf_addc(b, (int)(0x80 | (c >> 12 & 0x3f)));
    if (c >= 0x800)
        buf_addc(b, (int)(0x80 | (c >> 6 & 0x3f)));
    if (c >= 0x80)
        buf_addc(b, (int)(0x80 | (c & 0x3f)));
}

static void make_mixture(struct buf *b, uint32_t i)
{
    draw_at = 1000 * ((uint64_t)i + 1);
    for (uint32_t k = 1 + draw(12); k > 0; k--) {
        uint32_t kind = draw(8), cp;
        if (kind < 4) {
            const struct buf *h = &cases[draw((uint32_t)case_count)].head;
            buf_add(b, buf_str(h), h->len < 64 ? h->len : 64);
        } else if (kind == 4) {
            cp = 0x20 + draw(0x2ffe0);
            add_utf8(b, cp >= 0xd800 && cp < 0xe000 ? 0xe9 : cp);
        } else if (kind == 5) {
            buf_addc(b, (int)draw(256));
        } else if (kind == 6) {
            buf_addc(b, ' ');
        } else {
            for (uint32_t n = 1 + draw(12); n > 0; n--)
                buf_addc(b, (int)(97 + draw(26)));
        }
    }
}

static void make_marks(struct buf *b, uint32_t i)
{
    static const uint32_t range[][2] = {
        {0x61, 0x62},       {0x300, 0x36f},     {0x8d4, 0x8e2},     {0xf71, 0xf84},
        {0x1b35, 0x1b44},   {0x1bf2, 0x1bf3},   {0x302a, 0x302f},   {0xa953, 0xa953},
        {0x1d157, 0x1d172}, {0x1e000, 0x1e02a}, {0x1e944, 0x1e94a}, {0xc0, 0x17f},
        {0xac00, 0xac1c},   {0x11133, 0x1134d}, {0x1100, 0x11ff},   {0x344, 0x345},
        {0x34f, 0x34f},     {0xad, 0xad}};
    draw_at = 1000000007 + 1000 * (uint64_t)i;
    for (uint32_t k = 2 + draw(9); k > 0; k--) {
        const uint32_t *r = range[draw(ARRAY_LEN(range))];
        add_utf8(b, r[0] + draw(r[1] - r[0] + 1));
    }
}

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
    buf_addc(b, 'a');
    add_utf8(b, code_point(i));
    buf_addc(b, 'b');
}

static void hash_ids(struct sha256 *h, const struct wordpiece *w, const char *s, size_t n)
{
    int ids[MAX + 1];
    ids[0] = wordpiece_ids(ids + 1, MAX, s, n, w);
    sha256_add(h, ids, ((size_t)ids[0] + 1) * sizeof *ids);
}

/* The line "name texts digest" of digests.txt. */
static void check_digest(const char *name, uint32_t texts, struct sha256 *h)
{
    unsigned char d[SHA256_BYTES];
    char hex[SHA256_HEX], got[200], want[200];
    sha256_end(d, h);
    sha256_hex(hex, d);
    snprintf(got, sizeof got, "%s %u %s\n", name, (unsigned)texts, hex);
    FILE *f = fopen(GOLDEN "digests.txt", "r");
    while (f && fgets(want, sizeof want, f))
        if (strncmp(want, name, strlen(name)) == 0 && want[strlen(name)] == ' ')
            break;
    if (f)
        fclose(f);
    is(got, want, name);
}

static void test_digest(const struct wordpiece *w, const char *name, uint32_t texts,
                        void (*make)(struct buf *, uint32_t))
{
    struct sha256 *h = sha256_new();
    struct buf b = {0};
    for (uint32_t i = 0; i < texts; i++) {
        buf_clear(&b);
        make(&b, i);
        hash_ids(h, w, b.data, b.len);
    }
    check_digest(name, texts, h);
    sha256_free(h);
    buf_release(&b);
}

#define CODE_POINTS (0x110000 - 0x800)

/* A piece for each code point of planes 0 to 2, alone and continuing: the ids then spell out
 * what the normaliser made of a text. */
static struct wordpiece *open_giant(struct err *e)
{
    struct buf b = {0};
    buf_adds(&b, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n");
    for (uint32_t c = 0x21; c < 0x30000; c++)
        if (c < 0xd800 || c >= 0xe000) {
            add_utf8(&b, c);
            buf_adds(&b, "\n##");
            add_utf8(&b, c);
            buf_addc(&b, '\n');
        }
    FILE *f = fopen(temp, "wb");
    if (!f || fwrite(b.data, 1, b.len, f) != b.len || fclose(f) != 0)
        die("cannot write %s", temp);
    buf_release(&b);
    return wordpiece_open(temp, 5 + 2 * (0x30000 - 0x21 - 0x800), e);
}

static void test_giant(void)
{
    struct err e = {{0}};
    double t = monotonic_s();
    struct wordpiece *w = open_giant(&e);
    if (!ok(w != NULL, "a vocabulary of 389,057 pieces: %.2f s %s", monotonic_s() - t, e.text))
        return;
    test_digest(w, "giant_between", CODE_POINTS, make_between);
    test_digest(w, "giant_mixed", 2000, make_mixture);
    test_digest(w, "giant_marks", 20000, make_marks);
    wordpiece_close(w);
}

static void test_zomato(const struct wordpiece *w, const char *name)
{
    struct err e = {{0}};
    struct csv_record r;
    const char *shared = getenv("MM_SHARED") ? getenv("MM_SHARED") : "../shared";
    char *path = xasprintf("%s/data/zomato_hyderabad/Restaurant reviews.csv", shared);
    struct gz *g = access(path, R_OK) == 0 ? gz_open(path, &e) : NULL;
    free(path);
    if (!g) {
        skip("no Zomato reviews (MM_SHARED)");
        return;
    }
    struct csv *c = csv_open(g, &e);
    struct sha256 *h = sha256_new();
    int rc, column = csv_column(c, "Review");
    uint32_t n = 0;
    while ((rc = csv_next(c, &r, &e)) == CSV_RECORD) {
        hash_ids(h, w, r.field[column], r.bytes[column]);
        n++;
    }
    ok(rc == CSV_END, "%u reviews read", (unsigned)n);
    check_digest(name, n, h);
    sha256_free(h);
    csv_close(c);
    gz_close(g);
}

/* ---- the vocabulary file ---- */

static void refuses(const char *text, size_t n, int want, const char *word)
{
    struct err e = {{0}};
    FILE *f = fopen(temp, "wb");
    if (!f || fwrite(text, 1, n, f) != n || fclose(f) != 0)
        die("cannot write %s", temp);
    struct wordpiece *w = wordpiece_open(temp, want, &e);
    ok(!w && strstr(e.text, word), "refused: %s", w ? "no, opened" : e.text);
    wordpiece_close(w);
}

#define FOUR "[PAD]\n[UNK]\n[CLS]\n[SEP]\n"

static void test_vocabulary(void)
{
    struct err e = {{0}};
    ok(!wordpiece_open("/no/such/vocab.txt", 0, &e) && strstr(e.text, "/no/such"), "%s", e.text);
    ok(!wordpiece_open("/tmp", 0, &e), "%s", e.text);
    refuses("", 0, 0, "0 pieces");
    refuses(FOUR, sizeof FOUR - 1, 5, "4 pieces, expected 5");
    refuses(FOUR "a\n\nb\n", sizeof FOUR + 4, 0, "line 6");
    refuses(FOUR "a\nb\na\n", sizeof FOUR + 5, 0, "stands twice, in lines 5 and 7");
    refuses(FOUR "a\xff\n", sizeof FOUR + 2, 0, "line 5 is no UTF-8");
    refuses("[PAD]\n[UNK]\n[CLS]\na\n", 20, 0, "no [SEP]");
    refuses("[PAD]\n[UNK]\n[SEP]\na\n", 20, 0, "no [CLS]");
    refuses("[PAD]\n[SEP]\n[CLS]\na\n", 20, 0, "no [UNK]");
    refuses("[SEP]\n[UNK]\n[CLS]\na\n", 20, 0, "no [PAD]");
    struct buf b = {0};
    buf_adds(&b, FOUR);
    for (int i = 0; i < 1025; i++)
        buf_addc(&b, 'x');
    refuses(b.data, b.len, 0, "1025 bytes");
    buf_clear(&b);
    for (int i = 0; i <= 1 << 20; i++)
        buf_addf(&b, "%x\n", (unsigned)i);
    refuses(b.data, b.len, 0, "more than 1048576 lines");
    buf_release(&b);
    /* CRLF, no line end at the end, no [MASK], no continuations. */
    FILE *f = fopen(temp, "wb");
    fputs("[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\na\r\n[", f);
    fclose(f);
    struct wordpiece *w = wordpiece_open(temp, 6, &e);
    int ids[16], n = w ? wordpiece_ids(ids, 16, "a aa [MASK][SEP]", 16, w) : 0;
    static const int want[] = {2, 4, 1, 5, 1, 1, 3, 3};
    ok(n == 8 && memcmp(ids, want, sizeof want) == 0, "CRLF, no [MASK], no continuations");
    ok(wordpiece_size(w) == 6, "six pieces");
    wordpiece_close(w);
}

/* ---- large texts, threads, speed ---- */

static void test_large(const struct wordpiece *w)
{
    int ids[MAX];
    size_t n = 10 << 20;
    struct buf b = {0};
    buf_reserve(&b, n);
    long before = peak_rss_kib();
    memset(b.data, ' ', n);
    ok(wordpiece_ids(ids, MAX, b.data, n, w) == 2, "10 MiB of blanks: nothing");
    memset(b.data, 'a', n);
    ok(wordpiece_ids(ids, MAX, b.data, n, w) == 3, "10 MiB of one word: [UNK]");
    memset(b.data, 0xcc, n); /* no UTF-8 at all */
    ok(wordpiece_ids(ids, MAX, b.data, n, w) == 2, "10 MiB of rubbish: nothing");
    for (size_t i = 0; i < n; i += 2)
        memcpy(b.data + i, "\xcc\x81", 2);
    ok(wordpiece_ids(ids, MAX, b.data, n, w) == 2, "10 MiB of marks: nothing");
    long more = peak_rss_kib() - before - (long)(n >> 10);
    ok(more < 1024, "no memory of its own: %ld KiB beyond the text", more);
    buf_release(&b);
}

static void *thread(void *w)
{
    int *wrong = xcalloc(1, sizeof *wrong), ids[MAX];
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < case_count; i++) {
            const struct test_case *c = &cases[i];
            int n = wordpiece_ids(ids, MAX, c->text.data, c->text.len, w);
            *wrong += n != c->n[0] || memcmp(ids, c->ids[0], (size_t)n * sizeof *ids) != 0;
        }
    return wrong;
}

static void test_threads(struct wordpiece *w)
{
    pthread_t t[4];
    int wrong = 0;
    for (int i = 0; i < 4; i++)
        if (pthread_create(&t[i], NULL, thread, w) != 0)
            die("no thread");
    for (int i = 0; i < 4; i++) {
        void *p;
        pthread_join(t[i], &p);
        wrong += *(int *)p;
        free(p);
    }
    ok(wrong == 0, "four threads share one tokeniser");
}

static void say_speed(const struct wordpiece *w, const char *name, const char *text)
{
    int ids[MAX];
    size_t n = strlen(text), bytes = 0;
    double t = monotonic_s(), s;
    while ((s = monotonic_s() - t) < 0.1)
        for (int i = 0; i < 100; i++, bytes += n)
            wordpiece_ids(ids, MAX, text, n, w);
    printf("# %s: %.0f MB/s\n", name, (double)bytes / s / 1e6);
}

static void test_real(void)
{
    struct err e = {{0}};
    const char *models = getenv("MM_MODELS") ? getenv("MM_MODELS") : "models";
    char *path = xasprintf("%s/all-MiniLM-L6-v2/vocab.txt", models);
    struct wordpiece *w = access(path, R_OK) == 0 ? wordpiece_open(path, 30522, &e) : NULL;
    if (!w) {
        skip(e.text[0] ? e.text : "no all-MiniLM-L6-v2/vocab.txt (MM_MODELS)");
        free(path);
        return;
    }
    test_cases(w, 1, "MiniLM's vocabulary");
    test_digest(w, "real_mixed", 2000, make_mixture);
    test_digest(w, "real_alone", CODE_POINTS, make_alone);
    test_digest(w, "real_between", CODE_POINTS, make_between);
    test_digest(w, "real_marks", 20000, make_marks);
    test_zomato(w, "real_zomato");
    say_speed(w, "English", "Lovely evening on the terrace: the starters came quickly, the biryani "
                            "was fragrant but a little salty, and our waiter kept the glasses "
                            "filled without being asked. Parking is a nightmare, though. We'd "
                            "gladly come again for the kebabs!");
    say_speed(w, "French", "Très bon repas à la crêperie, l'équipe était aimable; "
                           "le dîner a coûté vingt-cinq euros, à refaire bientôt.");
    say_speed(w, "Chinese", "这家餐厅的菜很好吃，服务也很周到，下次还会再来。");
    wordpiece_close(w);
    free(path);
}

int main(void)
{
    struct err e = {{0}};
    int fd = mkstemp(temp);
    if (fd < 0)
        die("no temporary file");
    close(fd);
    read_cases();
    struct wordpiece *w = wordpiece_open(GOLDEN "small_vocab.txt", 0, &e);
    if (ok(w != NULL, "small vocabulary %s", e.text)) {
        test_cases(w, 0, "small vocabulary");
        test_short(w);
        test_digest(w, "small_mixed", 2000, make_mixture);
        test_digest(w, "small_between", CODE_POINTS, make_between);
        test_threads(w);
        test_large(w);
        test_zomato(w, "small_zomato");
    }
    wordpiece_close(w);
    test_giant();
    test_vocabulary();
    test_real();
    for (int i = 0; i < case_count; i++)
        buf_release(&cases[i].text), buf_release(&cases[i].head);
    unlink(temp);
    return done();
}
