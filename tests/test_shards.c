/* SPDX-License-Identifier: MIT */
/* A checkpoint by the huggingface_hub package, and every rule with a folder that breaks it. */
#include "nn/shards.h"
#include "base/buf.h"
#include "base/sha256.h"
#include "base/util.h"
#include "tap.h"
#include <dirent.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define GOLDEN "tests/golden/safetensors/sharded"
#define INDEX "model.safetensors.index.json"
#define SHAPE(...) (const int64_t[]){__VA_ARGS__}
#define T(name, n, begin, end)                                                                \
    "\"" name "\":{\"dtype\":\"F32\",\"shape\":[" #n "],\"data_offsets\":[" #begin "," #end "]}"

static char dir[] = "/tmp/mm_test_shards.XXXXXX";

static void put(const char *name, const void *p, size_t n)
{
    char *path = xasprintf("%s/%s", dir, name);
    unlink(path); /* truncating a file makes some file systems flush it */
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(p, 1, n, f) != n || fclose(f) != 0)
        die("cannot write %s", path);
    free(path);
}

static void wipe(void)
{
    DIR *d = opendir(dir);
    for (struct dirent *n; d && (n = readdir(d)) != NULL;)
        unlinkat(dirfd(d), n->d_name, 0);
    closedir(d);
}

/* A file of that header and of data bytes, of which element i is first + i. */
static void put_shard(const char *name, const char *json, size_t data, float first)
{
    struct buf b = {0};
    uint64_t n = strlen(json);
    buf_add(&b, &n, 8);
    buf_adds(&b, json);
    for (size_t i = 0; i < data / 4; i++, first++)
        buf_add(&b, &first, 4);
    put(name, b.data, b.len);
    buf_release(&b);
}

static void put_index(const char *json)
{
    put(INDEX, json, strlen(json));
}

/* a [2] and b [1] in x.st, c [1] in y.st. */
static void put_good(void)
{
    wipe();
    put_shard("x.st", "{" T("a", 2, 0, 8) "," T("b", 1, 8, 12) "}", 12, 1);
    put_shard("y.st", "{" T("c", 1, 0, 4) "}", 4, 7);
    put_index("{\"weight_map\":{\"c\":\"y.st\",\"a\":\"x.st\",\"b\":\"x.st\"}}");
}

static void opens(size_t tensors, size_t files, const char *what)
{
    struct err e = {{0}};
    struct shards *s = shards_open(dir, &e);
    ok(s && shards_count(s) == tensors && shards_files(s) == files, "opens: %s %s", what, e.text);
    shards_close(s);
}

/* Messages repeat what was in the index: no byte of it may end a line of TAP. */
static const char *plain(struct err *e)
{
    for (char *p = e->text; *p; p++)
        if ((unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e)
            *p = '?';
    return e->text;
}

static void refuses(const char *word, const char *what)
{
    struct err e = {{0}};
    struct shards *s = shards_open(dir, &e);
    ok(!s && strstr(plain(&e), word) && strstr(e.text, dir), "%s is refused: %s (%s)", what,
       s ? "no, it opens" : e.text + strlen(dir) + 1, word);
    shards_close(s);
}

/* As refuses; the message also says what to do. */
static void refuses_damage(const char *word, const char *what)
{
    struct err e = {{0}};
    struct shards *s = shards_open(dir, &e);
    ok(!s && strstr(plain(&e), word) && strstr(e.text, "download") && strstr(e.text, "again"),
       "%s is refused, with advice: %s (%s)", what,
       s ? "no, it opens" : e.text + strlen(dir) + 1, word);
    shards_close(s);
}

static void refuses_index(const char *json, const char *word)
{
    put_index(json);
    refuses_damage(word, json);
}

/* ---- a good folder ---- */

static void load_fails(const struct shards *s, const char *name, int rank, const int64_t *shape,
                       const char *word)
{
    struct err e = {{0}};
    float out[64];
    ok(shards_load(out, s, name, rank, shape, &e) < 0 && strstr(e.text, word) &&
           strstr(e.text, name), "%s", e.text);
}

static void test_golden(void)
{
    struct err e = {{0}};
    float got[24], want[24], half[16];
    struct shards *s = shards_open(GOLDEN, &e);
    if (!ok(s && shards_count(s) == 9 && shards_files(s) == 3, "the golden folder %s", e.text))
        return;
    for (int i = 0; i < 24; i++)
        want[i] = (float)i / 4 - 1;
    for (int i = 0; i < 16; i++)
        half[i] = want[i] + 2;
    ok(shards_load(got, s, "embed.weight", 2, SHAPE(6, 4), &e) == 0 &&
           memcmp(got, want, sizeof want) == 0, "F32 of the first file %s", e.text);
    ok(shards_load(got, s, "layers.2.fc.weight", 2, SHAPE(4, 4), &e) == 0 &&
           memcmp(got, half, sizeof half) == 0, "F16 of the third %s", e.text);
    ok(shards_load(got, s, "layers.1.fc.bias", 1, SHAPE(4), &e) == 0 && got[0] == 1 && got[3] == 1,
       "BF16 of the second %s", e.text);
    ok(shards_load(got, s, "logit_scale", 0, SHAPE(0), &e) == 0 && got[0] == 2.5f, "a scalar %s",
       e.text);
    const struct st_tensor *ids = shards_find(s, "position_ids");
    ok(ids && ids->dtype == ST_I64 && ids->count == 6 && ids->data[8] == 1, "I64, not loaded");
    ok(!shards_find(s, "lm_head.weight") && !shards_find(s, "") && !shards_find(s, "zzz"),
       "absent names are not found");
    static const char *const order[] = {"embed.weight", "logit_scale", "layers.0.fc.bias",
                                        "layers.1.fc.bias", "layers.0.fc.weight",
                                        "layers.1.fc.weight", "position_ids", "layers.2.fc.bias",
                                        "layers.2.fc.weight"};
    int good = 0;
    for (size_t i = 0; i < ARRAY_LEN(order); i++)
        good += strcmp(shards_at(s, i)->name, order[i]) == 0 &&
                shards_find(s, order[i]) == shards_at(s, i);
    ok(good == 9, "tensors come by file and place");
    load_fails(s, "no.such", 2, SHAPE(3, 4), "among 9");
    load_fails(s, "embed.weight", 2, SHAPE(4, 6), "has shape [6, 4], expected [4, 6]");
    load_fails(s, "position_ids", 2, SHAPE(1, 6), "is I64");
    shards_close(s);
    shards_close(NULL);
}

static void test_files(void)
{
    struct err e = {{0}};
    struct stat st;
    struct shards *s = shards_open(GOLDEN, &e);
    int good = 0;
    for (size_t i = 0; s && i < 3; i++) {
        const struct st_file *f = shards_file(s, i);
        char *path = xasprintf(GOLDEN "/model-0000%zu-of-00003.safetensors", i + 1);
        good += stat(path, &st) == 0 && strcmp(f->path, path) == 0 &&
                f->bytes == (uint64_t)st.st_size && f->inode == st.st_ino &&
                f->mtime_ns == st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec;
        free(path);
    }
    ok(good == 3, "path, size, time and inode of each file, in the order of their names");
    shards_close(s);
}

/* ---- digest ---- */

struct heard {
    int calls, stop_at;
    uint64_t done, total;
    bool falls;
};

static int hear(void *ctx, uint64_t done, uint64_t total)
{
    struct heard *h = ctx;
    h->falls |= done < h->done;
    h->done = done, h->total = total;
    return ++h->calls == h->stop_at;
}

static void test_digest(void)
{
    struct err e = {{0}};
    unsigned char d[SHA256_BYTES], want[SHA256_BYTES], of_file[3 * SHA256_BYTES];
    struct heard h = {.stop_at = 2};
    uint64_t bytes = 0;
    struct shards *s = shards_open(GOLDEN, &e);
    for (int i = 0; i < 3; i++) {
        char *path = xasprintf(GOLDEN "/model-0000%d-of-00003.safetensors", i + 1);
        struct buf b = {0};
        if (buf_read_file(&b, path, 1 << 20, &e) < 0)
            die("%s", e.text);
        sha256_of(of_file + i * SHA256_BYTES, b.data, b.len);
        bytes += b.len;
        buf_release(&b);
        free(path);
    }
    sha256_of(want, of_file, sizeof of_file);
    ok(shards_digest(d, s, hear, &h) < 0 && h.calls == 2, "a digest can be stopped");
    h = (struct heard){0};
    ok(shards_digest(d, s, hear, &h) == 0 && memcmp(d, want, sizeof d) == 0,
       "the digest is that of the files' digests");
    ok(!h.falls && h.done == bytes && h.total == bytes, "and says how far it is, up to the end");
    h = (struct heard){0};
    memset(d, 0, sizeof d);
    ok(shards_digest(d, s, hear, &h) == 0 && memcmp(d, want, sizeof d) == 0 && h.calls == 0,
       "the second time it is known");
    shards_close(s);
}

/* The same files, and another index: what counts differs, so must the digest. */
static void test_twice_in_files(void)
{
    struct err e = {{0}};
    unsigned char d[2][SHA256_BYTES];
    float got[2] = {0};
    wipe();
    put_shard("x.st", "{" T("a", 1, 0, 4) "," T("b", 1, 4, 8) "}", 8, 1);
    put_shard("y.st", "{" T("a", 1, 0, 4) "," T("c", 1, 4, 8) "}", 8, 5);
    for (int i = 0; i < 2; i++) {
        put_index(i == 0 ? "{\"weight_map\":{\"a\":\"x.st\",\"b\":\"x.st\",\"c\":\"y.st\"}}"
                         : "{\"weight_map\":{\"a\":\"y.st\",\"b\":\"x.st\",\"c\":\"y.st\"}}");
        struct shards *s = shards_open(dir, &e);
        ok(s && shards_count(s) == 3 && shards_load(&got[i], s, "a", 1, SHAPE(1), &e) == 0 &&
               shards_digest(d[i], s, NULL, NULL) == 0, "a tensor in two files %s", e.text);
        shards_close(s);
    }
    ok(got[0] == 1 && got[1] == 5, "the one that the index names counts");
    ok(memcmp(d[0], d[1], sizeof d[0]) != 0, "and the digest knows which");
    put_index("{\"weight_map\":{\"b\":\"x.st\",\"c\":\"y.st\"}}");
    refuses_damage("tensor 'a' is not in", "a tensor in two files that the index does not name");
}

/* ---- folders that break one rule ---- */

static void test_single(void)
{
    put_good();
    opens(3, 2, "an index and its files");
    put_shard("model.safetensors", "{" T("only", 1, 0, 4) "}", 4, 9);
    opens(1, 1, "a single file beside an index: the file");
    put("model.safetensors", "{", 1);
    refuses_damage("model.safetensors: 1 bytes", "a broken single file beside a good index");
    wipe();
    refuses("neither model.safetensors nor " INDEX, "an empty folder");
    struct err e = {{0}};
    ok(!shards_open("/no/such/folder", &e) && strstr(e.text, "neither"), "%s", e.text);
    put_shard("model.safetensors", "{}", 0, 0);
    opens(0, 1, "a single file without tensors");
}

static void test_file_names(void)
{
    static const struct {
        const char *file, *word;
    } bad[] = {{"", "is empty"},          {"a/b.st", "is a path"},    {"/etc/passwd", "is a path"},
               {"..", "begins with"},     {"../x.st", "begins with"}, {".x.st", "begins with"},
               {"x..st", "holds '..'"},   {"a\\\\x.st", "is a path"}, {"x.st\\u0000", "NUL"},
               {"x\\u001b.st", "control"}, {"x.st\\n", "control"},    {"x\\u007f", "control"}};
    put_good();
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char *s = xasprintf("{\"weight_map\":{\"a\":\"%s\"}}", bad[i].file);
        refuses_index(s, bad[i].word);
        free(s);
    }
    struct buf b = {0};
    for (int n = 255; n < 257; n++) {
        buf_clear(&b);
        buf_adds(&b, "{\"weight_map\":{\"a\":\"");
        for (int i = 0; i < n; i++)
            buf_addc(&b, 'x');
        buf_adds(&b, "\"}}");
        put(INDEX, b.data, b.len);
        refuses_damage(n == 255 ? "No such file" : "longer than 255", "a long name");
    }
    buf_release(&b);
    refuses_index("{\"weight_map\":{\"a\":null}}", "is no text");
    refuses_index("{\"weight_map\":{\"a\":12}}", "file '12' of tensor 'a' is no text");
    refuses_index("{\"weight_map\":{\"a\":[\"x.st\"]}}", "is no text");
}

static void test_index(void)
{
    put_good();
    put_index("{\"metadata\":{\"total_size\":5,\"x\":[{}]},\"weight_map\":{\"a\":\"x.st\","
              "\"b\":\"x.st\",\"c\":\"y.st\"},\"more\":1}");
    opens(3, 2, "a total_size that is wrong, and keys nobody knows");
    refuses_index("", "no valid index");
    refuses_index("[]", "no valid index");
    refuses_index("{\"weight_map\":{\"a\":\"x.st\"", "no valid index");
    refuses_index("{\"weight_map\":{\"a\":\"x.st\"}} x", "no valid index");
    refuses_index("{\"weight_map\":{\"a\":\"x.st\",}}", "no valid index");
    refuses_index("{\"weight_map\":[\"a\"]}", "no valid index");
    refuses_index("{\"weight_map\":{\"a\":\"x\\q\"}}", "unknown escape");
    put_index("{\"weight_map\":{\"a\xff\":\"x.st\"}}");
    refuses_damage("no UTF-8", "an index that is no UTF-8");
    refuses_index("{\"weight_map\":{\"a\\u0000\":\"x.st\"}}", "NUL");
    refuses_index("{\"weight_map\":{\"a\\ud800\":\"x.st\"}}", "surrogate");
    refuses_index("{\"weight_map\":{}}", "names no tensor");
    refuses_index("{\"metadata\":{}}", "no weight_map");
    refuses_index("{\"weight_map\":{\"a\":\"x.st\"},\"weight_map\":{\"a\":\"x.st\"}}",
                  "weight_map twice");
    refuses_index("{\"weight_map\":{\"a\":\"x.st\",\"b\":\"x.st\",\"\\u0061\":\"y.st\"}}",
                  "tensor 'a' twice");
    refuses_index("{\"weight_map\":{\"\":\"x.st\"}}", "name of 0 bytes");
    char *path = xasprintf("%s/" INDEX, dir);
    ok(truncate(path, (16 << 20) + 1) == 0, "an index beyond 16 MiB");
    refuses("more than the allowed", "it");
    ok(unlink(path) == 0 && mkfifo(path, 0600) == 0, "an index that is a fifo");
    refuses("not a regular file", "it");
    free(path);
}

static void test_damaged_files(void)
{
    char *path = xasprintf("%s/y.st", dir);
    put_good();
    unlink(path);
    refuses_damage("y.st: No such file", "a missing file");
    put_good();
    ok(truncate(path, 62) == 0, "a file is cut short");
    refuses_damage("y.st: file has 62 bytes, its header promises 66: cut short", "it");
    put_shard("y.st", "{" T("c", 1, 4, 8) "}", 8, 0);
    refuses_damage("y.st: tensor 'c' begins at data byte 4", "a file with a gap");
    put("y.st", "<html>\n<head>\n", 14);
    refuses_damage("y.st: header of", "a web page");
    put_shard("y.st", "{" T("d", 1, 0, 4) "}", 4, 0);
    refuses_damage("y.st: no tensor 'c'", "a file without the tensor");
    put_good();
    put_index("{\"weight_map\":{\"a\":\"x.st\",\"c\":\"y.st\"}}");
    refuses_damage("x.st: tensor 'b' is not in", "a tensor that the index does not name");
    put_index("{\"weight_map\":{\"a\":\"x.st\",\"b\":\"y.st\",\"c\":\"y.st\"}}");
    refuses_damage("y.st: no tensor 'b'", "a tensor that is in another file");
    free(path);
}

static void test_caps(void)
{
    struct buf b = {0}, json = {0};
    wipe();
    buf_adds(&b, "{\"weight_map\":{");
    for (int i = 0; i <= 100000; i++)
        buf_addf(&b, "%s\"%d\":\"x\"", i ? "," : "", i);
    buf_adds(&b, "}}");
    put(INDEX, b.data, b.len);
    refuses_damage("more than 100000 names", "an index of 100,001 names");
    for (int n = 1000; n < 1002; n++) {
        buf_clear(&b);
        buf_adds(&b, "{\"weight_map\":{");
        for (int i = 0; i < n; i++) {
            char *file = xasprintf("s%d", i);
            buf_addf(&b, "%s\"t%d\":\"s%d\"", i ? "," : "", i, i);
            buf_clear(&json);
            buf_addf(&json, "{" T("t%d", 0, 0, 0) "}", i);
            put_shard(file, json.data, 0, 0);
            free(file);
        }
        buf_adds(&b, "}}");
        put(INDEX, b.data, b.len);
        if (n == 1000)
            opens(1000, 1000, "1,000 files");
        else
            refuses("more than 1000 files", "an index of 1,001 files");
    }
    wipe();
    buf_clear(&json);
    for (int i = 0; i < 50001; i++)
        buf_addf(&json, "%s" T("%d", 0, 0, 0), i ? "," : "{", i);
    buf_adds(&json, "}");
    put_shard("x", json.data, 0, 0);
    put_shard("y", json.data, 0, 0);
    put_index("{\"weight_map\":{\"0\":\"x\",\"1\":\"y\"}}");
    refuses("more than 100000 tensors", "files of 100,002 tensors");
    wipe();
    buf_release(&b);
    buf_release(&json);
}

int main(void)
{
    if (!mkdtemp(dir))
        die("no temporary folder");
    test_golden();
    test_files();
    test_digest();
    test_twice_in_files();
    test_single();
    test_file_names();
    test_index();
    test_damaged_files();
    test_caps();
    wipe();
    rmdir(dir);
    return done();
}
