/* SPDX-License-Identifier: MIT */
/* A libFuzzer harness of nn/safetensors: any bytes as a file. By hand, not by make check:
 *
 *     make CC=clang SAN=1 O=build-fuzz CFLAGS='-O1 -g -fsanitize=fuzzer-no-link' build-fuzz/libmm.a
 *     clang -g -fsanitize=fuzzer,address,undefined -Ilib -D_GNU_SOURCE tests/fuzz_safetensors.c \
 *         build-fuzz/libmm.a -lcrypto -o build-fuzz/fuzz_safetensors
 *     mkdir -p build-fuzz/corpus && build-fuzz/fuzz_safetensors -max_total_time=60 \
 *         -max_len=4096 build-fuzz/corpus tests/golden/safetensors
 */
#include "nn/safetensors.h"
#include "base/util.h"
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void use(struct safetensors *st)
{
    struct err e;
    float out[256];
    for (size_t i = 0; i < safetensors_count(st); i++) {
        const struct st_tensor *t = safetensors_at(st, i);
        volatile unsigned sum = 0;
        for (size_t k = 0; k < t->bytes; k++)
            sum += t->data[k];
        if (safetensors_find(st, t->name) != t)
            abort();
        if (t->count <= ARRAY_LEN(out) &&
            safetensors_load(out, st, t->name, t->rank, t->shape, &e) < 0 && !e.text[0])
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static int fd = -1;
    static char path[64];
    if (fd < 0) {
        fd = memfd_create("fuzz", 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    struct err e = {{0}};
    if (ftruncate(fd, 0) < 0 || pwrite(fd, data, n, 0) != (ssize_t)n)
        abort();
    struct safetensors *st = safetensors_open(path, &e);
    if (!st && !e.text[0])
        abort();
    if (st)
        use(st);
    safetensors_close(st);
    return 0;
}
