/* SPDX-License-Identifier: MIT */
/* A libFuzzer harness of nn/bpe: any bytes as its files, as a text, as ids. By hand, not by make
 * check; the first byte says what the others are:
 *
 *     make CC=clang SAN=1 O=build/fuzz CFLAGS='-O1 -g -fsanitize=fuzzer-no-link' \
 *         build/fuzz/libmm.a
 *     clang -g -fsanitize=fuzzer,address,undefined -Ilib -D_GNU_SOURCE tests/fuzz_bpe.c \
 *         build/fuzz/libmm.a -lcrypto -lxxhash -lm -o build/fuzz/fuzz_bpe
 *     G=tests/golden/bpe; mkdir -p build/fuzz/bpe
 *     (printf t; cat $G/tiny/tokenizer.json) > build/fuzz/bpe/t
 *     (printf v; cat $G/small/vocab.json; printf '\377'; cat $G/small/merges.txt) \
 *         > build/fuzz/bpe/v
 *     printf "xit's  a <image> in </s>" > build/fuzz/bpe/x
 *     build/fuzz/fuzz_bpe -max_total_time=60 -max_len=20000 build/fuzz/bpe
 */
#include "nn/bpe.h"
#include "base/util.h"
#include "source/utf8.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static char dir[] = "/tmp/fuzz_bpe.XXXXXX";

static void put_file(const char *name, const void *s, size_t n)
{
    char path[100];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(s, 1, n, f) != n || fclose(f) != 0)
        abort();
}

static void drop_file(const char *name)
{
    char path[100];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    unlink(path);
}

static void use(const struct bpe *b, const char *text, size_t n)
{
    int *ids = xcalloc(3 * n + 1, sizeof *ids);
    size_t k = bpe_ids(ids, 3 * n, text, n, b);
    struct buf out = {0};
    if (k > 3 * n)
        abort();
    for (size_t i = 0; i < k; i++)
        if (ids[i] < 0 || ids[i] >= bpe_size(b))
            abort();
    bpe_text(&out, ids, k, 0, b);
    if (!utf8_valid(out.data, out.len))
        abort();
    buf_clear(&out);
    bpe_text(&out, ids, k, BPE_CLEAN | BPE_STRIP, b);
    /* Any numbers as ids. */
    memcpy(ids, text, n / sizeof *ids * sizeof *ids);
    bpe_text(&out, ids, n / sizeof *ids, BPE_CLEAN | BPE_STRIP, b);
    buf_release(&out);
    free(ids);
}

/* The folder, and a text of the same bytes. */
static void open_and_use(const char *text, size_t n)
{
    struct err e = {{0}};
    struct bpe *b = bpe_open(dir, 1 << 20, &e);
    if (!b && !e.text[0])
        abort();
    if (b)
        use(b, text, n);
    bpe_close(b);
}

static void use_text(const char *text, size_t n)
{
    static struct bpe *small;
    struct err e;
    if (!small && !(small = bpe_open("tests/golden/bpe/small", 1009, &e)))
        abort();
    use(small, text, n);
    char *copy = xmalloc(n + 1);
    memcpy(copy, text, n);
    copy[n] = 0;
    if (utf8_clean(text, n) && !strstr(copy, "<pad>") && !strstr(copy, "</s>") &&
        !strstr(copy, "<image>")) {
        int *ids = xcalloc(n + 1, sizeof *ids);
        struct buf out = {0};
        bpe_text(&out, ids, bpe_ids(ids, n, text, n, small), 0, small);
        if (out.len != n || memcmp(out.data, text, n) != 0)
            abort();
        buf_release(&out);
        free(ids);
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static bool made;
    if (!made && !mkdtemp(dir))
        abort();
    made = true;
    if (n == 0)
        return 0;
    const char *s = (const char *)data + 1, *cut;
    n--;
    if (data[0] == 't') {
        put_file("tokenizer.json", s, n);
        open_and_use(s, n);
        drop_file("tokenizer.json");
    } else if (data[0] == 'v' && (cut = memchr(s, 0xff, n))) {
        put_file("vocab.json", s, (size_t)(cut - s));
        put_file("merges.txt", cut + 1, n - (size_t)(cut + 1 - s));
        open_and_use(s, n);
        drop_file("vocab.json");
        drop_file("merges.txt");
    } else {
        use_text(s, n);
    }
    return 0;
}
