/* SPDX-License-Identifier: MIT */
/* Files that nn/bpe must refuse, with the reason it must give, and some that it must take. */
#include "nn/bpe.h"
#include "base/sha256.h"
#include "base/util.h"
#include "bpe_vocab.h"
#include "tap.h"

enum { MAX = 100 };
static int ids[MAX];

enum { ROWS = 300 };

static struct bpe *open_temp(struct err *e, int rows)
{
    e->text[0] = 0;
    return bpe_open(temp, rows, e);
}

static void refused(const char *word, int rows)
{
    struct err e;
    struct bpe *b = open_temp(&e, rows);
    ok(!b && strstr(e.text, word), "refused: %s", b ? "no, opened" : e.text + strlen(temp));
    bpe_close(b);
}

/* A vocabulary of the bytes and `more`, with these merges; `word` is in the reason. */
static const struct {
    const char *more, *merges, *word;
} broken[] = {
#define AB ",\"ab\":260}"
    {",\"ab\":260", "a b\n", "ends inside a container"},
    {AB "x", "a b\n", "vocab.json: byte"},
    {",\"ab\":260,\"a\":261}", "a b\n", "'a' stands twice"},
    {",\"ab\":260,\"ba\":260}", "a b\n", "'ab' and 'ba' have the same id 260"},
    {",\"ab\":300}", "a b\n", "'ab' has id '300', expected 0 to 299"},
    {",\"ab\":-1}", "a b\n", "has id '-1'"},
    {",\"ab\":26e1}", "a b\n", "has id '26e1'"},
    {",\"ab\":260.0}", "a b\n", "has id '260.0'"},
    {",\"ab\":99999999999999999999}", "a b\n", "has id '99999999999999999999'"},
    {",\"ab\":\"260\"}", "a b\n", "has id '260'"},
    {",\"ab\":null}", "a b\n", "has id ''"},
    {",\"ab\":[260]}", "a b\n", "'ab' has id"},
    {",\"\":260}", "a b\n", "without letters"},
    {",\"a\\u0000b\":260}", "a b\n", "\\u0000 or half"},
    {",\"a\\ud800b\":260}", "a b\n", "half a surrogate pair"},
    {",\n\"ab\xff\":260}", "a b\n", "vocab.json: line 2 is no UTF-8"},
    /* Of 261 pieces the highest has id 261: the next id is already taken. */
    {",\"ab\":261}", "a b\n", "'ab' and '<image>' have the same id 261"},
    {AB, "#version: 0.2\na b\n\n", "merges.txt: line 3: expected two pieces"},
    {AB, "a b\nb\n", "line 2: expected two pieces"},
    {AB, "a b c\n", "line 1: expected two pieces"},
    {AB, " a b\n", "line 1: expected two pieces"},
    {AB, "a \n", "line 1: expected two pieces"},
    {AB, "a b\nab c\n", "line 2: 'abc' is not in the vocabulary"},
    {AB, "a b\nabc a\n", "line 2: 'abc' is not in the vocabulary"},
    {AB, "a b\nb c\n", "line 2: 'bc' is not in the vocabulary"},
    {AB, "#version: 0.2\na b\na b\n", "line 3: 'a' and 'b' are merged twice"},
    {AB, "a b\n#version: 0.2\n", "line 2: '#version:' is not in the vocabulary"},
    {AB, "#version: 0.2\n", "no merges"},
    {AB, "", "no merges"},
    {AB, "a b\nb \xc2\n", "merges.txt: line 2 is no UTF-8"},
};

static void put_vocab(const char *more)
{
    struct buf v = {0};
    start_vocab(&v, more);
    put_file("vocab.json", v.data, v.len);
    buf_release(&v);
}

static void test_broken(void)
{
    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        put_vocab(broken[i].more);
        put_file("merges.txt", broken[i].merges, strlen(broken[i].merges));
        refused(broken[i].word, ROWS);
    }
    put_vocab(AB);
    put_file("merges.txt", "a b\n\0", 5);
    refused("merges.txt: line 2 is no UTF-8 text, or holds a NUL byte", ROWS);
    put_file("merges.txt", "a b\n", 4);
    refused("'<image>' has id 261, expected below 261", 261);
    refused("'ab' has id '260', expected 0 to 259", 260);
    refused("has id '1', expected 0 to 0", 1);
    put_file("vocab.json", "[]", 2);
    refused("vocab.json: byte 0: no object here", ROWS);
    put_file("vocab.json", "{}", 2);
    refused("no piece for byte 0x00, U+0100", ROWS);
    drop_file("merges.txt");
    refused("merges.txt", ROWS);
    put_file("merges.txt", "a b\n", 4);
    drop_file("vocab.json");
    refused("vocab.json", ROWS);
    drop_file("merges.txt");
    refused("neither vocab.json with merges.txt nor tokenizer.json", ROWS);
}

/* One byte less of the alphabet, or one of the special tokens. */
static void test_lacking(void)
{
    static const char *const lost[][2] = {{"\"z\":", "no piece for byte 0x7a, U+007A"},
                                          {"\"\u0143\":", "no piece for byte 0xad, U+0143"},
                                          {"\"<pad>\":", "no <pad> among the pieces"},
                                          {"\"</s>\":", "no </s> among the pieces"}};
    struct buf v = {0}, w = {0};
    put_file("merges.txt", "a b\n", 4);
    for (size_t i = 0; i < ARRAY_LEN(lost); i++) {
        start_vocab(&v, AB);
        const char *at = strstr(v.data, lost[i][0]) + 1;
        buf_clear(&w);
        buf_add(&w, v.data, (size_t)(at - v.data));
        buf_addf(&w, "another%s", at);
        put_file("vocab.json", w.data, w.len);
        refused(lost[i][1], ROWS);
    }
    buf_release(&v);
    buf_release(&w);
}

static void test_limits(void)
{
    struct buf b = {0};
    buf_reserve(&b, 65 << 20);
    memset(b.data, ' ', 65 << 20);
    put_vocab(AB);
    put_file("merges.txt", b.data, (16 << 20) + 1);
    refused("merges.txt", ROWS);
    put_file("merges.txt", "a b\n", 4);
    put_file("vocab.json", b.data, (8 << 20) + 1);
    refused("vocab.json", ROWS);
    drop_file("vocab.json");
    drop_file("merges.txt");
    put_file("tokenizer.json", b.data, (64 << 20) + 1);
    refused("tokenizer.json", ROWS);
    drop_file("tokenizer.json");
    buf_release(&b);
}

static void opens(const char *what, const char *text, const int *want, size_t n)
{
    struct err e;
    struct bpe *b = open_temp(&e, ROWS);
    size_t got = b ? bpe_ids(ids, MAX, text, strlen(text), b) : 0;
    ok(b && got == n && memcmp(ids, want, n * sizeof *want) == 0, "%s %s", what, e.text);
    bpe_close(b);
}

static void test_accepted(void)
{
    /* bytes from 4 on: 'a' is 101 */
    static const int plain[] = {260, 2, 261, 102}, holes[] = {299, 2, 261, 102},
                     inside[] = {260, 2, 280, 102};
    put_vocab(AB);
    put_file("merges.txt", "a b\r\n", 5);
    opens("no version, CRLF", "ab</s><image>b", plain, 4);
    put_file("merges.txt", "#version: 0.2\na b", 17);
    opens("no line end at the end", "ab</s><image>b", plain, 4);
    put_vocab(",\"ab\":299}");
    opens("ids without a piece", "ab</s><image>b", holes, 4);
    put_vocab(",\"ab\":260,\"<image>\":280}");
    opens("<image> among the pieces", "ab</s><image>b", inside, 4);
    struct err e;
    struct bpe *b = open_temp(&e, ROWS);
    struct buf out = {0};
    static const int list[] = {101, 299, 262, 280, 102, 0};
    if (b)
        bpe_text(&out, list, ARRAY_LEN(list), 0, b);
    is(buf_str(&out), "ab<s>", "an id without a piece has no text");
    ok(b && bpe_size(b) == 281, "its size is the highest id + 1");
    bpe_close(b);
    buf_release(&out);
}

/* The digest moves with the files, and with nothing else. */
static void test_files_digest(void)
{
    unsigned char d[3][SHA256_BYTES];
    struct err e;
    for (int i = 0; i < 3; i++) {
        put_vocab(AB);
        put_file("merges.txt", i == 2 ? "a b" : "a b\n", i == 2 ? 3 : 4);
        struct bpe *b = open_temp(&e, i == 1 ? 262 : ROWS);
        if (!b)
            die("%s", e.text);
        memcpy(d[i], bpe_digest(b), SHA256_BYTES);
        bpe_close(b);
    }
    ok(memcmp(d[0], d[1], SHA256_BYTES) == 0 && memcmp(d[0], d[2], SHA256_BYTES) != 0,
       "the digest is that of the files");
    drop_file("vocab.json");
    drop_file("merges.txt");
}

/* ---- tokenizer.json ---- */

enum { ADDED, NORMALIZER, CUT, JOIN, MODEL, MERGES, PARTS };
#define TOKEN(id, text, more)                                                                     \
    "{\"id\":" #id ",\"content\":\"" text "\",\"special\":true,\"normalized\":true" more "}"
static const char *const good[PARTS] = {
    "[" TOKEN(2, "</s>", ",\"lstrip\":false,\"single_word\":false") "]",
    "null",
    "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":true}",
    "{\"type\":\"ByteLevel\",\"add_prefix_space\":true}",
    "\"type\":\"BPE\",\"dropout\":null,\"end_of_word_suffix\":\"\",\"ignore_merges\":false",
    "[\"a b\"]"};
static const struct {
    int part;
    const char *s, *word;
} wrong_json[] = {
    {ADDED, "[" TOKEN(2, "</s>", ",\"lstrip\":true") "]", "'lstrip' is on"},
    {ADDED, "[" TOKEN(2, "</s>", ",\"rstrip\":true") "]", "'rstrip' is on"},
    {ADDED, "[" TOKEN(2, "</s>", ",\"single_word\":true") "]", "'single_word' is on"},
    {ADDED, "[" TOKEN(3, "</s>", "") "]", "added token '</s>' has id 3, expected 2"},
    {ADDED, "[" TOKEN(262, "<image>", "") "]", "'<image>' has id 262, expected 261"},
    {ADDED, "[" TOKEN(2, "</s>", "") "," TOKEN(2, "</s>", "") "]", "'</s>' is added twice"},
    {ADDED, "[" TOKEN(2, "", "") "]", "added token 1 without content"},
    {ADDED, "[{\"id\":2,\"content\":\"</s>\",\"special\":true}]", "without content, special or"},
    {ADDED, "[{\"id\":2,\"content\":\"</s>\",\"special\":1}]", "'special' of an added token"},
    {ADDED, "[2]", "no object here"},
    {ADDED, "{}", "no array here"},
    {NORMALIZER, "{\"type\":\"NFC\"}", "'normalizer' is on"},
    {CUT, "{\"type\":\"Whitespace\"}", "'type' is 'Whitespace', expected ByteLevel"},
    {CUT, "{\"type\":\"ByteLevel\",\"add_prefix_space\":true}", "'add_prefix_space' is on"},
    {CUT, "{\"type\":\"ByteLevel\",\"use_regex\":false}", "'use_regex' is '', expected true"},
    {CUT, "{}", "no type of the pre_tokenizer"},
    {CUT, "null", "no object here"},
    {JOIN, "{\"type\":\"WordPiece\"}", "'type' is 'WordPiece', expected ByteLevel"},
    {JOIN, "null", "no object here"},
    {MODEL, "\"type\":\"WordPiece\"", "'type' is 'WordPiece', expected BPE"},
    {MODEL, "\"dropout\":0.1", "'dropout' is on"},
    {MODEL, "\"ignore_merges\":true", "'ignore_merges' is on"},
    {MODEL, "\"continuing_subword_prefix\":\"##\"", "'continuing_subword_prefix' is on"},
    {MODEL, "\"end_of_word_suffix\":\"</w>\"", "'end_of_word_suffix' is on"},
    {MERGES, "[\"a b\",\"ab\"]", "tokenizer.json: merge 2: expected two pieces"},
    {MERGES, "[[\"a\",\"b\"],[\"a\"]]", "merge 2: expected two pieces"},
    {MERGES, "[[\"a\",\"b\",\"c\"]]", "merge 1: expected two pieces"},
    {MERGES, "[[\"a\",2]]", "merge 1: expected two pieces"},
    {MERGES, "[7]", "merge 1: expected two pieces"},
    {MERGES, "[\"a b\",\"b c\"]", "merge 2: 'bc' is not in the vocabulary"},
    {MERGES, "[]", "no merges"},
    {MERGES, "\"a b\"", "no array here"},
};

static void put_tokenizer(int part, const char *s)
{
    struct buf t = {0}, v = {0};
    const char *p[PARTS];
    for (int i = 0; i < PARTS; i++)
        p[i] = i == part ? s : good[i];
    start_vocab(&v, AB);
    buf_addf(&t, "{\"added_tokens\":%s,\"normalizer\":%s,\"pre_tokenizer\":%s,\"decoder\":%s,"
                 "\"model\":{%s,\"vocab\":%s,\"merges\":%s},\"version\":\"1.0\"}",
             p[ADDED], p[NORMALIZER], p[CUT], p[JOIN], p[MODEL], v.data, p[MERGES]);
    put_file("tokenizer.json", t.data, t.len);
    buf_release(&t);
    buf_release(&v);
}

static void test_tokenizer_json(void)
{
    static const int want[] = {260, 2, 261, 1};
    put_tokenizer(PARTS, NULL);
    opens("tokenizer.json", "ab</s><image><pad>", want, ARRAY_LEN(want));
    put_tokenizer(MERGES, "[[\"a\",\"b\"]]");
    opens("merges as pairs", "ab</s><image><pad>", want, ARRAY_LEN(want));
    put_tokenizer(CUT, "{\"type\":\"ByteLevel\",\"add_prefix_space\":false}");
    opens("no use_regex", "ab</s><image><pad>", want, ARRAY_LEN(want));
    for (size_t i = 0; i < ARRAY_LEN(wrong_json); i++) {
        put_tokenizer(wrong_json[i].part, wrong_json[i].s);
        refused(wrong_json[i].word, ROWS);
    }
    put_file("tokenizer.json", "{}", 2);
    refused("no pre_tokenizer", ROWS);
    put_file("tokenizer.json", "{", 1);
    refused("byte 1", ROWS);
    drop_file("tokenizer.json");
}

int main(void)
{
    make_temp();
    test_broken();
    test_lacking();
    test_limits();
    test_accepted();
    test_files_digest();
    test_tokenizer_json();
    rmdir(temp);
    return done();
}
