/* SPDX-License-Identifier: MIT */
#include "nn/shards.h"
#include "base/buf.h"
#include "base/sha256.h"
#include "base/util.h"
#include "nn/shards_index.h"
#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SINGLE "model.safetensors"
#define INDEX "model.safetensors.index.json"
#define FILES_MAX 1000
#define TENSORS_MAX 100000

struct entry {
    const struct st_tensor *t;
    size_t file; /* which of files */
};

struct shards {
    char *dir;
    struct safetensors **files; /* [count_files], by name */
    size_t count_files, cap_files;
    struct entry *entry; /* [count], by file and place in it */
    struct entry **by_name; /* [count] */
    size_t count;
    struct buf hidden; /* tensors of a second file that do not count: name, NUL, file, NUL */
    uint64_t bytes;    /* of all files */
    bool digested;
    unsigned char digest[SHA256_BYTES];
};

static int by_place(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->file != y->file)
        return x->file < y->file ? -1 : 1;
    if (x->t->data != y->t->data)
        return x->t->data < y->t->data ? -1 : 1;
    return strcmp(x->t->name, y->t->name); /* without elements: two at one place */
}

static int by_name(const void *a, const void *b)
{
    struct entry *const *x = a, *const *y = b;
    return strcmp((*x)->t->name, (*y)->t->name);
}

static void sort(struct shards *s)
{
    s->by_name = xcalloc(s->count + 1, sizeof(struct entry *));
    if (s->count == 0)
        return;
    qsort(s->entry, s->count, sizeof *s->entry, by_place);
    for (size_t i = 0; i < s->count; i++)
        s->by_name[i] = &s->entry[i];
    qsort(s->by_name, s->count, sizeof *s->by_name, by_name);
}

static const struct entry *look(const struct shards *s, const char *name)
{
    size_t lo = 0, hi = s->count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = strcmp(name, s->by_name[mid]->t->name);
        if (c == 0)
            return s->by_name[mid];
        if (c < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

/* ---- opening ---- */

static int add_file(struct shards *s, const char *name, struct err *e)
{
    char *path = xasprintf("%s/%s", s->dir, name);
    struct safetensors *st = safetensors_open(path, e);
    free(path);
    if (!st)
        return -1;
    if (s->count_files == s->cap_files) {
        s->cap_files = s->cap_files ? 2 * s->cap_files : 8;
        s->files = xrealloc(s->files, s->cap_files, sizeof(struct safetensors *));
    }
    s->files[s->count_files++] = st;
    s->bytes += safetensors_file(st)->bytes;
    return 0;
}

static int open_single(struct shards *s, struct err *e)
{
    if (add_file(s, SINGLE, e) < 0)
        return -1;
    s->count = safetensors_count(s->files[0]);
    s->entry = xcalloc(s->count + 1, sizeof *s->entry);
    for (size_t i = 0; i < s->count; i++)
        s->entry[i].t = safetensors_at(s->files[0], i);
    sort(s);
    return 0;
}

/* The files of the index, each once: its names are sorted by file. */
static int open_files(struct shards *s, const struct shards_index *x, struct err *e)
{
    struct err why;
    size_t tensors = 0;
    for (size_t i = 0; i < x->count; i++) {
        const char *file = x->at[i].file;
        if (i > 0 && strcmp(file, x->at[i - 1].file) == 0)
            continue;
        if (s->count_files == FILES_MAX)
            return err_set(e, "%s/" INDEX ": more than %d files", s->dir, FILES_MAX);
        if (add_file(s, file, &why) < 0)
            return err_set(e, "%s%s (" INDEX " names that file)", why.text,
                           strstr(why.text, "download") ? "" : "; download it again");
        /* Before the next header is read: what the index names is bounded, the rest is not. */
        tensors += safetensors_count(s->files[s->count_files - 1]);
        if (tensors > TENSORS_MAX)
            return err_set(e, "%s: more than %d tensors in the files of " INDEX, s->dir,
                           TENSORS_MAX);
    }
    return 0;
}

static int find_named(struct shards *s, const struct shards_index *x, struct err *e)
{
    s->entry = xcalloc(x->count, sizeof *s->entry);
    for (size_t i = 0, file = 0; i < x->count; i++) {
        const struct shards_name *n = &x->at[i];
        file += i > 0 && strcmp(n->file, x->at[i - 1].file) != 0;
        const struct st_tensor *t = safetensors_find(s->files[file], n->tensor);
        if (!t)
            return err_set(e, "%s: no tensor '%.200s', which " INDEX " says is in it: files of "
                              "different versions, download all of them again",
                           safetensors_file(s->files[file])->path, n->tensor);
        s->entry[s->count++] = (struct entry){t, file};
    }
    sort(s);
    return 0;
}

/* What the files hold beyond what the index names. */
static int check_rest(struct shards *s, struct err *e)
{
    for (size_t f = 0; f < s->count_files; f++)
        for (size_t i = 0; i < safetensors_count(s->files[f]); i++) {
            const struct st_tensor *t = safetensors_at(s->files[f], i);
            const struct entry *n = look(s, t->name);
            if (!n)
                return err_set(e, "%s: tensor '%.200s' is not in " INDEX ": files of different "
                                  "versions, download all of them again",
                               safetensors_file(s->files[f])->path, t->name);
            if (n->t != t)
                buf_addf(&s->hidden, "%s%c%zu%c", t->name, 0, f, 0);
        }
    return 0;
}

static int open_index(struct shards *s, const char *path, struct err *e)
{
    struct shards_index x = {0};
    int rc = shards_index_read(&x, path, e);
    if (rc == 0)
        rc = open_files(s, &x, e);
    if (rc == 0)
        rc = find_named(s, &x, e);
    if (rc == 0)
        rc = check_rest(s, e);
    shards_index_release(&x);
    return rc;
}

/* A file that is there counts, also one that cannot be read: going on to the index would take
 * other weights than those that were put there. */
static bool is_there(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

struct shards *shards_open(const char *dir, struct err *e)
{
    struct shards *s = xcalloc(1, sizeof *s);
    s->dir = xstrdup(dir);
    char *single = xasprintf("%s/" SINGLE, dir), *index = xasprintf("%s/" INDEX, dir);
    int rc;
    if (is_there(single))
        rc = open_single(s, e);
    else if (is_there(index))
        rc = open_index(s, index, e);
    else
        rc = err_set(e, "%s: neither " SINGLE " nor " INDEX " in it", dir);
    free(single);
    free(index);
    if (rc == 0)
        return s;
    shards_close(s);
    return NULL;
}

/* Of the files that an index names. */
static int files_there(const char *dir, const char *index, struct err *e)
{
    struct shards_index x = {0};
    size_t files = 0, there = 0;
    int rc = shards_index_read(&x, index, e);
    for (size_t i = 0; rc == 0 && i < x.count; i++) {
        if (i > 0 && strcmp(x.at[i].file, x.at[i - 1].file) == 0)
            continue;
        char *path = xasprintf("%s/%s", dir, x.at[i].file);
        files++;
        if (is_there(path))
            there++;
        else
            err_set(e, "%s: is missing", path);
        free(path);
    }
    shards_index_release(&x);
    return rc < 0 || (there > 0 && there < files) ? -1 : there > 0;
}

int shards_there(const char *dir, struct err *e)
{
    char *single = xasprintf("%s/" SINGLE, dir), *index = xasprintf("%s/" INDEX, dir);
    int there = is_there(single) ? 1 : is_there(index) ? files_there(dir, index, e) : 0;
    free(single);
    free(index);
    return there;
}

void shards_close(struct shards *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->count_files; i++)
        safetensors_close(s->files[i]);
    free(s->files);
    free(s->entry);
    free(s->by_name);
    buf_release(&s->hidden);
    free(s->dir);
    free(s);
}

/* ---- what is in it ---- */

size_t shards_files(const struct shards *s)
{
    return s->count_files;
}

const struct st_file *shards_file(const struct shards *s, size_t i)
{
    assert(i < s->count_files);
    return safetensors_file(s->files[i]);
}

const unsigned char *shards_file_digest(const struct shards *s, size_t i)
{
    assert(i < s->count_files && s->digested);
    return safetensors_digest(s->files[i]);
}

size_t shards_count(const struct shards *s)
{
    return s->count;
}

const struct st_tensor *shards_at(const struct shards *s, size_t i)
{
    assert(i < s->count);
    return s->entry[i].t;
}

const struct st_tensor *shards_find(const struct shards *s, const char *name)
{
    const struct entry *n = look(s, name);
    return n ? n->t : NULL;
}

const struct st_tensor *shards_expect(const struct shards *s, const char *name, int rank,
                                      const int64_t *shape, struct err *e)
{
    const struct entry *n = look(s, name);
    if (n)
        return safetensors_expect(s->files[n->file], name, rank, shape, e);
    err_set(e, "%s: no tensor '%.200s' among %zu: another model's folder?", s->dir, name,
            s->count);
    return NULL;
}

int shards_load(float *out, const struct shards *s, const char *name, int rank,
                const int64_t *shape, struct err *e)
{
    const struct st_tensor *t = shards_expect(s, name, rank, shape, e);
    return t ? safetensors_part(out, t, 0, t->count, e) : -1;
}

/* ---- digest ---- */

struct telling {
    int (*tell)(void *ctx, uint64_t done, uint64_t total);
    void *ctx;
    uint64_t before, total; /* bytes of the files before this one; of all */
};

static int tell_all(void *ctx, uint64_t done, uint64_t total)
{
    const struct telling *t = ctx;
    (void)total;
    return t->tell && t->tell(t->ctx, t->before + done, t->total);
}

int shards_digest(unsigned char digest[32], struct shards *s,
                  int (*tell)(void *ctx, uint64_t done, uint64_t total), void *ctx)
{
    struct telling t = {tell, ctx, 0, s->bytes};
    struct sha256 *h = s->digested ? NULL : sha256_new();
    for (size_t i = 0; h && i < s->count_files; i++) {
        const unsigned char *d = safetensors_digest_tell(s->files[i], tell_all, &t);
        if (!d) {
            sha256_free(h);
            return -1;
        }
        sha256_add(h, d, SHA256_BYTES);
        t.before += safetensors_file(s->files[i])->bytes;
    }
    if (h) {
        sha256_add(h, buf_str(&s->hidden), s->hidden.len);
        sha256_end(s->digest, h);
        sha256_free(h);
        s->digested = true;
    }
    memcpy(digest, s->digest, SHA256_BYTES);
    return 0;
}
