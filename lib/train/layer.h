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
 * float32, row-major; shapes in [brackets]; B rows of a block, D and N widths. Activations
 * have a leading dimension (ld, floats) that is tile_pad(width), their padding is zero and
 * stays so, and they have room for B rounded up to TILE_ROWS. Nothing allocates, nothing
 * fails. Backward functions add to parameter gradients and overwrite input gradients unless
 * said otherwise. A block is summed in row order, so results do not depend on threads.
 */
#ifndef MM_TRAIN_LAYER_H
#define MM_TRAIN_LAYER_H
#include "base/arena.h"
#include <stddef.h>
#include <stdint.h>

/* Dense: y = x W^T + b with W [N,D] and b [N] as in PyTorch. The padded and transposed
 * copies that the products want are remade by pack; gradients gather in a padded copy. */
struct layer_dense {
    int in, out;         /* D, N */
    float *w, *b;        /* [N,D], [N]: views of the model's flat parameters */
    float *dw, *db;      /* views of the model's flat gradients */
    float *wt, *wp, *bp; /* scratch: [D,out_ld], [N,in_ld], [out_ld] */
    float *gw, *gb;      /* scratch: [N up to TILE_ROWS, in_ld], [out_ld] */
};

size_t layer_dense_params(int in, int out); /* floats of W and b */
size_t layer_dense_room(int in, int out);   /* floats of scratch that init takes */
/* w, b, dw and db become views of params and grads (layer_dense_params floats each). */
void layer_dense_init(struct layer_dense *l, int in, int out, float *params, float *grads,
                      struct arena *scratch);
void layer_dense_pack(struct layer_dense *l);   /* copies the weights, zeroes gw and gb */
void layer_dense_unpack(struct layer_dense *l); /* dw += gw, db += gb */
/* x [B,D] -> y [B,N] */
void layer_dense_forward(const struct layer_dense *l, float *y, int y_ld, const float *x,
                         int x_ld, int rows);
/* dy [B,N], x [B,D] -> dx [B,D] (NULL: not wanted) */
void layer_dense_backward(struct layer_dense *l, float *dx, int dx_ld, const float *dy,
                          int dy_ld, const float *x, int x_ld, int rows);

/* y = max(y, 0) over [B,ld]; a NaN stays NaN. */
void layer_relu(float *y, int ld, int cols, int rows);
/* dy *= scale where y > 0, else 0. With dropout after the ReLU scale is 1/(1-p), and one
 * test covers both: a dropped unit is 0. */
void layer_relu_backward(float *dy, int dy_ld, const float *y, int y_ld, int cols, int rows,
                         float scale);
/* tanh by the exponential below: absolute error under 2e-7. */
void layer_tanh(float *y, int ld, int cols, int rows);
void layer_tanh_backward(float *dy, int dy_ld, const float *y, int y_ld, int cols, int rows);

/* Inverted dropout in place: a unit is zeroed with probability p, else multiplied by
 * 1/(1-p). The decision is a hash of (key, id of the row, site, column), so a row's mask
 * does not depend on its place in the batch. key: one per epoch; site: which layer. The
 * mixer is lowbias32 (C. Wellons, public domain) with a second key added half-way. */
struct layer_dropout {
    float p;      /* [0, 1) */
    uint64_t key; /* changes every epoch */
    int site;
};
void layer_dropout(float *y, int ld, int cols, int rows, const int *ids,
                   const struct layer_dropout *d);

/* Embedding bag, mode sum, with a padding index (PyTorch EmbeddingBag): an index equal to
 * pad adds nothing and its row gets no gradient; a bag of padding gives zeros; a repeated
 * index counts each time. table [V,D] without padding of D, bags [B,bag] -> y [B,D]. */
struct layer_bag {
    int dim, bag, pad; /* pad: the index that means nothing */
};
void layer_bag_forward(const struct layer_bag *l, float *y, int y_ld, const float *table,
                       const int *bags, int rows);
void layer_bag_backward(const struct layer_bag *l, float *dtable, const float *dy, int dy_ld,
                        const int *bags, int rows);

/* Dot interaction of n vectors a row (facebookresearch/dlrm interact_features): the strict
 * lower triangle of T T^T in row order (1,0), (2,0), (2,1), ... T [B,n,ld] -> z [B,pairs].
 * A dot product is 16 partial sums, added as a tree. */
int layer_dots_pairs(int n); /* n (n-1) / 2 */
void layer_dots_forward(float *z, int z_ld, const float *T, int n, int ld, int rows);
/* Adds g T_j to dT_i and g T_i to dT_j for each pair, for the first n_train vectors only (the
 * others are inputs without a gradient): dT [B,n_train,ld] must hold what came before. */
void layer_dots_backward(float *dT, int n_train, const float *dz, int dz_ld, const float *T,
                         int n, int ld, int rows);

/* p = 1/(1+exp(-z)); absolute error under 2e-7. */
void layer_sigmoid(float *p, const float *z, int n);

/* Binary cross-entropy from logits, stable for any finite z: a row's loss is
 * max(z,0) - z y + log1p(exp(-|z|)) (error under 4e-7 of max(1, loss)), times the weight of
 * its own label. z [n], y [n] of 0 or 1 -> dz [n] = weight[y] (sigmoid(z) - y) * scale (NULL:
 * not wanted; scale is 1/batch for a mean over the batch). Adds the sums to sum. */
struct layer_loss {
    double weighted, plain; /* sums over rows, with and without the weights */
};
void layer_bce(float *dz, struct layer_loss *sum, const float *z, const unsigned char *y, int n,
               const float weight[2], float scale);

#endif
