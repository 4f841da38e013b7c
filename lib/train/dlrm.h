/* SPDX-License-Identifier: MIT */
/* DLRM (Naumov et al. 2019; facebookresearch/dlrm dlrm_s_pytorch.py): dense features through
 * a bottom MLP, categories through an embedding bag, blocks of vectors as they are; the dot
 * products of all pairs, and the vectors, go to a top MLP with one logit.
 *
 *     struct dlrm_config c = {DLRM_DEFAULTS, .n_dense = 8, .bag = 11, .n_categories = 179,
 *                             .n_blocks = 2, .dropout = 0.1f};
 *     struct dlrm *m = dlrm_new(&c, seed, &e);
 *     if (dlrm_bind(m, &samples, &e) < 0) ...
 *     struct trainer_model table = dlrm_model(m);          // for trainer.h
 *
 * Vectors are in the order bottom output, bag, blocks; any of them may be absent. Hidden
 * layers are ReLU, the bottom's last layer too (it is one of the vectors). Dropout follows
 * the hidden layers: the bottom's first and the top's first two. It is not part of official
 * DLRM; we leave the vectors themselves whole, so that all of them meet on the same scale.
 * A row's result does not depend on the rest of the batch. One model belongs to one thread
 * at a time; new and load allocate, nothing else does.
 */
#ifndef MM_TRAIN_DLRM_H
#define MM_TRAIN_DLRM_H
#include "base/buf.h"
#include "base/err.h"
#include "train/samples.h"
#include "train/trainer.h"

enum dlrm_variant {
    DLRM_DOT, /* top MLP reads [bottom output, dots], as official DLRM */
    DLRM_CAT  /* top MLP reads [all vectors, dots] */
};

struct dlrm_config {
    int n_dense;           /* 0: no bottom MLP */
    int bag, n_categories; /* bag 0: no embedding */
    int n_blocks;
    int dim;               /* of every vector */
    int bottom, top[2];    /* hidden widths: n_dense-bottom-dim and top[0]-top[1]-1 */
    int variant;
    float dropout;
};
#define DLRM_DEFAULTS .dim = 32, .bottom = 64, .top = {64, 32}, .variant = DLRM_DOT

struct dlrm;

/* Initialised as official DLRM: W ~ N(0, sqrt(2/(in+out))), b ~ N(0, sqrt(1/out)), table ~
 * U(+-sqrt(1/rows)), its padding row 0. NULL: nothing to feed to the top MLP, or sizes below
 * 1. Freed by dlrm_free (NULL is accepted). */
struct dlrm *dlrm_new(const struct dlrm_config *c, uint64_t seed, struct err *e) MM_MUST_CHECK;
void dlrm_free(struct dlrm *m);
const struct dlrm_config *dlrm_shape(const struct dlrm *m);

/* The samples that ids mean from now on; borrowed, must have passed samples_check. -1: they
 * have another shape than the model. */
int dlrm_bind(struct dlrm *m, const struct samples *s, struct err *e) MM_MUST_CHECK;

/* For the trainer; borrowed from m. */
struct trainer_model dlrm_model(struct dlrm *m);

/* Logits z [n] of the bound samples ids [n], dropout off. */
void dlrm_logits(struct dlrm *m, real *z, const int *ids, int n);

/* The tensors within the flat parameters, in order; returns how many (at most 11). */
#define DLRM_TENSORS 11
int dlrm_tensors(const struct dlrm *m, struct trainer_tensor out[DLRM_TENSORS]);

/* Appends the configuration and the parameters (little-endian); load gives a model that
 * computes the same bits. NULL: not a saved DLRM. */
void dlrm_save(const struct dlrm *m, struct buf *to);
struct dlrm *dlrm_load(const void *bytes, size_t n, struct err *e) MM_MUST_CHECK;

#endif
