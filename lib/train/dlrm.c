/* SPDX-License-Identifier: MIT */
#include "train/dlrm.h"
#include "base/arena.h"
#include "base/rng.h"
#include "base/util.h"
#include "nn/tile.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rows that go through the whole network at a time: activations stay in the cache. Fixed,
 * because the order of sums follows it. */
#define BLOCK 128

enum { SITE_BOTTOM, SITE_TOP0, SITE_TOP1 }; /* dropout sites */

static const char magic[8] = "mmDLRM1";

struct dlrm {
    struct dlrm_config c;
    int vectors, trained; /* interaction vectors; the first trained ones have gradients */
    int prefix;           /* floats of vectors that the top MLP reads before the dots */
    int top_in;
    struct arena weights, scratch;
    float *params, *grads, *table, *dtable;
    size_t n_params;
    struct layer_dense bottom[2], top[3];
    struct layer_bag bag;
    /* One block: [BLOCK, padded width] each. T [BLOCK,vectors,ld], dT [BLOCK,trained,ld]. */
    float *dense, *hid, *T, *in, *h0, *h1, *out, *z;
    float *dhid, *dT, *din, *dh0, *dh1, *dout, *dz;
    int *bags;
    unsigned char label[BLOCK];
    const struct samples *data;
};

/* ---- shape and memory ---- */

/* The five dense layers as (in, out); the first two only with dense features. */
static void widths(const struct dlrm *m, int w[5][2])
{
    const struct dlrm_config *c = &m->c;
    const int v[5][2] = {{c->n_dense, c->bottom}, {c->bottom, c->dim}, {m->top_in, c->top[0]},
                         {c->top[0], c->top[1]}, {c->top[1], 1}};
    memcpy(w, v, sizeof v);
}

static size_t table_size(const struct dlrm *m)
{
    return m->c.bag ? ((size_t)m->c.n_categories + 1) * m->c.dim : 0;
}

static int set_shape(struct dlrm *m, const struct dlrm_config *c, struct err *e)
{
    m->c = *c;
    const int size[] = {c->n_dense, c->bag, c->n_categories, c->n_blocks,
                        c->dim, c->bottom, c->top[0], c->top[1]};
    for (int i = 0; i < 8; i++)
        if (size[i] < (i < 4 ? 0 : 1) || size[i] > (i == 2 ? 1 << 24 : 1 << 12))
            return err_set(e, "DLRM of %d dense, %d of %d categories, %d blocks, dim %d, hidden "
                           "%d, %d, %d: a size is out of range", size[0], size[1], size[2],
                           size[3], size[4], size[5], size[6], size[7]);
    if (!(c->dropout >= 0 && c->dropout < 1))
        return err_set(e, "dropout %g is not in [0, 1)", (double)c->dropout);
    if (c->variant != DLRM_DOT && c->variant != DLRM_CAT)
        return err_set(e, "DLRM variant %d is neither dot nor cat", c->variant);
    m->trained = (c->n_dense > 0) + (c->bag > 0);
    m->vectors = m->trained + c->n_blocks;
    m->prefix = c->variant == DLRM_CAT ? m->vectors * c->dim : c->n_dense ? c->dim : 0;
    m->top_in = m->prefix + layer_dots_pairs(m->vectors);
    if (!m->top_in)
        return err_set(e, "DLRM variant dot with %d vectors and no dense features has no input",
                       m->vectors);
    m->bag = (struct layer_bag){c->dim, c->bag, c->n_categories};
    int w[5][2];
    widths(m, w);
    m->n_params = table_size(m);
    for (int i = c->n_dense ? 0 : 2; i < 5; i++)
        m->n_params += layer_dense_params(w[i][0], w[i][1]);
    return 0;
}

static struct layer_dense *layer_of(struct dlrm *m, int i)
{
    return i < 2 ? &m->bottom[i] : &m->top[i - 2];
}

/* Parameters in the order bottom, table, top. */
static void place_layers(struct dlrm *m)
{
    int w[5][2];
    widths(m, w);
    size_t room = 0;
    int first = m->c.n_dense ? 0 : 2;
    for (int i = first; i < 5; i++)
        room += layer_dense_room(w[i][0], w[i][1]);
    arena_init(&m->weights, 2 * arena_room(m->n_params) + room);
    m->params = arena_take(&m->weights, m->n_params);
    m->grads = arena_take(&m->weights, m->n_params);
    size_t at = 0;
    for (int i = first; i < 5; i++) {
        if (i == 2) {
            m->table = m->params + at;
            m->dtable = m->grads + at;
            at += table_size(m);
        }
        layer_dense_init(layer_of(m, i), w[i][0], w[i][1], m->params + at, m->grads + at,
                         &m->weights);
        at += layer_dense_params(w[i][0], w[i][1]);
    }
}

static void place_block(struct dlrm *m)
{
    const struct dlrm_config *c = &m->c;
    int ld = tile_pad(c->dim);
    struct {
        float **at;
        int width;
    } part[] = {
        {&m->dense, tile_pad(c->n_dense)}, {&m->hid, tile_pad(c->bottom)},
        {&m->T, m->vectors * ld}, {&m->in, tile_pad(m->top_in)}, {&m->h0, tile_pad(c->top[0])},
        {&m->h1, tile_pad(c->top[1])}, {&m->out, TILE_COLS}, {&m->z, 1},
        {&m->dhid, tile_pad(c->bottom)}, {&m->dT, m->trained * ld},
        {&m->din, tile_pad(m->top_in)}, {&m->dh0, tile_pad(c->top[0])},
        {&m->dh1, tile_pad(c->top[1])}, {&m->dout, TILE_COLS}, {&m->dz, 1},
    };
    size_t room = 0;
    for (size_t i = 0; i < ARRAY_LEN(part); i++)
        room += arena_room((size_t)part[i].width * BLOCK);
    arena_init(&m->scratch, room);
    for (size_t i = 0; i < ARRAY_LEN(part); i++)
        *part[i].at = arena_take(&m->scratch, (size_t)part[i].width * BLOCK);
    m->bags = xcalloc((size_t)BLOCK * (c->bag ? c->bag : 1), sizeof *m->bags);
}

static int size_differs(const struct dlrm *m, size_t bytes, struct err *e)
{
    size_t want = sizeof magic + sizeof m->c + m->n_params * sizeof(float);
    return bytes == want ? 0 : err_set(e, "saved DLRM has %zu bytes, not %zu", bytes, want);
}

/* bytes: size of the file that the configuration came from, or 0. */
static struct dlrm *make(const struct dlrm_config *c, size_t bytes, struct err *e)
{
    struct dlrm *m = xcalloc(1, sizeof *m);
    if (set_shape(m, c, e) < 0 || (bytes && size_differs(m, bytes, e))) {
        free(m);
        return NULL;
    }
    place_layers(m);
    place_block(m);
    return m;
}

struct dlrm *dlrm_new(const struct dlrm_config *c, uint64_t seed, struct err *e)
{
    struct dlrm *m = make(c, 0, e);
    if (!m)
        return NULL;
    struct rng r;
    rng_seed(&r, seed, 0);
    for (int i = c->n_dense ? 0 : 2; i < 5; i++) {
        struct layer_dense *l = layer_of(m, i);
        float sw = sqrtf(2.0f / (l->in + l->out)), sb = sqrtf(1.0f / l->out);
        for (size_t k = 0; k < (size_t)l->in * l->out; k++)
            l->w[k] = sw * rng_normal(&r);
        for (int k = 0; k < l->out; k++)
            l->b[k] = sb * rng_normal(&r);
    }
    float bound = sqrtf(1.0f / (c->n_categories + 1));
    for (size_t k = 0; c->bag && k < (size_t)c->n_categories * c->dim; k++)
        m->table[k] = bound * (2 * rng_uniform(&r) - 1); /* the padding row stays 0 */
    return m;
}

void dlrm_free(struct dlrm *m)
{
    if (!m)
        return;
    arena_release(&m->weights);
    arena_release(&m->scratch);
    free(m->bags);
    free(m);
}

const struct dlrm_config *dlrm_shape(const struct dlrm *m)
{
    return &m->c;
}

int dlrm_bind(struct dlrm *m, const struct samples *s, struct err *e)
{
    const struct dlrm_config *c = &m->c;
    if (s->n_dense != c->n_dense || s->bag != c->bag || s->n_blocks != c->n_blocks ||
        (c->bag && s->n_categories != c->n_categories))
        return err_set(e, "samples have %d dense, %d of %d categories, %d blocks; the DLRM "
                       "wants %d, %d of %d, %d", s->n_dense, s->bag, s->n_categories,
                       s->n_blocks, c->n_dense, c->bag, c->n_categories, c->n_blocks);
    for (int b = 0; b < s->n_blocks; b++)
        if (s->blocks[b].dim != c->dim)
            return err_set(e, "block %d has %d values, the DLRM wants %d", b,
                           s->blocks[b].dim, c->dim);
    m->data = s;
    return 0;
}

/* ---- forward ---- */

/* A shuffled epoch reads rows all over memory: ask for a row's features some rows early. */
static void prefetch(const struct dlrm *m, int id)
{
    const struct dlrm_config *c = &m->c;
    size_t i = (size_t)id;
    if (c->n_dense)
        __builtin_prefetch(m->data->dense + i * c->n_dense);
    if (c->bag)
        __builtin_prefetch(m->data->bags + i * c->bag);
    for (int b = 0; b < c->n_blocks; b++) {
        const float *v = samples_vector(m->data, b, id);
        for (int k = 0; v && k < c->dim; k += 16)
            __builtin_prefetch(v + k);
    }
}

static void copy(float *to, const float *from, int n)
{
    if (from)
        memcpy(to, from, n * sizeof *to);
    else
        memset(to, 0, n * sizeof *to);
}

static void gather(struct dlrm *m, const int *ids, int n, int following)
{
    const struct dlrm_config *c = &m->c;
    int ld = tile_pad(c->dim), ahead = 8;
    for (int r = 0; r < n; r++) {
        size_t i = (size_t)ids[r];
        if (r + ahead < n + following)
            prefetch(m, ids[r + ahead]);
        if (c->n_dense)
            copy(m->dense + (size_t)r * tile_pad(c->n_dense), m->data->dense + i * c->n_dense,
                 c->n_dense);
        if (c->bag)
            memcpy(m->bags + (size_t)r * c->bag, m->data->bags + i * c->bag,
                   c->bag * sizeof(int));
        for (int b = 0; b < c->n_blocks; b++)
            copy(m->T + ((size_t)r * m->vectors + m->trained + b) * ld,
                 samples_vector(m->data, b, ids[r]), c->dim);
    }
}

static void hidden(struct layer_dense *l, float *y, const float *x, int x_ld, const int *ids,
                   int n, const struct layer_dropout *drop)
{
    int ld = tile_pad(l->out);
    layer_dense_forward(l, y, ld, x, x_ld, n);
    layer_relu(y, ld, ld, n);
    if (drop)
        layer_dropout(y, ld, l->out, n, ids, drop);
}

/* What the top MLP reads: vectors, then dots. */
static void interact(struct dlrm *m, int n)
{
    int ld = tile_pad(m->c.dim), in_ld = tile_pad(m->top_in), d = m->c.dim;
    for (int r = 0; r < n; r++)
        for (int v = 0; v * d < m->prefix; v++)
            memcpy(m->in + (size_t)r * in_ld + v * d, m->T + ((size_t)r * m->vectors + v) * ld,
                   d * sizeof(float));
    layer_dots_forward(m->in + m->prefix, in_ld, m->T, m->vectors, ld, n);
}

/* Logits of a block into m->z. key NULL: dropout off. following: ids after these n. */
static void forward(struct dlrm *m, const int *ids, int n, int following, const uint64_t *key)
{
    const struct dlrm_config *c = &m->c;
    int ld = tile_pad(c->dim), row = m->vectors * ld;
    struct layer_dropout drop[3];
    for (int i = 0; i < 3; i++)
        drop[i] = (struct layer_dropout){c->dropout, key ? *key : 0, i};
    gather(m, ids, n, following);
    if (c->n_dense) {
        hidden(&m->bottom[0], m->hid, m->dense, tile_pad(c->n_dense), ids, n,
               key ? &drop[SITE_BOTTOM] : NULL);
        layer_dense_forward(&m->bottom[1], m->T, row, m->hid, tile_pad(c->bottom), n);
        layer_relu(m->T, row, ld, n);
    }
    if (c->bag)
        layer_bag_forward(&m->bag, m->T + (m->trained - 1) * ld, row, m->table, m->bags, n);
    interact(m, n);
    hidden(&m->top[0], m->h0, m->in, tile_pad(m->top_in), ids, n, key ? &drop[SITE_TOP0] : NULL);
    hidden(&m->top[1], m->h1, m->h0, tile_pad(c->top[0]), ids, n, key ? &drop[SITE_TOP1] : NULL);
    layer_dense_forward(&m->top[2], m->out, TILE_COLS, m->h1, tile_pad(c->top[1]), n);
    for (int r = 0; r < n; r++)
        m->z[r] = m->out[r * TILE_COLS];
}

/* ---- backward ---- */

/* din -> dT: what the top MLP's gradient says to the trained vectors, directly and through
 * the dots. */
static void interact_backward(struct dlrm *m, int n)
{
    int ld = tile_pad(m->c.dim), in_ld = tile_pad(m->top_in), d = m->c.dim;
    memset(m->dT, 0, (size_t)n * m->trained * ld * sizeof(float));
    for (int r = 0; r < n; r++)
        for (int v = 0; v < m->trained && v * d < m->prefix; v++)
            memcpy(m->dT + ((size_t)r * m->trained + v) * ld,
                   m->din + (size_t)r * in_ld + v * d, d * sizeof(float));
    layer_dots_backward(m->dT, m->trained, m->din + m->prefix, in_ld, m->T, m->vectors, ld, n);
}

/* Gradients of a block from m->dz; activations as forward left them. */
static void backward(struct dlrm *m, int n)
{
    const struct dlrm_config *c = &m->c;
    int ld = tile_pad(c->dim), in_ld = tile_pad(m->top_in), ld0 = tile_pad(c->top[0]);
    int ld1 = tile_pad(c->top[1]), ldb = tile_pad(c->bottom), row = m->vectors * ld;
    float scale = 1 / (1 - c->dropout);
    for (int r = 0; r < n; r++)
        m->dout[r * TILE_COLS] = m->dz[r];
    layer_dense_backward(&m->top[2], m->dh1, ld1, m->dout, TILE_COLS, m->h1, ld1, n);
    layer_relu_backward(m->dh1, ld1, m->h1, ld1, ld1, n, scale);
    layer_dense_backward(&m->top[1], m->dh0, ld0, m->dh1, ld1, m->h0, ld0, n);
    layer_relu_backward(m->dh0, ld0, m->h0, ld0, ld0, n, scale);
    layer_dense_backward(&m->top[0], m->trained ? m->din : NULL, in_ld, m->dh0, ld0, m->in,
                         in_ld, n);
    if (!m->trained)
        return;
    interact_backward(m, n);
    if (c->bag)
        layer_bag_backward(&m->bag, m->dtable, m->dT + (m->trained - 1) * ld, m->trained * ld,
                           m->bags, n);
    if (!c->n_dense)
        return;
    layer_relu_backward(m->dT, m->trained * ld, m->T, row, ld, n, 1);
    layer_dense_backward(&m->bottom[1], m->dhid, ldb, m->dT, m->trained * ld, m->hid, ldb, n);
    layer_relu_backward(m->dhid, ldb, m->hid, ldb, ldb, n, scale);
    layer_dense_backward(&m->bottom[0], NULL, 0, m->dhid, ldb, m->dense, tile_pad(c->n_dense),
                         n);
}

static void pack(struct dlrm *m)
{
    for (int i = m->c.n_dense ? 0 : 2; i < 5; i++)
        layer_dense_pack(layer_of(m, i));
}

static void gradient(void *self, struct layer_loss *sum, const int *ids, int n,
                     const float weight[2], uint64_t key)
{
    struct dlrm *m = self;
    memset(m->grads, 0, m->n_params * sizeof(float));
    pack(m);
    for (int at = 0; at < n; at += BLOCK) {
        int rows = n - at < BLOCK ? n - at : BLOCK;
        forward(m, ids + at, rows, n - at - rows, &key);
        for (int r = 0; r < rows; r++)
            m->label[r] = m->data->label[ids[at + r]];
        layer_bce(m->dz, sum, m->z, m->label, rows, weight, 1.0f / n);
        backward(m, rows);
    }
    for (int i = m->c.n_dense ? 0 : 2; i < 5; i++)
        layer_dense_unpack(layer_of(m, i));
}

void dlrm_logits(struct dlrm *m, float *z, const int *ids, int n)
{
    pack(m);
    for (int at = 0; at < n; at += BLOCK) {
        int rows = n - at < BLOCK ? n - at : BLOCK;
        forward(m, ids + at, rows, n - at - rows, NULL);
        memcpy(z + at, m->z, rows * sizeof *z);
    }
}

static void logits(void *self, float *z, const int *ids, int n)
{
    dlrm_logits(self, z, ids, n);
}

struct trainer_model dlrm_model(struct dlrm *m)
{
    return (struct trainer_model){m, m->params, m->grads, m->n_params,
                                  m->data ? m->data->label : NULL, gradient, logits};
}

/* ---- tensors and files ---- */

int dlrm_tensors(const struct dlrm *m, struct trainer_tensor out[DLRM_TENSORS])
{
    static const char *const name[5][2] = {
        {"bottom0.w", "bottom0.b"}, {"bottom1.w", "bottom1.b"}, {"top0.w", "top0.b"},
        {"top1.w", "top1.b"}, {"top2.w", "top2.b"}};
    int w[5][2], n = 0;
    size_t at = 0;
    widths(m, w);
    for (int i = m->c.n_dense ? 0 : 2; i < 5; i++) {
        if (i == 2 && m->c.bag) {
            out[n++] = (struct trainer_tensor){"table", at, m->c.n_categories + 1, m->c.dim};
            at += ((size_t)m->c.n_categories + 1) * m->c.dim;
        }
        out[n++] = (struct trainer_tensor){name[i][0], at, w[i][1], w[i][0]};
        at += (size_t)w[i][0] * w[i][1];
        out[n++] = (struct trainer_tensor){name[i][1], at, w[i][1], 1};
        at += w[i][1];
    }
    return n;
}

void dlrm_save(const struct dlrm *m, struct buf *to)
{
    buf_add(to, magic, sizeof magic);
    buf_add(to, &m->c, sizeof m->c);
    buf_add(to, m->params, m->n_params * sizeof(float));
}

struct dlrm *dlrm_load(const void *bytes, size_t n, struct err *e)
{
    struct dlrm_config c;
    if (n < sizeof magic + sizeof c || memcmp(bytes, magic, sizeof magic) != 0) {
        err_set(e, "%zu bytes are not a saved DLRM", n);
        return NULL;
    }
    memcpy(&c, (const char *)bytes + sizeof magic, sizeof c);
    struct dlrm *m = make(&c, n, e);
    if (m)
        memcpy(m->params, (const char *)bytes + sizeof magic + sizeof c,
               m->n_params * sizeof(float));
    return m;
}
