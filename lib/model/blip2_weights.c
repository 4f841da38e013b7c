/* SPDX-License-Identifier: MIT */
#include "model/blip2_weights.h"
#include "base/buf.h"
#include "base/quick.h"
#include "base/team.h"
#include "base/util.h"
#include "model/blip2_convert.h"
#include "model/blip2_tensors.h"
#include "nn/shards.h"
#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum panel_kind kind_of(enum gemm_precision precision)
{
    return precision == GEMM_F32 ? PANEL_F32 : PANEL_HALF; /* PANEL_DOT lies the same way */
}

/* ---- which packed file ---- */

/* A packed file that may do, and its header. */
struct found {
    char *path;
    struct blip2_header h;
};

/* Where packed files may lie: beside the weights, then the user's folder for such things. */
static char *folder(const char *dir, int i)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (i == 0)
        return xstrdup(dir);
    if (i == 1 && cache && *cache == '/')
        return xasprintf("%s/mmrec", cache);
    if (i == 1 && home && *home == '/')
        return xasprintf("%s/.cache/mmrec", home);
    return NULL;
}

static int is_packed_name(const char *name, enum gemm_precision precision)
{
    char start[32];
    int n = snprintf(start, sizeof start, "packed-%s-", precision == GEMM_F32 ? "f32" : "bf16");
    size_t len = strlen(name);
    return strncmp(name, start, (size_t)n) == 0 && len > 3 && strcmp(name + len - 3, ".mm") == 0;
}

/* Looks at every packed file of the folders until accept says 1. */
static int search(struct found *f, const char *dir, enum gemm_precision precision,
                  int (*accept)(const struct blip2_header *h, const struct blip2_header *want),
                  const struct blip2_header *want)
{
    char *where;
    *f = (struct found){.path = NULL};
    for (int i = 0; !f->path && (where = folder(dir, i)); i++) {
        DIR *d = opendir(where);
        for (struct dirent *entry; d && !f->path && (entry = readdir(d));) {
            char *path = xasprintf("%s/%s", where, entry->d_name);
            if (is_packed_name(entry->d_name, precision) &&
                blip2_header_read(&f->h, path) == 0 &&
                memcmp(f->h.sizes, want->sizes, sizeof want->sizes) == 0 && accept(&f->h, want))
                f->path = path;
            else
                free(path);
        }
        if (d)
            closedir(d);
        free(where);
    }
    return f->path ? 0 : -1;
}

static int of_these_files(const struct blip2_header *h, const struct blip2_header *want)
{
    return memcmp(h->files, want->files, sizeof h->files) == 0 && h->untied == want->untied;
}

static int of_this_digest(const struct blip2_header *h, const struct blip2_header *want)
{
    return memcmp(h->digest, want->digest, sizeof h->digest) == 0;
}

static int any(const struct blip2_header *h, const struct blip2_header *want)
{
    (void)h, (void)want;
    return 1;
}

/* ---- using one ---- */

struct check {
    const struct blip2_list *list;
    const char *base;
    const int64_t *want; /* [n] */
    atomic_int wrong;    /* the first one, from 1 */
};

static int64_t digest_of(const void *p, size_t n)
{
    struct quick *h = quick_new();
    quick_add(h, p, n);
    int64_t digest = quick_end(h);
    quick_free(h);
    return digest;
}

static void check_one(void *ctx, int i, int thread)
{
    struct check *c = ctx;
    const struct blip2_tensor *t = &c->list->tensor[i];
    (void)thread;
    if (digest_of(c->base + t->at, t->bytes) != c->want[i])
        atomic_store(&c->wrong, i + 1);
}

static void point_into(struct blip2_weights *w, const struct blip2_list *l)
{
    for (int i = 0; i < l->n; i++)
        *l->tensor[i].to = (const char *)w->map.data + l->tensor[i].at;
    if (!w->opt.head.w)
        w->opt.head = w->opt.words;
}

static void forget_layers(struct blip2_weights *w)
{
    free(w->vit.layer);
    free(w->qformer.layer);
    free(w->opt.layer);
    w->vit.layer = NULL;
    w->qformer.layer = NULL;
    w->opt.layer = NULL;
}

/* Maps the file and checks its bytes. 1: it is damaged or of another model. */
static int use(struct blip2_weights *w, const struct found *f, int threads, struct err *e)
{
    struct blip2_list l;
    w->shape.opt.vocab = (int)f->h.vocab;
    blip2_tensors_list(&l, w, (enum panel_kind)f->h.sizes[0], (int)f->h.untied);
    int rc = mapped_open(&w->map, f->path, e);
    if (rc == 0 && w->map.bytes != l.bytes)
        rc = 1;
    if (rc == 0) {
        struct check c = {.list = &l, .base = w->map.data};
        struct team *team = team_new(threads);
        c.want = (const int64_t *)(const void *)(c.base + l.bytes - (size_t)l.n * sizeof *c.want);
        team_run(team, check_one, &c, l.n);
        team_free(team);
        rc = atomic_load(&c.wrong) != 0;
    }
    if (rc == 0) {
        memcpy(w->digest, f->h.digest, sizeof w->digest);
        point_into(w, &l);
    } else {
        mapped_release(&w->map);
        forget_layers(w);
    }
    blip2_tensors_release(&l);
    return rc;
}

/* ---- making one ---- */

/* Where the new file goes: the first folder that can be written. */
static char *new_path(const char *dir, const char *name)
{
    char *where;
    for (int i = 0; (where = folder(dir, i)); i++) {
        if (i > 0) {
            char *slash = strrchr(where, '/'); /* ~/.cache, then mmrec in it */
            *slash = 0;
            mkdir(where, 0777);
            *slash = '/';
            mkdir(where, 0777);
        }
        char *path = xasprintf("%s/%s", where, name);
        int good = access(where, W_OK) == 0;
        free(where);
        if (good)
            return path;
        free(path);
    }
    return NULL;
}

static int convert(struct found *f, struct blip2_weights *w, struct shards *s, const char *dir,
                   enum gemm_precision precision, const struct blip2_header *h, int threads,
                   const struct blip2_tell *tell, struct err *e)
{
    char hex[SHA256_HEX], name[64];
    sha256_hex(hex, h->digest);
    snprintf(name, sizeof name, "packed-%s-%.16s.mm", precision == GEMM_F32 ? "f32" : "bf16", hex);
    *f = (struct found){new_path(dir, name), *h};
    if (!f->path)
        return err_set(e, "%s: cannot be written, nor can a folder for caches ($XDG_CACHE_HOME, "
                       "~/.cache): no place for the packed weights", dir);
    return blip2_convert(f->path, w, s, h, threads, tell, e);
}

static int tell_hash(void *ctx, uint64_t done, uint64_t total)
{
    const struct blip2_tell *t = ctx;
    return t->tell ? t->tell(t->ctx, "reading weights", done, total) : 0;
}

/* The digest that a line of SHA256SUMS has for a file of that name, as 64 hex digits, or NULL. */
static const char *noted(const char *sums, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = sums; *p; p += strcspn(p, "\n"), p += *p == '\n')
        if (strspn(p, "0123456789abcdef") == 64 && p[64] == ' ' &&
            strncmp(p + 66, name, n) == 0 && strchr("\r\n", p[66 + n]))
            return p;
    return NULL;
}

/* Where the folder says which bytes its files should have, they must have them. */
static int check_sums(const struct shards *s, const char *dir, struct err *e)
{
    struct buf sums = {0};
    struct err none;
    char *path = xasprintf("%s/SHA256SUMS", dir), hex[SHA256_HEX];
    int rc = 0;
    if (buf_read_file(&sums, path, 1 << 20, &none) == 0)
        for (size_t i = 0; rc == 0 && i < shards_files(s); i++) {
            const char *file = shards_file(s, i)->path;
            const char *want = noted(buf_str(&sums), strrchr(file, '/') + 1);
            sha256_hex(hex, shards_file_digest(s, i));
            if (want && strncmp(want, hex, 64) != 0)
                rc = err_set(e, "%s: has another digest than SHA256SUMS says: download it again, "
                             "or take its line out", file);
        }
    buf_release(&sums);
    free(path);
    return rc;
}

/* By the files' sizes and times, else by their digest, else made anew. */
static int from_shards(struct blip2_weights *w, const char *dir, enum gemm_precision precision,
                       int threads, const struct blip2_tell *tell, struct err *e)
{
    struct shards *s = shards_open(dir, e);
    struct blip2_header h;
    struct found f = {.path = NULL};
    int rc = s ? blip2_header_make(&h, &w->shape, s, kind_of(precision), dir, e) : -1;
    if (rc == 0 && search(&f, dir, precision, of_these_files, &h) == 0)
        rc = use(w, &f, threads, e);
    else if (rc == 0)
        rc = 1;
    if (rc == 1) { /* no file, or a damaged one */
        free(f.path);
        f.path = NULL;
        err_set(e, "interrupted");
        rc = shards_digest(h.digest, s, tell_hash, (void *)(uintptr_t)tell);
        if (rc == 0)
            rc = check_sums(s, dir, e);
        if (rc == 0 && search(&f, dir, precision, of_this_digest, &h) == 0 &&
            use(w, &f, threads, e) == 0) {
            blip2_header_touch(f.path, &h); /* the same weights under other times */
        } else if (rc == 0) {
            free(f.path);
            rc = convert(&f, w, s, dir, precision, &h, threads, tell, e);
            if (rc == 0 && (rc = use(w, &f, threads, e)) > 0)
                rc = err_set(e, "%s: not what was written: the disk or the memory is at fault",
                             f.path);
        }
    }
    free(f.path);
    shards_close(s);
    return rc;
}

static int from_packed(struct blip2_weights *w, const char *dir, enum gemm_precision precision,
                       int threads, struct err *e)
{
    struct found f;
    struct blip2_header want;
    blip2_header_sizes(&want, &w->shape, kind_of(precision));
    if (search(&f, dir, precision, any, &want) < 0)
        return err_set(e, "%s: no model.safetensors, no index of shards and no packed weights; "
                       "'make models BLIP2=1' fetches them", dir);
    int rc = use(w, &f, threads, e);
    if (rc > 0)
        rc = err_set(e, "%s: damaged, or of another model than config.json describes, and there "
                     "are no safetensors to make it anew", f.path);
    free(f.path);
    return rc;
}

static int has_safetensors(const char *dir)
{
    char *one = xasprintf("%s/model.safetensors", dir);
    char *index = xasprintf("%s/model.safetensors.index.json", dir);
    int there = access(one, F_OK) == 0 || access(index, F_OK) == 0;
    free(one);
    free(index);
    return there;
}

int blip2_weights_digest(unsigned char digest[SHA256_BYTES], const struct blip2_shape *shape,
                         const char *dir, enum gemm_precision precision, struct err *e)
{
    struct blip2_header want;
    struct blip2_shape own = *shape;
    struct found f;
    struct shards *s = NULL;
    int rc = 0, files = has_safetensors(dir);
    blip2_header_sizes(&want, shape, kind_of(precision));
    if (files) {
        s = shards_open(dir, e);
        rc = s ? blip2_header_make(&want, &own, s, kind_of(precision), dir, e) : -1;
        shards_close(s);
    }
    if (rc == 0)
        rc = search(&f, dir, precision, files ? of_these_files : any, &want) < 0;
    if (rc == 0) {
        memcpy(digest, f.h.digest, SHA256_BYTES);
        free(f.path);
    }
    return rc;
}

int blip2_weights_there(const struct blip2_shape *shape, const char *dir,
                        enum gemm_precision precision)
{
    struct found f = {.path = NULL};
    struct blip2_header want;
    blip2_header_sizes(&want, shape, kind_of(precision));
    int there = has_safetensors(dir) || search(&f, dir, precision, any, &want) == 0;
    free(f.path);
    return there;
}

int blip2_weights_open(struct blip2_weights *w, const struct blip2_shape *shape, const char *dir,
                       enum gemm_precision precision, int threads, const struct blip2_tell *tell,
                       struct err *e)
{
    *w = (struct blip2_weights){.shape = *shape, .map = {.fd = -1}};
    int rc = has_safetensors(dir) ? from_shards(w, dir, precision, threads, tell, e)
                                  : from_packed(w, dir, precision, threads, e);
    if (rc < 0)
        blip2_weights_close(w);
    return rc;
}

void blip2_weights_close(struct blip2_weights *w)
{
    forget_layers(w);
    mapped_release(&w->map);
}

uint64_t blip2_weights_bytes(const struct blip2_shape *shape, enum gemm_precision precision)
{
    struct blip2_weights w = {.shape = *shape};
    struct blip2_list l;
    if (!w.shape.opt.vocab)
        w.shape.opt.vocab = 50304;
    blip2_tensors_list(&l, &w, kind_of(precision), 0);
    uint64_t bytes = l.bytes;
    blip2_tensors_release(&l);
    forget_layers(&w);
    return bytes;
}
