/* SPDX-License-Identifier: MIT */
#include "train/dlrm.h"
#include "base/arena.h"
#include "base/rng.h"
#include "base/util.h"
#include "nn/tile.h"
#include "train/gather.h"
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
    int row, top_at, top_in; /* of x: width of a row, and the columns that the top MLP reads */
    struct arena weights, scratch;
    real *params, *grads, *table, *dtable;
    size_t n_params;
    struct layer_dense bottom[2], top[3];
    struct layer_bag bag;
    struct layer_dots dots;
    struct trainer_tensor tensor[DLRM_TENSORS];
    int n_tensors;
    /* One block: [BLOCK, padded width] each. x [BLOCK,row] holds the vectors and the dots as
     * the top MLP reads them, dx their gradients. */
    real *dense, *hid, *x, *h0, *h1, *out, *z;
    real *dhid, *dx, *dh0, *dh1, *dout, *dz;
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

/* Cat: all vectors, then the dots. Dot: the bottom output last, so that it and the dots are
 * side by side; without one the dots are alone. */
static void place_row(struct dlrm *m)
{
    const struct dlrm_config *c = &m->c;
    m->trained = (c->n_dense > 0) + (c->bag > 0);
    m->vectors = m->trained + c->n_blocks;
    int all = m->vectors * c->dim, cat = c->variant == DLRM_CAT, last = !cat && c->n_dense;
    m->dots = (struct layer_dots){.n = m->vectors, .n_train = m->trained, .dim = c->dim, .z = all,
                                  .first = last ? all - c->dim : 0, .rest = last ? 0 : c->dim};
    m->top_at = cat ? 0 : last ? all - c->dim : all;
    m->top_in = all - m->top_at + layer_dots_pairs(m->vectors);
    int top_end = m->top_at + tile_pad(m->top_in), first_end = m->dots.first + tile_pad(c->dim);
    m->row = tile_pad(top_end > first_end ? top_end : first_end);
}

static void add_tensor(struct dlrm *m, const char *name, int rows, int cols, int decays)
{
    m->tensor[m->n_tensors++] = (struct trainer_tensor){name, m->n_params, rows, cols, decays};
    m->n_params += (size_t)rows * cols;
}

/* Parameters in the order bottom, table, top. */
static void list_tensors(struct dlrm *m)
{
    static const char *const name[5][2] = {
        {"bottom0.w", "bottom0.b"}, {"bottom1.w", "bottom1.b"}, {"top0.w", "top0.b"},
        {"top1.w", "top1.b"}, {"top2.w", "top2.b"}};
    int w[5][2];
    widths(m, w);
    for (int i = m->c.n_dense ? 0 : 2; i < 5; i++) {
        if (i == 2 && m->c.bag)
            add_tensor(m, "table", m->c.n_categories + 1, m->c.dim, 1);
        add_tensor(m, name[i][0], w[i][1], w[i][0], 1);
        add_tensor(m, name[i][1], w[i][1], 1, 0);
    }
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
    place_row(m);
    if (!m->top_in)
        return err_set(e, "DLRM variant dot with %d vectors and no dense features has no input",
                       m->vectors);
    m->bag = (struct layer_bag){c->dim, c->bag, c->n_categories};
    list_tensors(m);
    return 0;
}

static struct layer_dense *layer_of(struct dlrm *m, int i)
{
    return i < 2 ? &m->bottom[i] : &m->top[i - 2];
}

static void place_layers(struct dlrm *m)
{
    int w[5][2], first = m->c.n_dense ? 0 : 2, t = 0;
    widths(m, w);
    size_t room = 2 * real_room(m->n_params);
    for (int i = first; i < 5; i++)
        room += layer_dense_room(w[i][0], w[i][1]);
    arena_init(&m->weights, room);
    m->params = real_take(&m->weights, m->n_params);
    m->grads = real_take(&m->weights, m->n_params);
    for (int i = first; i < 5; i++, t += 2) {
        if (i == 2 && m->c.bag) {
            m->table = m->params + m->tensor[t].at;
            m->dtable = m->grads + m->tensor[t].at;
            t++;
        }
        size_t at = m->tensor[t].at;
        layer_dense_init(layer_of(m, i), w[i][0], w[i][1], m->params + at, m->grads + at,
                         &m->weights);
    }
}

static void place_block(struct dlrm *m)
{
    const struct dlrm_config *c = &m->c;
    struct {
        real **at;
        int width;
    } part[] = {
        {&m->dense, tile_pad(c->n_dense)}, {&m->hid, tile_pad(c->bottom)},
        {&m->x, m->row}, {&m->h0, tile_pad(c->top[0])}, {&m->h1, tile_pad(c->top[1])},
        {&m->out, TILE_COLS}, {&m->z, 1}, {&m->dhid, tile_pad(c->bottom)}, {&m->dx, m->row},
        {&m->dh0, tile_pad(c->top[0])}, {&m->dh1, tile_pad(c->top[1])}, {&m->dout, TILE_COLS},
        {&m->dz, 1},
    };
    size_t room = 0;
    for (size_t i = 0; i < ARRAY_LEN(part); i++)
        room += real_room((size_t)part[i].width * BLOCK);
    arena_init(&m->scratch, room);
    for (size_t i = 0; i < ARRAY_LEN(part); i++)
        *part[i].at = real_take(&m->scratch, (size_t)part[i].width * BLOCK);
    m->bags = xcalloc((size_t)BLOCK * (c->bag ? c->bag : 1), sizeof *m->bags);
}

static int size_differs(const struct dlrm *m, size_t bytes, struct err *e)
{
    size_t want = sizeof magic + sizeof m->c + m->n_params * sizeof(real);
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

static int at_most_block(int n)
{
    return n < BLOCK ? n : BLOCK;
}

/* drop NULL: dropout off. */
static void hidden(struct layer_dense *l, real *y, const real *x, int x_ld, const int *ids,
                   int n, const struct layer_dropout *drop)
{
    int ld = tile_pad(l->out);
    layer_dense_forward(l, y, ld, x, x_ld, n);
    if (drop)
        layer_relu_dropout(y, ld, l->out, n, ids, drop);
    else
        layer_relu(y, ld, l->out, n);
}

/* Rows of the block into m->x. The bottom's product may write past its vector: it goes first. */
static void vectors(struct dlrm *m, const int *ids, int n, const struct layer_dropout *drop)
{
    const struct dlrm_config *c = &m->c;
    int dense = tile_pad(c->n_dense), bottom = tile_pad(c->bottom);
    if (c->n_dense) {
        real *x = m->x + m->dots.first;
        gather_dense(m->dense, dense, m->data, ids, n);
        hidden(&m->bottom[0], m->hid, m->dense, dense, ids, n, drop);
        layer_dense_forward(&m->bottom[1], x, m->row, m->hid, bottom, n);
        layer_relu(x, m->row, c->dim, n);
    }
    if (c->bag) {
        gather_bags(m->bags, m->data, ids, n);
        layer_bag_forward(&m->bag, m->x + layer_dots_at(&m->dots, m->trained - 1), m->row,
                          m->table, m->bags, n);
    }
    for (int b = 0; b < c->n_blocks; b++)
        gather_vectors(m->x + layer_dots_at(&m->dots, m->trained + b), m->row, m->data, b, ids,
                       n);
}

/* Logits of a block into m->z. key NULL: dropout off. following: ids after these n. */
static void forward(struct dlrm *m, const int *ids, int n, int following, const uint64_t *key)
{
    const struct dlrm_config *c = &m->c;
    struct layer_dropout drop[3];
    for (int i = 0; i < 3; i++)
        drop[i] = (struct layer_dropout){c->dropout, key ? *key : 0, i};
    vectors(m, ids, n, key ? &drop[SITE_BOTTOM] : NULL);
    layer_dots_forward(&m->dots, m->x, m->row, n);
    gather_ask(m->data, ids + n, at_most_block(following)); /* memory answers meanwhile */
    hidden(&m->top[0], m->h0, m->x + m->top_at, m->row, ids, n, key ? &drop[SITE_TOP0] : NULL);
    hidden(&m->top[1], m->h1, m->h0, tile_pad(c->top[0]), ids, n, key ? &drop[SITE_TOP1] : NULL);
    gather_ask_vectors(m->data, ids + n, at_most_block(following));
    layer_dense_forward(&m->top[2], m->out, TILE_COLS, m->h1, tile_pad(c->top[1]), n);
    for (int r = 0; r < n; r++)
        m->z[r] = m->out[r * TILE_COLS];
}

/* ---- backward ---- */

/* What the top MLP did not read has no gradient yet. */
static void clear_unread(struct dlrm *m, int n)
{
    for (int v = 0; v < m->trained; v++)
        if (layer_dots_at(&m->dots, v) < m->top_at)
            for (int r = 0; r < n; r++)
                memset(m->dx + (size_t)r * m->row + layer_dots_at(&m->dots, v), 0,
                       m->c.dim * sizeof(real));
}

/* From m->dx, the gradients of the trained vectors, to the table and the bottom MLP. */
static void vectors_backward(struct dlrm *m, int n, real scale)
{
    const struct dlrm_config *c = &m->c;
    int bottom = tile_pad(c->bottom);
    if (c->bag)
        layer_bag_backward(&m->bag, m->dtable,
                           m->dx + layer_dots_at(&m->dots, m->trained - 1), m->row, m->bags, n);
    if (!c->n_dense)
        return;
    real *dx = m->dx + m->dots.first;
    layer_relu_backward(dx, m->row, m->x + m->dots.first, m->row, c->dim, n, 1);
    layer_dense_backward(&m->bottom[1], m->dhid, bottom, dx, m->row, m->hid, bottom, n);
    layer_relu_backward(m->dhid, bottom, m->hid, bottom, c->bottom, n, scale);
    layer_dense_backward(&m->bottom[0], NULL, 0, m->dhid, bottom, m->dense,
                         tile_pad(c->n_dense), n);
}

/* Gradients of a block from m->dz; activations as forward left them. */
static void backward(struct dlrm *m, int n)
{
    const struct dlrm_config *c = &m->c;
    int ld0 = tile_pad(c->top[0]), ld1 = tile_pad(c->top[1]);
    real scale = 1 / (1 - c->dropout);
    for (int r = 0; r < n; r++)
        m->dout[r * TILE_COLS] = m->dz[r];
    layer_dense_backward(&m->top[2], m->dh1, ld1, m->dout, TILE_COLS, m->h1, ld1, n);
    layer_relu_backward(m->dh1, ld1, m->h1, ld1, c->top[1], n, scale);
    layer_dense_backward(&m->top[1], m->dh0, ld0, m->dh1, ld1, m->h0, ld0, n);
    layer_relu_backward(m->dh0, ld0, m->h0, ld0, c->top[0], n, scale);
    layer_dense_backward(&m->top[0], m->trained ? m->dx + m->top_at : NULL, m->row, m->dh0, ld0,
                         m->x + m->top_at, m->row, n);
    if (!m->trained)
        return;
    clear_unread(m, n);
    layer_dots_backward(&m->dots, m->dx, m->row, m->x, m->row, n);
    vectors_backward(m, n, scale);
}

/* Before the blocks of a batch: packed weights, and the first block asked for. */
static void start(struct dlrm *m, const int *ids, int n)
{
    for (int i = m->c.n_dense ? 0 : 2; i < 5; i++)
        layer_dense_pack(layer_of(m, i));
    gather_ask(m->data, ids, at_most_block(n));
    gather_ask_vectors(m->data, ids, at_most_block(n));
}

static void gradient(void *self, struct layer_loss *sum, const int *ids, int n,
                     const real weight[2], uint64_t key)
{
    struct dlrm *m = self;
    memset(m->grads, 0, m->n_params * sizeof(real));
    start(m, ids, n);
    for (int at = 0; at < n; at += BLOCK) {
        int rows = at_most_block(n - at);
        forward(m, ids + at, rows, n - at - rows, &key);
        for (int r = 0; r < rows; r++)
            m->label[r] = m->data->label[ids[at + r]];
        layer_bce(m->dz, sum, m->z, m->label, rows, weight, (real)1 / n);
        backward(m, rows);
    }
    for (int i = m->c.n_dense ? 0 : 2; i < 5; i++)
        layer_dense_unpack(layer_of(m, i));
}

void dlrm_logits(struct dlrm *m, real *z, const int *ids, int n)
{
    start(m, ids, n);
    for (int at = 0; at < n; at += BLOCK) {
        int rows = at_most_block(n - at);
        forward(m, ids + at, rows, n - at - rows, NULL);
        memcpy(z + at, m->z, rows * sizeof *z);
    }
}

static void logits(void *self, real *z, const int *ids, int n)
{
    dlrm_logits(self, z, ids, n);
}

struct trainer_model dlrm_model(struct dlrm *m)
{
    return (struct trainer_model){m, m->params, m->grads, m->n_params,
                                  m->data ? m->data->label : NULL, gradient, logits,
                                  m->tensor, m->n_tensors};
}

/* ---- tensors and files ---- */

int dlrm_tensors(const struct dlrm *m, struct trainer_tensor out[DLRM_TENSORS])
{
    memcpy(out, m->tensor, sizeof m->tensor);
    return m->n_tensors;
}

void dlrm_save(const struct dlrm *m, struct buf *to)
{
    buf_add(to, magic, sizeof magic);
    buf_add(to, &m->c, sizeof m->c);
    buf_add(to, m->params, m->n_params * sizeof(real));
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
               m->n_params * sizeof(real));
    return m;
}
