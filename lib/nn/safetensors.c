/* SPDX-License-Identifier: MIT */
#include "nn/safetensors.h"
#include "base/sha256.h"
#include "base/util.h"
#include "nn/safetensors_header.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "tensors are little endian in the file and are copied as they are"
#endif

#define HEADER_MAX 100000000
#define DIGEST_STEP ((size_t)8 << 20)

struct safetensors {
    char *path;
    unsigned char *map;
    size_t size;
    struct st_file file;
    struct st_header h;        /* entries by begin, once all is checked */
    struct st_entry **by_name; /* [h.count] */
    bool digested;
    unsigned char digest[SHA256_BYTES];
};

static int by_begin(const void *a, const void *b)
{
    const struct st_entry *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

static int by_name(const void *a, const void *b)
{
    struct st_entry *const *x = a, *const *y = b;
    return strcmp((*x)->t.name, (*y)->t.name);
}

/* The tensors' bytes follow each other without gap or overlap up to the end of the file. */
static int place(struct safetensors *st, struct err *e)
{
    uint64_t at = 0, start = 8 + st->h.bytes, room = st->size - start;
    if (st->h.count > 1)
        qsort(st->h.entry, st->h.count, sizeof *st->h.entry, by_begin);
    for (size_t i = 0; i < st->h.count; i++) {
        struct st_entry *n = &st->h.entry[i];
        if (n->begin != at)
            return err_set(e, "%s: tensor '%.200s' begins at data byte %llu, expected %llu (%s)",
                           st->path, n->t.name, (unsigned long long)n->begin,
                           (unsigned long long)at, n->begin < at ? "overlap" : "gap");
        at = n->end;
        if (at <= room)
            n->t.data = st->map + start + n->begin;
        n->t.path = st->path;
    }
    if (at == room)
        return 0;
    return err_set(e, "%s: file has %zu bytes, its header promises %llu%s", st->path, st->size,
                   (unsigned long long)(start + at),
                   at > room ? ": cut short, download it again" : ": not a file of this format");
}

static int index_names(struct safetensors *st, struct err *e)
{
    st->by_name = xcalloc(st->h.count + 1, sizeof(struct st_entry *));
    for (size_t i = 0; i < st->h.count; i++)
        st->by_name[i] = &st->h.entry[i];
    if (st->h.count > 1)
        qsort(st->by_name, st->h.count, sizeof *st->by_name, by_name);
    for (size_t i = 1; i < st->h.count; i++)
        if (by_name(&st->by_name[i - 1], &st->by_name[i]) == 0)
            return err_set(e, "%s: tensor '%.200s' twice in the header", st->path,
                           st->by_name[i]->t.name);
    return 0;
}

/* Only a regular file can be mapped; O_NONBLOCK so that a fifo does not hang here. */
static int map_file(struct safetensors *st, struct err *e)
{
    struct stat s;
    int fd = open(st->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc = -1;
    if (fd < 0 || fstat(fd, &s) < 0)
        err_set(e, "%s: %s", st->path, strerror(errno));
    else if (!S_ISREG(s.st_mode))
        err_set(e, "%s: not a regular file", st->path);
    else if (s.st_size < 8)
        err_set(e, "%s: %lld bytes, a safetensors file has at least 8; download it again",
                st->path, (long long)s.st_size);
    else if ((st->map = mmap(NULL, (size_t)s.st_size, PROT_READ, MAP_PRIVATE, fd, 0)) ==
             MAP_FAILED)
        err_set(e, "%s: cannot be mapped: %s", st->path, strerror(errno));
    else
        rc = 0, st->size = (size_t)s.st_size;
    if (rc == 0)
        st->file = (struct st_file){
            st->path, (uint64_t)s.st_size,
            s.st_mtim.tv_sec * INT64_C(1000000000) + s.st_mtim.tv_nsec, (uint64_t)s.st_ino};
    if (rc < 0)
        st->map = NULL;
    if (fd >= 0)
        close(fd);
    return rc;
}

static int read_header(struct safetensors *st, struct err *e)
{
    uint64_t n;
    memcpy(&n, st->map, 8);
    if (n > HEADER_MAX)
        return err_set(e, "%s: header of %llu bytes, at most %d expected: no safetensors file",
                       st->path, (unsigned long long)n, HEADER_MAX);
    if (n > st->size - 8)
        return err_set(e, "%s: file has %zu bytes, its header alone needs %llu: cut short, "
                          "download it again", st->path, st->size, (unsigned long long)n + 8);
    return st_header_read(&st->h, (const char *)st->map + 8, (size_t)n, e);
}

struct safetensors *safetensors_open(const char *path, struct err *e)
{
    struct safetensors *st = xcalloc(1, sizeof *st);
    st->path = xstrdup(path);
    st->h.path = st->path;
    if (map_file(st, e) < 0 || read_header(st, e) < 0 ||
        place(st, e) < 0 || index_names(st, e) < 0) {
        safetensors_close(st);
        return NULL;
    }
    return st;
}

void safetensors_close(struct safetensors *st)
{
    if (!st)
        return;
    if (st->map)
        munmap(st->map, st->size);
    free(st->by_name);
    st_header_release(&st->h);
    free(st->path);
    free(st);
}

const struct st_file *safetensors_file(const struct safetensors *st)
{
    return &st->file;
}

size_t safetensors_count(const struct safetensors *st)
{
    return st->h.count;
}

const struct st_tensor *safetensors_at(const struct safetensors *st, size_t i)
{
    assert(i < st->h.count);
    return &st->h.entry[i].t;
}

const struct st_tensor *safetensors_find(const struct safetensors *st, const char *name)
{
    size_t lo = 0, hi = st->h.count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = strcmp(name, st->by_name[mid]->t.name);
        if (c == 0)
            return &st->by_name[mid]->t;
        if (c < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

const unsigned char *safetensors_digest(struct safetensors *st)
{
    return safetensors_digest_tell(st, NULL, NULL);
}

const unsigned char *safetensors_digest_tell(struct safetensors *st,
                                             int (*tell)(void *ctx, uint64_t done, uint64_t total),
                                             void *ctx)
{
    int stop = 0;
    if (st->digested)
        return tell && tell(ctx, st->size, st->size) ? NULL : st->digest;
    struct sha256 *h = sha256_new();
    for (size_t at = 0; at < st->size && !stop;) {
        size_t n = st->size - at < DIGEST_STEP ? st->size - at : DIGEST_STEP;
        sha256_add(h, st->map + at, n);
        /* What has been read counts as this process's memory otherwise, all 10 GB of it. */
        madvise(st->map + at, n, MADV_DONTNEED);
        at += n;
        stop = tell && tell(ctx, at, st->size);
    }
    if (!stop)
        sha256_end(st->digest, h);
    sha256_free(h);
    st->digested = !stop;
    return stop ? NULL : st->digest;
}

/* ---- values ---- */

static float from_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

float safetensors_from_bf16(uint16_t h)
{
    return from_bits((uint32_t)h << 16);
}

/* Sign, 5 bits of exponent (bias 15), 10 of fraction. A subnormal is fraction x 2^-24, which
 * the product gives exactly. */
float safetensors_from_f16(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 1023;
    if (exponent == 0)
        return from_bits(sign | 0x3f800000) * ((float)fraction * 0x1p-24f);
    if (exponent == 31)
        return from_bits(sign | 0x7f800000 | fraction << 13 | (fraction ? 0x400000u : 0));
    return from_bits(sign | (exponent + 112) << 23 | fraction << 13);
}

static void convert(float *out, const struct st_tensor *t, size_t first, size_t count)
{
    if (t->dtype == ST_F32) {
        if (count > 0)
            memcpy(out, t->data + 4 * first, 4 * count);
        return;
    }
    const unsigned char *from = t->data + 2 * first;
    for (size_t i = 0; i < count; i++, from += 2) {
        uint16_t h;
        memcpy(&h, from, 2);
        out[i] = t->dtype == ST_F16 ? safetensors_from_f16(h) : safetensors_from_bf16(h);
    }
}

/* Index of the first NaN or infinity, n when there is none. By bits: it must hold under
 * -ffast-math as well, and two flags vectorise where an early exit would not. */
static size_t first_wild(const float *x, size_t n)
{
    const uint32_t exponent = 0x7f800000;
    enum { BLOCK = 4096 };
    for (size_t i = 0; i < n; i += BLOCK) {
        size_t end = n - i < BLOCK ? n : i + BLOCK;
        uint32_t bad = 0, u;
        for (size_t k = i; k < end; k++) {
            memcpy(&u, &x[k], sizeof u);
            bad |= (u & exponent) == exponent;
        }
        for (size_t k = i; bad && k < end; k++) {
            memcpy(&u, &x[k], sizeof u);
            if ((u & exponent) == exponent)
                return k;
        }
    }
    return n;
}

static void show_shape(char *to, size_t n, int rank, const int64_t *shape)
{
    size_t at = 0;
    snprintf(to, n, "[]");
    for (int i = 0; i < rank && at < n; i++)
        at += (size_t)snprintf(to + at, n - at, "%s%lld%s", i ? ", " : "[", (long long)shape[i],
                               i == rank - 1 ? "]" : "");
}

const struct st_tensor *safetensors_expect(const struct safetensors *st, const char *name,
                                           int rank, const int64_t *shape, struct err *e)
{
    char want[200], got[200];
    const struct st_tensor *t = safetensors_find(st, name);
    show_shape(want, sizeof want, rank, shape);
    if (!t) {
        err_set(e, "%s: no tensor '%.200s' of shape %s among %zu: another model's file?", st->path,
                name, want, st->h.count);
        return NULL;
    }
    show_shape(got, sizeof got, t->rank, t->shape);
    if (t->rank != rank || memcmp(t->shape, shape, (size_t)rank * sizeof *shape) != 0)
        err_set(e, "%s: tensor '%.200s' has shape %s, expected %s: another model's file?",
                st->path, name, got, want);
    else if (t->dtype == ST_I64)
        err_set(e, "%s: tensor '%.200s' is I64, expected F32, F16 or BF16", st->path, name);
    else
        return t;
    return NULL;
}

int safetensors_part(float *out, const struct st_tensor *t, size_t first, size_t count,
                     struct err *e)
{
    assert(first <= t->count && count <= t->count - first && t->dtype != ST_I64);
    convert(out, t, first, count);
    size_t bad = first_wild(out, count);
    if (bad < count)
        return err_set(e, "%s: tensor '%.200s' holds NaN or infinity at element %zu of %zu: "
                          "broken weights, download the file again",
                       t->path, t->name, first + bad, t->count);
    return 0;
}

void safetensors_forget(const struct st_tensor *t)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), at = (size_t)(uintptr_t)t->data;
    size_t first = (at + page - 1) / page * page, end = (at + t->bytes) / page * page;
    if (end > first)
        madvise((void *)(uintptr_t)first, end - first, MADV_DONTNEED);
}

int safetensors_load(float *out, const struct safetensors *st, const char *name, int rank,
                     const int64_t *shape, struct err *e)
{
    const struct st_tensor *t = safetensors_expect(st, name, rank, shape, e);
    return t ? safetensors_part(out, t, 0, t->count, e) : -1;
}
