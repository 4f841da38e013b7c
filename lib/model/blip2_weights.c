/* SPDX-License-Identifier: MIT */
#include "model/blip2_weights.h"
#include "base/buf.h"
#include "base/quick.h"
#include "base/team.h"
#include "base/util.h"
#include "model/blip2_convert.h"
#include "model/blip2_tensors.h"
#include "model/sums.h"
#include "nn/shards.h"
#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum panel_kind kind_of(enum engine_precision precision)
{
    static const enum panel_kind kind[] = {PANEL_F32, PANEL_HALF, PANEL_BYTE};
    return kind[precision]; /* PANEL_DOT lies as PANEL_HALF does */
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

/* precision NULL: of any. */
static int is_packed_name(const char *name, const char *precision)
{
    char start[32];
    int n = snprintf(start, sizeof start, "packed-%s%s", precision ? precision : "",
                     precision ? "-" : "");
    size_t len = strlen(name);
    return strncmp(name, start, (size_t)n) == 0 && len > 3 && strcmp(name + len - 3, ".mm") == 0;
}

/* A look at packed files: accept says by the header which may do; then use is tried with each
 * until it says 0. */
struct look {
    enum engine_precision precision;
    int (*accept)(const struct blip2_header *h, const struct blip2_header *want);
    const struct blip2_header *want;
    int (*use)(void *ctx, const struct found *f);
    void *ctx;
};

static int is_wanted(struct found *f, const struct look *l)
{
    return blip2_header_read(&f->h, f->path) == 0 &&
           memcmp(f->h.sizes, l->want->sizes, sizeof f->h.sizes) == 0 && l->accept(&f->h, l->want);
}

/* 0: one does, and is in f; 1: none. */
static int look_in(struct found *f, const char *where, const struct look *l)
{
    DIR *d = opendir(where);
    int rc = 1;
    for (struct dirent *entry; d && rc != 0 && (entry = readdir(d));) {
        if (!is_packed_name(entry->d_name, engine_precision_name(l->precision)))
            continue;
        f->path = xasprintf("%s/%s", where, entry->d_name);
        rc = is_wanted(f, l) && (!l->use || l->use(l->ctx, f) == 0) ? 0 : 1;
        if (rc != 0) {
            free(f->path);
            f->path = NULL;
        }
    }
    if (d)
        closedir(d);
    return rc;
}

/* In the model's folder and in that for caches. */
static int look(struct found *f, const char *dir, const struct look *l)
{
    char *where;
    int rc = 1;
    *f = (struct found){.path = NULL};
    for (int i = 0; rc != 0 && (where = folder(dir, i)); i++) {
        rc = look_in(f, where, l);
        free(where);
    }
    return rc;
}

static int of_these_files(const struct blip2_header *h, const struct blip2_header *want)
{
    return memcmp(h->files, want->files, sizeof h->files) == 0 && h->untied == want->untied &&
           h->vocab == want->vocab;
}

static int of_this_digest(const struct blip2_header *h, const struct blip2_header *want)
{
    return memcmp(h->digest, want->digest, sizeof h->digest) == 0;
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

/* Maps the file and checks its bytes. -1: it is damaged, or of another model. */
static int use_file(struct blip2_weights *w, const struct found *f, int threads, struct err *e)
{
    struct blip2_list l;
    w->shape.opt.vocab = (int)f->h.vocab;
    blip2_tensors_list(&l, w, (enum panel_kind)f->h.sizes[0], (int)f->h.untied);
    int rc = mapped_open(&w->map, f->path, e);
    if (rc == 0 && w->map.bytes != l.bytes)
        rc = err_set(e, "%s: damaged: another size than its header says", f->path);
    if (rc == 0) {
        struct check c = {.list = &l, .base = w->map.data};
        struct team *team = team_new(threads);
        c.want = (const int64_t *)(const void *)(c.base + l.bytes - (size_t)l.n * sizeof *c.want);
        team_run(team, check_one, &c, l.n);
        team_free(team);
        if (atomic_load(&c.wrong))
            rc = err_set(e, "%s: damaged: not the bytes that were written", f->path);
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

struct opening {
    struct blip2_weights *w;
    int threads;
    struct err *e;
};

static int use(void *ctx, const struct found *f)
{
    const struct opening *o = ctx;
    return use_file(o->w, f, o->threads, o->e);
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

static int tell_hash(void *ctx, uint64_t done, uint64_t total)
{
    const struct blip2_tell *t = ctx;
    return t->tell ? t->tell(t->ctx, "reading weights", done, total) : 0;
}

/* Where the folder says which bytes its files should have, they must have them. */
static int check_sums(const struct shards *s, const char *dir, struct err *e)
{
    struct buf sums = {0};
    int rc = sums_read(&sums, dir, e);
    for (size_t i = 0; rc == 0 && i < shards_files(s); i++)
        rc = sums_check(&sums, shards_file(s, i)->path, shards_file_digest(s, i), e);
    buf_release(&sums);
    return rc;
}

/* Packed files of the folder that were made from other weights: nothing will use them again. */
static void drop_others(const char *dir, const struct found *f)
{
    DIR *d = opendir(dir);
    for (struct dirent *entry; d && (entry = readdir(d));) {
        struct blip2_header h;
        char *path = xasprintf("%s/%s", dir, entry->d_name);
        if (is_packed_name(entry->d_name, NULL) && blip2_header_read(&h, path) == 0 &&
            !of_this_digest(&h, &f->h) && unlink(path) == 0)
            info("%s: removed, it was made from other weights", path);
        free(path);
    }
    if (d)
        closedir(d);
}

static int convert(struct found *f, const char *dir, struct shards *s, const struct opening *o,
                   enum engine_precision precision, const struct blip2_tell *tell)
{
    char hex[SHA256_HEX], name[64];
    sha256_hex(hex, f->h.digest);
    snprintf(name, sizeof name, "packed-%s-%.16s.mm", engine_precision_name(precision), hex);
    f->path = new_path(dir, name);
    if (!f->path)
        return err_set(o->e, "%s: cannot be written, nor can a folder for caches "
                       "($XDG_CACHE_HOME, ~/.cache): no place for the packed weights", dir);
    char *where = xstrdup(f->path);
    *strrchr(where, '/') = 0;
    mapped_sweep(where, ".mm");
    free(where);
    if (blip2_convert(f->path, o->w, s, &f->h, o->threads, tell, o->e) < 0)
        return -1;
    if (use_file(o->w, f, o->threads, o->e) < 0)
        return err_set(o->e, "%s: not what was written: the disk or the memory is at fault",
                       f->path);
    drop_others(dir, f);
    return 0;
}

/* No packed file that is known to be of these files: by their digest, else made anew. */
static int by_digest(const char *dir, struct shards *s, struct blip2_header *h, struct look *l,
                     const struct blip2_tell *tell)
{
    const struct opening *o = l->ctx;
    struct found f;
    err_set(o->e, "interrupted");
    if (shards_digest(h->digest, s, tell_hash, (void *)(uintptr_t)tell) < 0 ||
        check_sums(s, dir, o->e) < 0)
        return -1;
    l->accept = of_this_digest;
    int rc = look(&f, dir, l);
    if (rc == 0) {
        blip2_header_touch(f.path, h); /* the same weights under other times */
    } else {
        o->w->shape.opt.vocab = (int)h->vocab; /* after a look at damaged ones */
        f.h = *h;
        rc = convert(&f, dir, s, o, l->precision, tell);
    }
    free(f.path);
    return rc;
}

/* By the files' sizes and times, else as by_digest. */
static int from_shards(const char *dir, enum engine_precision precision, struct opening *o,
                       const struct blip2_tell *tell)
{
    struct shards *s = shards_open(dir, o->e);
    struct blip2_header h;
    struct found f = {.path = NULL};
    struct look l = {precision, of_these_files, &h, use, o};
    int rc = s ? blip2_header_make(&h, &o->w->shape, s, kind_of(precision), dir, o->e) : -1;
    if (rc == 0 && look(&f, dir, &l) != 0)
        rc = by_digest(dir, s, &h, &l, tell);
    free(f.path);
    shards_close(s);
    return rc;
}

/* ---- without safetensors ---- */

static int first_one(const struct blip2_header *h, const struct blip2_header *want)
{
    (void)h, (void)want;
    return 1;
}

static int of_other_digest(const struct blip2_header *h, const struct blip2_header *want)
{
    return !of_this_digest(h, want);
}

/* The packed file that stands for the weights: one beside config.json. Two of different weights
 * would leave it to chance which model that folder is. 1: there is none. */
static int find_packed(struct found *f, const char *dir, const struct blip2_header *want,
                       enum engine_precision precision, struct err *e)
{
    struct found other = {.path = NULL};
    struct look l = {precision, first_one, want, NULL, NULL};
    if (look_in(f, dir, &l) != 0)
        return 1;
    struct look again = {precision, of_other_digest, &f->h, NULL, NULL};
    if (look_in(&other, dir, &again) == 0)
        return err_set(e, "%s and %s: packed from different weights, and there are no safetensors "
                       "to tell which is meant: remove one", f->path, other.path);
    return 0;
}

static int from_packed(const char *dir, enum engine_precision precision, struct opening *o)
{
    struct found f = {.path = NULL};
    struct blip2_header want;
    struct err why = {{0}};
    blip2_header_sizes(&want, &o->w->shape, kind_of(precision));
    int rc = find_packed(&f, dir, &want, precision, o->e);
    if (rc > 0 && shards_there(dir, &why) < 0)
        rc = err_set(o->e, "%s", why.text);
    if (rc > 0)
        rc = err_set(o->e, "%s: no model.safetensors, no shards that an index names and no packed "
                     "weights (%s); 'make models BLIP2=1' fetches the published ones", dir,
                     engine_precision_name(precision));
    if (rc == 0 && use_file(o->w, &f, o->threads, &why) < 0)
        rc = err_set(o->e, "%s; there are no safetensors to make it anew", why.text);
    free(f.path);
    return rc;
}

/* ---- all of it ---- */

int blip2_weights_digest(unsigned char digest[SHA256_BYTES], const struct blip2_shape *shape,
                         const char *dir, enum engine_precision precision, struct err *e)
{
    struct blip2_header want;
    struct blip2_shape own = *shape;
    struct found f = {.path = NULL};
    int rc, files = shards_there(dir, e) != 0;
    blip2_header_sizes(&want, shape, kind_of(precision));
    if (files) {
        struct shards *s = shards_open(dir, e);
        struct look l = {precision, of_these_files, &want, NULL, NULL};
        rc = s ? blip2_header_make(&want, &own, s, kind_of(precision), dir, e) : -1;
        shards_close(s);
        if (rc == 0)
            rc = look(&f, dir, &l);
    } else {
        rc = find_packed(&f, dir, &want, precision, e);
    }
    if (rc == 0)
        memcpy(digest, f.h.digest, SHA256_BYTES);
    free(f.path);
    return rc;
}

int blip2_weights_there(const struct blip2_shape *shape, const char *dir,
                        enum engine_precision precision, struct err *e)
{
    struct found f = {.path = NULL};
    struct blip2_header want;
    struct err why;
    blip2_header_sizes(&want, shape, kind_of(precision));
    int there = shards_there(dir, e);
    if (there != 1 && find_packed(&f, dir, &want, precision, &why) != 1)
        there = 1;
    free(f.path);
    return there;
}

int blip2_weights_open(struct blip2_weights *w, const struct blip2_shape *shape, const char *dir,
                       enum engine_precision precision, int threads, const struct blip2_tell *tell,
                       struct err *e)
{
    struct opening o = {w, threads, e};
    *w = (struct blip2_weights){.shape = *shape, .map = {.fd = -1}};
    int rc = shards_there(dir, e) != 0 ? from_shards(dir, precision, &o, tell)
                                       : from_packed(dir, precision, &o);
    if (rc < 0)
        blip2_weights_close(w);
    return rc;
}

void blip2_weights_close(struct blip2_weights *w)
{
    forget_layers(w);
    mapped_release(&w->map);
}

uint64_t blip2_weights_bytes(const struct blip2_shape *shape, enum engine_precision precision)
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
