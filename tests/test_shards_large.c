/* SPDX-License-Identifier: MIT */
/* A folder as large as BLIP-2's (sparse files) opens without a look at the weights, and thousands
 * of damaged ones never crash. The rules are tests/test_shards.c's. */
#include "nn/shards.h"
#include "base/buf.h"
#include "base/rng.h"
#include "base/sha256.h"
#include "base/util.h"
#include "tap.h"
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define GOLDEN "tests/golden/safetensors/sharded"
#define INDEX "model.safetensors.index.json"

static char dir[] = "/tmp/mm_test_shards_large.XXXXXX";

static const char *const name[] = {INDEX, "model-00001-of-00003.safetensors",
                                   "model-00002-of-00003.safetensors",
                                   "model-00003-of-00003.safetensors",
                                   "model-00001-of-00002.safetensors",
                                   "model-00002-of-00002.safetensors"};
enum { FILES = 4, LARGE = 4 }; /* files of the golden folder; name of the first large one */

/* The bytes, then a hole up to total. */
static void put(const char *file, const struct buf *b, size_t total)
{
    char *path = xasprintf("%s/%s", dir, file);
    unlink(path); /* truncating a file makes some file systems flush it */
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(buf_str(b), 1, b->len, f) != b->len || fclose(f) != 0 ||
        (total > b->len && truncate(path, (off_t)total) != 0))
        die("cannot write %s [%zu]", path, total);
    free(path);
}

static void wipe(void)
{
    for (size_t i = 0; i < ARRAY_LEN(name); i++) {
        char *path = xasprintf("%s/%s", dir, name[i]);
        unlink(path);
        free(path);
    }
}

/* ---- as large as BLIP-2: 995 tensors in 10 GB and 252 in 5 ---- */

static void put_sparse(struct buf *index, const char *file, int first, int count, int rows)
{
    struct buf json = {0}, b = {0};
    const size_t each = (size_t)rows * 1000 * 4;
    for (int i = 0; i < count; i++) {
        buf_addf(&json,
                 "%s\"language_model.model.decoder.layers.%d.fc1.weight\":{\"dtype\":\"F32\","
                 "\"shape\":[%d,1000],\"data_offsets\":[%zu,%zu]}", i ? "," : "{", first + i,
                 rows, (size_t)i * each, (size_t)(i + 1) * each);
        buf_addf(index, "%s\"language_model.model.decoder.layers.%d.fc1.weight\":\"%s\"",
                 index->len ? "," : "{\"weight_map\":{", first + i, file);
    }
    buf_addc(&json, '}');
    uint64_t n = json.len;
    buf_add(&b, &n, 8);
    buf_add(&b, json.data, json.len);
    put(file, &b, b.len + (size_t)count * each);
    buf_release(&json);
    buf_release(&b);
}

/* KiB of the tensors that are in memory: reading some brings them there. */
static size_t resident_kib(const struct shards *s)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), n = 0;
    for (size_t i = 0; i < shards_count(s); i++) {
        const struct st_tensor *t = shards_at(s, i);
        /* Whole pages of it only: the header is in the first one. */
        size_t skip = (page - (uintptr_t)t->data % page) % page, pages = (t->bytes - skip) / page;
        unsigned char *in = xcalloc(pages + 1, 1);
        if (mincore((void *)(uintptr_t)(t->data + skip), pages * page, in) != 0)
            die("mincore");
        for (size_t k = 0; k < pages; k++)
            n += in[k] & 1;
        free(in);
    }
    return n * page / 1024;
}

static void test_large(void)
{
    struct err e = {{0}};
    struct buf index = {0};
    float *x = xcalloc(2512 * 1000, sizeof *x);
    double best = 9;
    put_sparse(&index, name[LARGE], 0, 995, 2512);
    put_sparse(&index, name[LARGE + 1], 995, 252, 4943);
    buf_adds(&index, "}}");
    put(INDEX, &index, 0);
    struct shards *s = NULL;
    for (int i = 0; i < 5; i++) {
        double t = monotonic_s();
        shards_close(s);
        s = shards_open(dir, &e);
        t = monotonic_s() - t;
        best = t < best ? t : best;
    }
    if (ok(s && shards_count(s) == 1247, "1,247 tensors in 15 GB open %s", e.text)) {
        size_t kib = resident_kib(s);
        ok(best < 0.5, "in %.1f ms", best * 1e3);
        ok(kib < 4096, "and %zu KiB of the weights were read", kib);
        ok(shards_load(x, s, "language_model.model.decoder.layers.994.fc1.weight", 2,
                       (const int64_t[]){2512, 1000}, &e) == 0 && x[2511999] == 0,
           "the last tensor of the 10 GB loads %s", e.text);
        ok(resident_kib(s) > kib, "and shows as read");
    }
    shards_close(s);
    free(x);
    buf_release(&index);
    wipe();
}

/* ---- damage ---- */

static void damage(struct buf *b, struct rng *r)
{
    static const char *const bits[] = {"{", "}", "[", "]", "\"", ",", ":", "0", "9", "\\u0000",
                                       "..", "/", "model-0000", "embed.weight", "layers.1.fc.bias",
                                       "-of-00003", "weight_map", "\\", "F16", "null"};
    size_t at = rng_below(r, (uint32_t)b->len);
    switch (rng_below(r, 5)) {
    case 0: b->data[at] = (char)rng_below(r, 256); break;
    case 1: b->data[at] ^= (char)(1 << rng_below(r, 8)); break;
    case 2: b->len = at; break;
    case 3: { /* something from elsewhere in the file, of the same length: JSON often stays valid */
        size_t from = rng_below(r, (uint32_t)b->len), n = 1 + rng_below(r, 40);
        if (from + n <= b->len && at + n <= b->len)
            memmove(b->data + at, b->data + from, n);
        break;
    }
    default: {
        const char *s = bits[rng_below(r, ARRAY_LEN(bits))];
        if (at + strlen(s) <= b->len)
            memcpy(b->data + at, s, strlen(s));
    }
    }
}

/* Must end without a crash; every tensor of a folder that opens lies inside its file. */
static int use(struct err *e)
{
    float out[256];
    struct shards *s = shards_open(dir, e);
    if (!s)
        return 0;
    volatile unsigned sum = 0;
    for (size_t i = 0; i < shards_count(s); i++) {
        const struct st_tensor *t = shards_at(s, i);
        for (size_t k = 0; k < t->bytes; k++)
            sum += t->data[k];
        if (t->count <= 256 && shards_load(out, s, t->name, t->rank, t->shape, e) < 0 &&
            !e->text[0])
            die("%s refused without a word", t->name);
        if (shards_find(s, t->name) != t)
            die("lost %s", t->name);
    }
    unsigned char d[SHA256_BYTES];
    if (shards_digest(d, s, NULL, NULL) < 0)
        die("no digest");
    shards_close(s);
    return 1;
}

static void test_damage(void)
{
    enum { CASES = 20000 };
    struct err e = {{0}};
    struct buf whole[FILES] = {{0}}, b = {0};
    struct rng r;
    int opened = 0, last = 0;
    rng_seed(&r, 11, 0);
    for (int i = 0; i < FILES; i++) {
        char *path = xasprintf(GOLDEN "/%s", name[i]);
        if (buf_read_file(&whole[i], path, 1 << 20, &e) < 0)
            die("%s", e.text);
        put(name[i], &whole[i], 0);
        free(path);
    }
    for (int i = 0; i < CASES; i++) {
        int file = rng_below(&r, 2) ? 0 : 1 + (int)rng_below(&r, FILES - 1);
        if (file != last)
            put(name[last], &whole[last], 0);
        last = file;
        buf_clear(&b);
        buf_add(&b, whole[file].data, whole[file].len);
        for (uint32_t k = 1 + rng_below(&r, 3); k > 0 && b.len > 0; k--)
            damage(&b, &r);
        put(name[file], &b, 0);
        e.text[0] = 0;
        int rc = use(&e);
        opened += rc;
        if (rc == 0 && !e.text[0])
            die("case %d refused without a word", i);
    }
    ok(opened > CASES / 50 && opened < CASES / 2, "%d damaged folders, %d still valid", CASES,
       opened);
    for (int i = 0; i < FILES; i++)
        buf_release(&whole[i]);
    buf_release(&b);
}

int main(void)
{
    if (!mkdtemp(dir))
        die("no temporary folder");
    test_large();
    test_damage();
    wipe();
    rmdir(dir);
    return done();
}
