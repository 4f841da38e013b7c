/* SPDX-License-Identifier: MIT */
#include "train/mlp.h"
#include "base/arena.h"
#include "base/rng.h"
#include "base/util.h"
#include "nn/tile.h"
#include "train/gather.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 128 /* rows at a time; fixed, because the order of sums follows it */

static const char magic[8] = "mmMLP01";

struct mlp {
    struct mlp_config c;
    size_t n_params;
    struct arena weights, scratch;
    real *params, *grads;
    struct layer_dense layer[3];
    struct trainer_tensor tensor[MLP_TENSORS];
    real *x, *h, *f, *out, *z;   /* one block: [BLOCK, padded width] each */
    real *dh, *df, *dout, *dz;
    unsigned char label[BLOCK];
    const struct samples *data;
};

static int set_shape(struct mlp *m, const struct mlp_config *c, struct err *e)
{
    m->c = *c;
    if (c->in < 1 || c->hidden < 1 || c->features < 1 || c->in > 1 << 20 ||
        c->hidden > 1 << 12 || c->features > 1 << 12)
        return err_set(e, "MLP of %d-%d-%d: a size is out of range", c->in, c->hidden,
                       c->features);
    if (!(c->dropout >= 0 && c->dropout < 1))
        return err_set(e, "dropout %g is not in [0, 1)", (double)c->dropout);
    if (c->activation != MLP_TANH && c->activation != MLP_RELU)
        return err_set(e, "MLP activation %d is neither tanh nor ReLU", c->activation);
    m->n_params = layer_dense_params(c->in, c->hidden) +
                  layer_dense_params(c->hidden, c->features) + layer_dense_params(c->features, 1);
    return 0;
}

static void place_layers(struct mlp *m)
{
    static const char *const name[3][2] = {{"0.w", "0.b"}, {"1.w", "1.b"}, {"2.w", "2.b"}};
    const int w[4] = {m->c.in, m->c.hidden, m->c.features, 1};
    size_t room = 2 * real_room(m->n_params), at = 0;
    for (int i = 0; i < 3; i++)
        room += layer_dense_room(w[i], w[i + 1]);
    arena_init(&m->weights, room);
    m->params = real_take(&m->weights, m->n_params);
    m->grads = real_take(&m->weights, m->n_params);
    for (int i = 0; i < 3; i++) {
        layer_dense_init(&m->layer[i], w[i], w[i + 1], m->params + at, m->grads + at,
                         &m->weights);
        m->tensor[2 * i] = (struct trainer_tensor){name[i][0], at, w[i + 1], w[i], 1};
        at += (size_t)w[i] * w[i + 1];
        m->tensor[2 * i + 1] = (struct trainer_tensor){name[i][1], at, w[i + 1], 1, 0};
        at += w[i + 1];
    }
}

static void place_block(struct mlp *m)
{
    size_t x = tile_pad(m->c.in), h = tile_pad(m->c.hidden), f = tile_pad(m->c.features);
    arena_init(&m->scratch, real_room(BLOCK * (x + 2 * h + 2 * f + 2 * TILE_COLS + 2)));
    m->x = real_take(&m->scratch, BLOCK * x);
    m->h = real_take(&m->scratch, BLOCK * h);
    m->f = real_take(&m->scratch, BLOCK * f);
    m->out = real_take(&m->scratch, BLOCK * TILE_COLS);
    m->z = real_take(&m->scratch, BLOCK);
    m->dh = real_take(&m->scratch, BLOCK * h);
    m->df = real_take(&m->scratch, BLOCK * f);
    m->dout = real_take(&m->scratch, BLOCK * TILE_COLS);
    m->dz = real_take(&m->scratch, BLOCK);
}

static int size_differs(const struct mlp *m, size_t bytes, struct err *e)
{
    size_t want = sizeof magic + sizeof m->c + m->n_params * sizeof(real);
    return bytes == want ? 0 : err_set(e, "saved MLP has %zu bytes, not %zu", bytes, want);
}

/* bytes: size of the file that the configuration came from, or 0. */
static struct mlp *make(const struct mlp_config *c, size_t bytes, struct err *e)
{
    struct mlp *m = xcalloc(1, sizeof *m);
    if (set_shape(m, c, e) < 0 || (bytes && size_differs(m, bytes, e))) {
        free(m);
        return NULL;
    }
    place_layers(m);
    place_block(m);
    return m;
}

struct mlp *mlp_new(const struct mlp_config *c, uint64_t seed, struct err *e)
{
    struct mlp *m = make(c, 0, e);
    if (!m)
        return NULL;
    struct rng r;
    rng_seed(&r, seed, 0);
    for (int i = 0; i < 3; i++) {
        struct layer_dense *l = &m->layer[i];
        float bound = 1 / sqrtf((float)l->in);
        for (size_t k = 0; k < layer_dense_params(l->in, l->out); k++)
            l->w[k] = bound * (2 * rng_uniform(&r) - 1); /* b follows W */
    }
    return m;
}

void mlp_free(struct mlp *m)
{
    if (!m)
        return;
    arena_release(&m->weights);
    arena_release(&m->scratch);
    free(m);
}

const struct mlp_config *mlp_shape(const struct mlp *m)
{
    return &m->c;
}

int mlp_bind(struct mlp *m, const struct samples *s, struct err *e)
{
    if (samples_width(s) != m->c.in)
        return err_set(e, "samples are %d wide, the MLP wants %d", samples_width(s), m->c.in);
    m->data = s;
    return 0;
}

/* ---- forward and backward of a block ---- */

static void forward(struct mlp *m, const int *ids, int n, const uint64_t *key)
{
    int x = tile_pad(m->c.in), h = tile_pad(m->c.hidden), f = tile_pad(m->c.features);
    for (int b = 0, at = 0; b < m->data->n_blocks; at += m->data->blocks[b++].dim)
        gather_vectors(m->x + at, x, m->data, b, ids, n);
    layer_dense_forward(&m->layer[0], m->h, h, m->x, x, n);
    if (key)
        layer_relu_dropout(m->h, h, m->c.hidden, n, ids,
                           &(struct layer_dropout){m->c.dropout, *key, 0});
    else
        layer_relu(m->h, h, m->c.hidden, n);
    layer_dense_forward(&m->layer[1], m->f, f, m->h, h, n);
    if (m->c.activation == MLP_TANH)
        layer_tanh(m->f, f, m->c.features, n);
    else
        layer_relu(m->f, f, m->c.features, n);
    layer_dense_forward(&m->layer[2], m->out, TILE_COLS, m->f, f, n);
    for (int r = 0; r < n; r++)
        m->z[r] = m->out[r * TILE_COLS];
}

static void backward(struct mlp *m, int n)
{
    int x = tile_pad(m->c.in), h = tile_pad(m->c.hidden), f = tile_pad(m->c.features);
    for (int r = 0; r < n; r++)
        m->dout[r * TILE_COLS] = m->dz[r];
    layer_dense_backward(&m->layer[2], m->df, f, m->dout, TILE_COLS, m->f, f, n);
    if (m->c.activation == MLP_TANH)
        layer_tanh_backward(m->df, f, m->f, f, m->c.features, n);
    else
        layer_relu_backward(m->df, f, m->f, f, m->c.features, n, 1);
    layer_dense_backward(&m->layer[1], m->dh, h, m->df, f, m->h, h, n);
    layer_relu_backward(m->dh, h, m->h, h, m->c.hidden, n, 1 / (1 - m->c.dropout));
    layer_dense_backward(&m->layer[0], NULL, 0, m->dh, h, m->x, x, n);
}

static void pack(struct mlp *m)
{
    for (int i = 0; i < 3; i++)
        layer_dense_pack(&m->layer[i]);
}

static void gradient(void *self, struct layer_loss *sum, const int *ids, int n,
                     const real weight[2], uint64_t key)
{
    struct mlp *m = self;
    memset(m->grads, 0, m->n_params * sizeof(real));
    pack(m);
    for (int at = 0; at < n; at += BLOCK) {
        int rows = n - at < BLOCK ? n - at : BLOCK;
        forward(m, ids + at, rows, &key);
        for (int r = 0; r < rows; r++)
            m->label[r] = m->data->label[ids[at + r]];
        layer_bce(m->dz, sum, m->z, m->label, rows, weight, (real)1 / n);
        backward(m, rows);
    }
    for (int i = 0; i < 3; i++)
        layer_dense_unpack(&m->layer[i]);
}

void mlp_logits(struct mlp *m, real *z, const int *ids, int n)
{
    pack(m);
    for (int at = 0; at < n; at += BLOCK) {
        int rows = n - at < BLOCK ? n - at : BLOCK;
        forward(m, ids + at, rows, NULL);
        memcpy(z + at, m->z, rows * sizeof *z);
    }
}

void mlp_features(struct mlp *m, real *f, const int *ids, int n)
{
    int ld = tile_pad(m->c.features), d = m->c.features;
    pack(m);
    for (int at = 0; at < n; at += BLOCK) {
        int rows = n - at < BLOCK ? n - at : BLOCK;
        forward(m, ids + at, rows, NULL);
        for (int r = 0; r < rows; r++)
            memcpy(f + (size_t)(at + r) * d, m->f + (size_t)r * ld, d * sizeof *f);
    }
}

static void logits(void *self, real *z, const int *ids, int n)
{
    mlp_logits(self, z, ids, n);
}

struct trainer_model mlp_model(struct mlp *m)
{
    return (struct trainer_model){m, m->params, m->grads, m->n_params,
                                  m->data ? m->data->label : NULL, gradient, logits,
                                  m->tensor, MLP_TENSORS};
}

/* ---- tensors and files ---- */

int mlp_tensors(const struct mlp *m, struct trainer_tensor out[MLP_TENSORS])
{
    memcpy(out, m->tensor, sizeof m->tensor);
    return MLP_TENSORS;
}

void mlp_save(const struct mlp *m, struct buf *to)
{
    buf_add(to, magic, sizeof magic);
    buf_add(to, &m->c, sizeof m->c);
    buf_add(to, m->params, m->n_params * sizeof(real));
}

struct mlp *mlp_load(const void *bytes, size_t n, struct err *e)
{
    struct mlp_config c;
    if (n < sizeof magic + sizeof c || memcmp(bytes, magic, sizeof magic) != 0) {
        err_set(e, "%zu bytes are not a saved MLP", n);
        return NULL;
    }
    memcpy(&c, (const char *)bytes + sizeof magic, sizeof c);
    struct mlp *m = make(&c, n, e);
    if (m)
        memcpy(m->params, (const char *)bytes + sizeof magic + sizeof c,
               m->n_params * sizeof(real));
    return m;
}
