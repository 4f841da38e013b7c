/* SPDX-License-Identifier: MIT */
#include "model/filter.h"
#include "base/buf.h"
#include "base/util.h"
#include "source/jsonval.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINES_A_THREAD 1024
#define BYTES_A_THREAD ((size_t)1 << 20)
#define MAX_LINE ((size_t)16 << 20)
#define MAX_PHOTO ((size_t)64 << 20)

struct item {
    struct buf in, out; /* a line or a path; a JSON line */
    int failed;
    struct err err;
};

struct batch {
    const struct filter *f;
    struct item *item;
    int n, cap;
    int *group; /* [cap + 1] first item of each group, then n */
    int groups;
    atomic_int next;
    int64_t first; /* number of item[0] in the input, from 1 */
};

struct worker {
    struct batch *batch;
    pthread_t thread;
    void *scratch;
};

/* ---- one item ---- */

static void put_vector(struct buf *b, const float *v, int n)
{
    for (int i = 0; i < n; i++)
        buf_addf(b, "%c%.9g", i ? ',' : '[', (double)v[i]);
    buf_adds(b, "]\n");
}

static void put_ids(struct item *it, const struct filter *f)
{
    int *ids, n = encoder_ids(&ids, buf_str(&it->in), it->in.len, f->encoder);
    for (int i = 0; i < n; i++)
        buf_addf(&it->out, "%c%d", i ? ',' : '[', ids[i]);
    buf_adds(&it->out, "]\n");
    free(ids);
}

/* The line is a JSON string: decoded in place. */
static void read_json(struct item *it)
{
    struct jsonval j;
    struct jsonval_text t = {0};
    buf_reserve(&it->in, 1);
    it->in.data[it->in.len] = 0;
    if (strlen(it->in.data) != it->in.len) {
        it->failed = 1;
        err_set(&it->err, "a NUL byte inside");
        return;
    }
    jsonval_begin(&j, it->in.data, it->in.len);
    if (jsonval_scalar(&j, &t) < 0 || jsonval_end(&j) < 0 || t.kind != JSONVAL_STRING) {
        it->failed = 1;
        err_set(&it->err, "no JSON string: %s", j.why ? j.why : "another kind of value");
        return;
    }
    memmove(it->in.data, t.s, t.n);
    it->in.len = t.n;
}

static void do_texts(struct item *it, int n, const struct filter *f, void *scratch)
{
    int dim = encoder_dim(f->encoder), k = 0;
    float *v = xcalloc((size_t)n * (size_t)dim, sizeof *v), **out = xcalloc((size_t)n, sizeof *out);
    const char **text = xcalloc((size_t)n, sizeof *text);
    size_t *len = xcalloc((size_t)n, sizeof *len);
    for (int i = 0; i < n; i++) {
        if (!it[i].failed && f->json)
            read_json(&it[i]);
        if (it[i].failed)
            continue;
        text[k] = buf_str(&it[i].in);
        len[k] = it[i].in.len;
        out[k] = v + (size_t)k * (size_t)dim;
        k++;
    }
    encoder_texts(out, text, len, k, f->encoder, scratch);
    for (int i = 0, r = 0; i < n; i++)
        if (!it[i].failed)
            put_vector(&it[i].out, out[r++], dim);
    free(v);
    free(out);
    free(text);
    free(len);
}

static void do_ids(struct item *it, int n, const struct filter *f)
{
    for (int i = 0; i < n; i++) {
        if (!it[i].failed && f->json)
            read_json(&it[i]);
        if (!it[i].failed)
            put_ids(&it[i], f);
    }
}

static void do_image(struct item *it, const struct filter *f, void *scratch)
{
    struct buf b = {0};
    struct image img = {0};
    int dim = encoder_dim(f->encoder);
    float *v = xcalloc((size_t)dim, sizeof *v);
    it->failed = buf_read_file(&b, buf_str(&it->in), MAX_PHOTO, &it->err) < 0 ||
                 image_decode(&img, b.data, b.len, &it->err) < 0;
    if (!it->failed) {
        encoder_image(v, &img, f->encoder, scratch);
        put_vector(&it->out, v, dim);
    }
    image_release(&img);
    buf_release(&b);
    free(v);
}

/* ---- a batch ---- */

static void *work(void *arg)
{
    struct worker *w = arg;
    struct batch *b = w->batch;
    for (int g; (g = atomic_fetch_add(&b->next, 1)) < b->groups;) {
        struct item *it = &b->item[b->group[g]];
        int n = b->group[g + 1] - b->group[g];
        if (b->f->ids)
            do_ids(it, n, b->f);
        else
            do_texts(it, n, b->f, w->scratch);
    }
    return NULL;
}

static void *work_images(void *arg)
{
    struct worker *w = arg;
    struct batch *b = w->batch;
    for (int i; (i = atomic_fetch_add(&b->next, 1)) < b->n;)
        do_image(&b->item[i], b->f, w->scratch);
    return NULL;
}

static void group(struct batch *b)
{
    size_t bytes = ENCODER_GROUP_BYTES;
    b->groups = 0;
    for (int i = 0; i < b->n; i++) {
        if (bytes >= ENCODER_GROUP_BYTES) {
            b->group[b->groups++] = i;
            bytes = 0;
        }
        bytes += b->item[i].in.len + 1;
    }
    b->group[b->groups] = b->n;
}

static void run(struct batch *b, struct worker *w, void *(*job)(void *))
{
    group(b);
    atomic_store(&b->next, 0);
    for (int64_t i = 0; i < b->f->threads; i++)
        if (pthread_create(&w[i].thread, NULL, job, &w[i]) != 0)
            die("cannot start a thread");
    for (int64_t i = 0; i < b->f->threads; i++)
        pthread_join(w[i].thread, NULL);
}

static void print(struct batch *b, FILE *out, struct filter *f, int named)
{
    for (int i = 0; i < b->n; i++) {
        struct item *it = &b->item[i];
        if (it->failed && named)
            warn("%s: %s", buf_str(&it->in), it->err.text);
        else if (it->failed)
            warn("line %lld: %s", (long long)(b->first + i), it->err.text);
        if (it->failed)
            fputs("null\n", out);
        else
            fwrite(it->out.data, 1, it->out.len, out);
        f->failed += it->failed;
        f->done += !it->failed;
        it->failed = 0;
        buf_clear(&it->in);
        buf_clear(&it->out);
    }
    fflush(out);
    b->first += b->n;
    b->n = 0;
}

static struct worker *batch_new(struct batch *b, struct filter *f, int cap)
{
    struct worker *w = xcalloc((size_t)f->threads, sizeof *w);
    *b = (struct batch){.f = f, .cap = cap, .first = 1};
    b->item = xcalloc((size_t)cap, sizeof *b->item);
    b->group = xcalloc((size_t)cap + 1, sizeof *b->group);
    for (int64_t i = 0; i < f->threads; i++)
        w[i] = (struct worker){.batch = b, .scratch = f->ids ? NULL
                                                            : encoder_scratch_new(f->encoder)};
    return w;
}

static void batch_free(struct batch *b, struct worker *w)
{
    for (int64_t i = 0; i < b->f->threads; i++)
        encoder_scratch_free(b->f->encoder, w[i].scratch);
    for (int i = 0; i < b->cap; i++) {
        buf_release(&b->item[i].in);
        buf_release(&b->item[i].out);
    }
    free(b->item);
    free(b->group);
    free(w);
}

/* ---- the filters ---- */

/* A line without its end; too long a one is read and failed. 0 at the end of the input. */
static int read_line(struct item *it, FILE *in)
{
    int c, any = 0;
    while ((c = getc_unlocked(in)) != EOF) {
        any = 1;
        if (c == '\n')
            break;
        if (it->in.len < MAX_LINE) {
            char byte = (char)c;
            buf_add(&it->in, &byte, 1);
        } else
            it->failed = 1;
    }
    if (it->failed)
        err_set(&it->err, "longer than %zu bytes", MAX_LINE);
    return any;
}

void filter_texts(FILE *in, FILE *out, struct filter *f)
{
    struct batch b;
    size_t most = BYTES_A_THREAD * (size_t)f->threads, bytes = 0;
    int tty = isatty(fileno(in)); /* someone types and waits for each answer */
    struct worker *w = batch_new(&b, f, tty ? 1 : LINES_A_THREAD * (int)f->threads);
    for (int more = 1; more;) {
        bytes = 0;
        while (b.n < b.cap && bytes < most && (more = read_line(&b.item[b.n], in)))
            bytes += b.item[b.n++].in.len;
        run(&b, w, work);
        print(&b, out, f, 0);
    }
    batch_free(&b, w);
}

void filter_images(char **paths, FILE *out, struct filter *f)
{
    struct batch b;
    struct worker *w = batch_new(&b, f, 16 * (int)f->threads);
    while (*paths) {
        while (b.n < b.cap && *paths)
            buf_adds(&b.item[b.n++].in, *paths++);
        run(&b, w, work_images);
        print(&b, out, f, 1);
    }
    batch_free(&b, w);
}
