/* SPDX-License-Identifier: MIT */
/* The upstream MLP: all blocks of a sample side by side -> hidden (ReLU) -> features -> one
 * logit. Trained on the label; the last hidden layer is the reduced vector.
 *
 *     struct mlp_config c = {MLP_DEFAULTS, .in = 768};
 *     struct mlp *m = mlp_new(&c, seed, &e);
 *     if (mlp_bind(m, &samples, &e) < 0) ...
 *     struct trainer_model table = mlp_model(m);           // for trainer.h
 *     mlp_features(m, reduced, ids, n);                    // [n, 32]
 *
 * The feature layer is tanh unless said otherwise. The DLRM multiplies these vectors with
 * each other and with the bottom output: bounded values keep a row unlike the training rows
 * from outweighing the rest, and zero, which stands for an entity nobody has reviewed, is
 * then the middle of the range and not its edge. Nor can a unit die, as under ReLU.
 * Ownership, threads and allocation as in dlrm.h.
 */
#ifndef MM_TRAIN_MLP_H
#define MM_TRAIN_MLP_H
#include "base/buf.h"
#include "base/err.h"
#include "train/samples.h"
#include "train/trainer.h"

enum mlp_activation { MLP_TANH, MLP_RELU };

struct mlp_config {
    int in, hidden, features;
    int activation; /* of the feature layer */
    float dropout;  /* after the first hidden layer */
};
#define MLP_DEFAULTS .hidden = 128, .features = 32, .activation = MLP_TANH

struct mlp;

/* W and b ~ U(+-1/sqrt(in)), torch.nn.Linear's default. NULL: a size out of range. */
struct mlp *mlp_new(const struct mlp_config *c, uint64_t seed, struct err *e) MM_MUST_CHECK;
void mlp_free(struct mlp *m); /* NULL is accepted */
const struct mlp_config *mlp_shape(const struct mlp *m);

/* As dlrm_bind: the blocks' dims must add up to in. */
int mlp_bind(struct mlp *m, const struct samples *s, struct err *e) MM_MUST_CHECK;
struct trainer_model mlp_model(struct mlp *m);

/* Of the bound samples ids [n], dropout off -> z [n], f [n, features]. */
void mlp_logits(struct mlp *m, real *z, const int *ids, int n);
void mlp_features(struct mlp *m, real *f, const int *ids, int n);

#define MLP_TENSORS 6
int mlp_tensors(const struct mlp *m, struct trainer_tensor out[MLP_TENSORS]);

/* As dlrm_save and dlrm_load. The reducer's identity is the digest of these bytes. */
void mlp_save(const struct mlp *m, struct buf *to);
struct mlp *mlp_load(const void *bytes, size_t n, struct err *e) MM_MUST_CHECK;

#endif
