/* SPDX-License-Identifier: MIT */
/* Trainable layers: dense, ReLU, tanh, dropout, embedding bag, dot interaction, and the
 * sigmoid with weighted binary cross-entropy. Forward and backward side by side.
 *
 *     layer_dense_init(&l, 8, 64, params, grads, &scratch);
 *     layer_dense_pack(&l);                                // once a step
 *     layer_dense_forward(&l, y, 64, x, 16, rows);         // y = x W^T + b
 *     layer_dense_backward(&l, NULL, 0, dy, 64, x, 16, rows);
 *     layer_dense_unpack(&l);                              // grads += sums over all rows
 *
 * Row-major; shapes in [brackets]; B rows of a block, D and N widths; real is float, see
 * nn/real.h. Activations have a leading dimension (ld) with room for tile_pad(width) columns,
 * and room for B rounded up to TILE_ROWS. What is beside the width may hold anything finite
 * and may be overwritten: no result reads it. Nothing allocates, nothing fails. Backward
 * functions add to parameter gradients and overwrite input gradients unless said otherwise.
 * A block is summed in row order, so results do not depend on threads.
 */
#ifndef MM_TRAIN_LAYER_H
#define MM_TRAIN_LAYER_H
#include "nn/real.h"
#include <stddef.h>
#include <stdint.h>

/* Dense: y = x W^T + b with W [N,D] and b [N] as in PyTorch. The padded and transposed
 * copies that the products want are remade by pack; gradients gather in a padded copy. */
struct layer_dense {
    int in, out;         /* D, N */
    real *w, *b;         /* [N,D], [N]: views of the model's flat parameters */
    real *dw, *db;       /* views of the model's flat gradients */
    real *wt, *wp, *bp;  /* scratch: [D,out_ld], [N,in_ld], [out_ld] */
    real *gw, *gb;       /* scratch: [N up to TILE_ROWS, in_ld], [out_ld] */
};

size_t layer_dense_params(int in, int out); /* numbers of W and b */
size_t layer_dense_room(int in, int out);   /* floats of the arena that init takes */
/* w, b, dw and db become views of params and grads (layer_dense_params each). */
void layer_dense_init(struct layer_dense *l, int in, int out, real *params, real *grads,
                      struct arena *scratch);
void layer_dense_pack(struct layer_dense *l);   /* copies the weights, zeroes gw and gb */
void layer_dense_unpack(struct layer_dense *l); /* dw += gw, db += gb */
/* x [B,D] -> y [B,N] */
void layer_dense_forward(const struct layer_dense *l, real *y, int y_ld, const real *x,
                         int x_ld, int rows);
/* dy [B,N], x [B,D] -> dx [B,D] (NULL: not wanted) */
void layer_dense_backward(struct layer_dense *l, real *dx, int dx_ld, const real *dy,
                          int dy_ld, const real *x, int x_ld, int rows);

/* y = max(y, 0) over [B,ld]; a NaN stays NaN. */
void layer_relu(real *y, int ld, int cols, int rows);
/* dy *= scale where y > 0, else 0. With dropout after the ReLU scale is 1/(1-p), and one
 * test covers both: a dropped unit is 0. */
void layer_relu_backward(real *dy, int dy_ld, const real *y, int y_ld, int cols, int rows,
                         real scale);
/* tanh by real_exp: absolute error under 2e-7. */
void layer_tanh(real *y, int ld, int cols, int rows);
void layer_tanh_backward(real *dy, int dy_ld, const real *y, int y_ld, int cols, int rows);

/* ReLU and inverted dropout in one pass: y = max(y, 0), then zeroed with probability p, else
 * multiplied by 1/(1-p). The decision is a hash of (key, id of the row, site, column), so a
 * row's mask does not depend on its place in the batch. key: one per epoch; site: which layer.
 * The mixer is lowbias32 (C. Wellons, public domain) with a second key added half-way. */
struct layer_dropout {
    float p;      /* [0, 1) */
    uint64_t key; /* changes every epoch */
    int site;
};
void layer_relu_dropout(real *y, int ld, int cols, int rows, const int *ids,
                        const struct layer_dropout *d);

/* Embedding bag, mode sum, with a padding index (PyTorch EmbeddingBag): an index equal to
 * pad adds nothing and its row gets no gradient; a bag of padding gives zeros; a repeated
 * index counts each time. table [V,D] without padding of D, bags [B,bag] -> y [B,D]. */
struct layer_bag {
    int dim, bag, pad; /* pad: the index that means nothing */
};
void layer_bag_forward(const struct layer_bag *l, real *y, int y_ld, const real *table,
                       const int *bags, int rows);
void layer_bag_backward(const struct layer_bag *l, real *dtable, const real *dy, int dy_ld,
                        const int *bags, int rows);

/* Dot interaction of n vectors (facebookresearch/dlrm interact_features): the strict lower
 * triangle of T T^T in row order (1,0), (2,0), (2,1), ... The vectors and the dots live in one
 * row x [B,ld], where the next layer reads them: vector 0 from column first, vectors 1, 2, ...
 * side by side from column rest, the dots from column z. A dot product is 16 partial sums,
 * added as a tree, then the columns past the last multiple of 16. */
struct layer_dots {
    int n, n_train, dim; /* vectors; how many of them have gradients; width of each */
    int first, rest, z;  /* columns */
};
static inline int layer_dots_at(const struct layer_dots *l, int v)
{
    return v ? l->rest + (v - 1) * l->dim : l->first;
}
int layer_dots_pairs(int n); /* n (n-1) / 2 */
void layer_dots_forward(const struct layer_dots *l, real *x, int ld, int rows);
/* dx [B,dx_ld] is laid out as x and holds the gradient of the dots, and what came before for
 * the vectors: adds dz_ij T_j to the gradient of T_i for the first n_train vectors i. The
 * others are inputs without a gradient, and theirs is left alone. */
void layer_dots_backward(const struct layer_dots *l, real *dx, int dx_ld, const real *x, int ld,
                         int rows);

/* p = 1/(1+exp(-z)); absolute error under 2e-7. */
void layer_sigmoid(real *p, const real *z, int n);

/* Binary cross-entropy from logits, stable for any finite z: a row's loss is
 * max(z,0) - z y + log1p(exp(-|z|)) (error under 4e-7 of max(1, loss)), times the weight of
 * its own label. z [n], y [n] of 0 or 1 -> dz [n] = weight[y] (sigmoid(z) - y) * scale (NULL:
 * not wanted; scale is 1/batch for a mean over the batch). Adds the sums to sum. */
struct layer_loss {
    double weighted, plain; /* sums over rows, with and without the weights */
};
void layer_bce(real *dz, struct layer_loss *sum, const real *z, const unsigned char *y, int n,
               const real weight[2], real scale);

#endif
