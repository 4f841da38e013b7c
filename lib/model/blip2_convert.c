/* SPDX-License-Identifier: MIT */
#include "model/blip2_convert.h"
#include "base/quick.h"
#include "base/team.h"
#include "base/util.h"
#include "model/blip2_tensors.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

_Static_assert(sizeof(struct blip2_header) <= BLIP2_HEADER_BYTES, "the header is one page");

/* The last digit is the version of the layout. */
static const char magic[8] = "mmPACK1";

/* ---- header ---- */

static int64_t check_of(const struct blip2_header *h)
{
    struct quick *q = quick_new();
    quick_add(q, h, offsetof(struct blip2_header, check));
    int64_t check = quick_end(q);
    quick_free(q);
    return check;
}

void blip2_header_sizes(struct blip2_header *h, const struct blip2_shape *s, enum panel_kind kind)
{
    const struct block_shape *v = &s->vit.block, *o = &s->opt.block;
    const int32_t size[] = {(int32_t)kind, v->D, v->heads, v->F, s->vit.layers, s->vit.side,
                            s->vit.patch, s->qformer.D, s->qformer.heads, s->qformer.F,
                            s->qformer.layers, s->qformer.queries, s->qformer.every, o->D,
                            o->heads, o->F, s->opt.layers, s->opt.positions};
    memset(h, 0, sizeof *h);
    memcpy(h->magic, magic, sizeof magic);
    memcpy(h->sizes, size, sizeof size);
}

/* Whether the checkpoint has an output layer that is not the table of words. */
static int is_untied(const struct shards *s, const struct st_tensor *words)
{
    const struct st_tensor *head = shards_find(s, BLIP2_HEAD);
    return head && (head->bytes != words->bytes || head->dtype != words->dtype ||
                    memcmp(head->data, words->data, words->bytes) != 0);
}

int blip2_header_make(struct blip2_header *h, struct blip2_shape *shape, const struct shards *s,
                      enum panel_kind kind, const char *dir, struct err *e)
{
    const struct st_tensor *words = shards_find(s, BLIP2_WORDS);
    if (!words || words->rank != 2 || words->shape[0] < 4 || words->shape[0] > 1 << 20)
        return err_set(e, "%s: the weights have no table '%s' of words: not a BLIP-2 with OPT", dir,
                       BLIP2_WORDS);
    if (shards_files(s) > BLIP2_FILES)
        return err_set(e, "%s: %zu files of weights, at most %d expected", dir, shards_files(s),
                       BLIP2_FILES);
    shape->opt.vocab = (int)words->shape[0];
    blip2_header_sizes(h, shape, kind);
    h->vocab = (uint32_t)words->shape[0];
    h->untied = (uint32_t)is_untied(s, words);
    for (size_t i = 0; i < shards_files(s); i++) {
        const struct st_file *f = shards_file(s, i);
        h->files[i].bytes = f->bytes;
        h->files[i].inode = f->inode;
        h->files[i].mtime_ns = f->mtime_ns;
    }
    return 0;
}

int blip2_header_read(struct blip2_header *h, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = fd < 0 ? -1 : pread(fd, h, sizeof *h, 0);
    if (fd >= 0)
        close(fd);
    return n == (ssize_t)sizeof *h && memcmp(h->magic, magic, sizeof magic) == 0 &&
                   h->vocab >= 4 && h->vocab <= 1 << 20 && h->check == check_of(h)
               ? 0 : -1;
}

void blip2_header_touch(const char *path, const struct blip2_header *h)
{
    struct blip2_header now = *h;
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    now.check = check_of(&now);
    if (fd < 0 || pwrite(fd, &now, sizeof now, 0) != (ssize_t)sizeof now)
        debug("%s: cannot be marked with the new times of the weights", path);
    if (fd >= 0)
        close(fd);
}

/* ---- one tensor ---- */

struct packing {
    const struct blip2_list *list;
    const struct shards *s;
    const struct blip2_tell *tell;
    enum panel_kind kind;
    char *base;
    int64_t *digest;
    float **rows; /* [threads] */
    pthread_mutex_t lock; /* of the following */
    uint64_t done, total;
    int failed, stopped;
    struct err why;
};

/* LAVIS has the biases of q and v alone; that of k is zero. */
static int join_biases(float *to, const struct packing *p, const struct blip2_tensor *t,
                       struct err *e)
{
    static const char *const half[] = {"q_bias", "v_bias"};
    size_t n = (size_t)t->rows / 3, stem = strlen(t->name[0]) - strlen("qkv.bias");
    memset(to, 0, (size_t)t->rows * sizeof *to);
    for (size_t i = 0; i < 2; i++) {
        char name[128];
        snprintf(name, sizeof name, "%.*s%s", (int)stem, t->name[0], half[i]);
        if (shards_load(to + 2 * i * n, p->s, name, 1, &(int64_t){(int64_t)n}, e) < 0)
            return -1;
    }
    return 0;
}

static int ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

static int pack_floats(struct packing *p, const struct blip2_tensor *t, struct err *e)
{
    float *to = (float *)(void *)(p->base + t->at);
    if (ends_with(t->name[0], ".self_attn.qkv.bias") && !shards_find(p->s, t->name[0]))
        return join_biases(to, p, t, e);
    size_t each = (size_t)t->rows * (size_t)t->cols / (size_t)t->parts;
    for (int i = 0; i < t->parts; i++)
        if (shards_load(to + (size_t)i * each, p->s, t->name[i], t->rank, t->shape, e) < 0)
            return -1;
    return 0;
}

/* The sources of a matrix, each of the right shape. */
static int find_sources(const struct st_tensor *source[BLIP2_PARTS], const struct packing *p,
                        const struct blip2_tensor *t, struct err *e)
{
    for (int i = 0; i < t->parts; i++)
        if (!(source[i] = shards_expect(p->s, t->name[i], t->rank, t->shape, e)))
            return -1;
    return 0;
}

static int pack_panels(struct packing *p, const struct blip2_tensor *t, float *rows,
                       struct err *e)
{
    const struct st_tensor *source[BLIP2_PARTS];
    int each = t->rows / t->parts;
    size_t cols = (size_t)t->cols;
    char *to = p->base + t->at;
    if (find_sources(source, p, t, e) < 0)
        return -1;
    for (int first = 0; first < t->rows; first += PANEL_COLS, to += panel_bytes(t->cols, p->kind)) {
        int n = t->rows - first < PANEL_COLS ? t->rows - first : PANEL_COLS;
        for (int r = 0; r < n;) { /* a panel may span two sources */
            int row = first + r, k = row / each, from = row % each;
            int m = each - from < n - r ? each - from : n - r;
            if (safetensors_part(rows + (size_t)r * cols, source[k], (size_t)from * cols,
                                 (size_t)m * cols, e) < 0)
                return -1;
            r += m;
        }
        panel_pack(to, rows, n, t->cols, p->kind);
    }
    for (int i = 0; i < t->parts; i++)
        safetensors_forget(source[i]);
    return 0;
}

/* ---- all of them ---- */

/* Pages that are written need not stay in this process. */
static void let_go(char *from, size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), start = (size_t)(uintptr_t)from;
    size_t first = (start + page - 1) / page * page, end = (start + bytes) / page * page;
    if (end > first)
        madvise((void *)(uintptr_t)first, end - first, MADV_DONTNEED);
}

static void report(struct packing *p, const struct blip2_tensor *t, int rc, const struct err *e)
{
    pthread_mutex_lock(&p->lock);
    p->done += t->bytes;
    if (rc < 0 && !p->failed)
        p->why = *e;
    p->failed |= rc < 0;
    if (p->tell->tell && p->tell->tell(p->tell->ctx, "packing weights", p->done, p->total))
        p->stopped = 1;
    pthread_mutex_unlock(&p->lock);
}

static int is_over(struct packing *p)
{
    pthread_mutex_lock(&p->lock);
    int over = p->failed || p->stopped;
    pthread_mutex_unlock(&p->lock);
    return over;
}

static void pack_one(void *ctx, int i, int thread)
{
    struct packing *p = ctx;
    const struct blip2_tensor *t = &p->list->tensor[i];
    struct err e;
    if (is_over(p))
        return;
    int rc = t->panels ? pack_panels(p, t, p->rows[thread], &e) : pack_floats(p, t, &e);
    if (rc == 0) {
        struct quick *q = quick_new();
        quick_add(q, p->base + t->at, t->bytes);
        p->digest[i] = quick_end(q);
        quick_free(q);
        let_go(p->base + t->at, t->bytes);
    }
    report(p, t, rc, &e);
}

static int pack_all(struct packing *p, int threads, int widest, struct err *e)
{
    struct team *team = team_new(threads);
    pthread_mutex_init(&p->lock, NULL);
    p->rows = xcalloc((size_t)threads, sizeof *p->rows);
    for (int i = 0; i < threads; i++)
        p->rows[i] = xcalloc((size_t)PANEL_COLS * (size_t)widest, sizeof **p->rows);
    team_run(team, pack_one, p, p->list->n);
    team_free(team);
    for (int i = 0; i < threads; i++)
        free(p->rows[i]);
    free(p->rows);
    pthread_mutex_destroy(&p->lock);
    if (p->failed)
        *e = p->why;
    else if (p->stopped)
        err_set(e, "interrupted");
    return p->failed || p->stopped ? -1 : 0;
}

int blip2_convert(const char *path, const struct blip2_weights *w, const struct shards *s,
                  const struct blip2_header *h, int threads, const struct blip2_tell *tell,
                  struct err *e)
{
    struct blip2_weights own = {.shape = w->shape};
    struct blip2_list l;
    struct mapped m;
    struct blip2_header head = *h;
    int widest = 1;
    blip2_tensors_list(&l, &own, (enum panel_kind)h->sizes[0], (int)h->untied);
    for (int i = 0; i < l.n; i++)
        widest = l.tensor[i].cols > widest ? l.tensor[i].cols : widest;
    int rc = mapped_new(&m, path, l.bytes, e);
    if (rc == 0) {
        struct packing p = {.list = &l, .s = s, .tell = tell, .base = m.data, .total = l.bytes};
        p.kind = (enum panel_kind)h->sizes[0];
        p.digest = (int64_t *)(void *)(p.base + l.bytes - (size_t)l.n * sizeof *p.digest);
        rc = pack_all(&p, threads, widest, e);
        head.check = check_of(&head);
        memcpy(m.data, &head, sizeof head);
        if (rc == 0)
            rc = mapped_keep(&m, e);
        mapped_release(&m);
    }
    blip2_tensors_release(&l);
    free(own.vit.layer);
    free(own.qformer.layer);
    free(own.opt.layer);
    return rc;
}
