/* SPDX-License-Identifier: MIT */
/* Vectors of what a view can see: one matrix per input of a reducer, a row per view that has
 * any, never a copy per review. It lies in a file without a name, not on the heap.
 *
 *     struct entity_matrix m;
 *     struct entity_job job = {.d = d, .db = db, .in = &entity_inputs[b.input[0]],
 *                              .who = &b.who, .dir = "mm.db.d"};
 *     if (entity_read(&m, &job, &e) < 0) ...
 *     const float *v = m.of[i] < 0 ? NULL : m.rows + m.of[i] * m.dim;   // row i of d
 *     entity_release(&m);
 *
 * Means are plain means over the visible reviews or photos (not scaled to unit length again),
 * summed in double in content order. What was read is written to table reading, for v_leak.
 * Under the paper's protocol a train row's own text is taken out of the two means of reviews
 * again, ((n mean) - own) / (n - 1): those are then one row per review.
 */
#ifndef MM_TRAIN_ENTITY_H
#define MM_TRAIN_ENTITY_H
#include "base/mapped.h"
#include "train/block.h"
#include "train/dataset.h"

enum entity_what {
    ENTITY_USER_SUMMARY,
    ENTITY_BUSINESS_SUMMARY,
    ENTITY_CAPTIONS,      /* mean over the photos' captions */
    ENTITY_USER_TEXTS,    /* mean over the reviews */
    ENTITY_BUSINESS_TEXTS,
    ENTITY_PHOTOS,        /* mean over the photos */
    ENTITY_INPUTS
};

struct entity_input {
    const char *name;    /* in block.inputs */
    const char *what;    /* in reading.what; NULL: recorded by its own stage */
    int is_image;        /* made by the image encoder, not the text encoder */
    enum dataset_side side;
    const char *sql;     /* member vectors of one view */
    const char *sql_own; /* of the row's own review, where it is left out; or NULL */
};

extern const struct entity_input entity_inputs[ENTITY_INPUTS];

struct entity_job {
    const struct dataset *d;
    struct db *db;
    const struct entity_input *in;
    const struct block_methods *who;
    const char *dir; /* where large arrays go */
    int record;      /* write what was read to table reading, in the caller's transaction */
};

struct entity_matrix {
    const float *rows; /* [n_rows, dim] */
    int n_rows, dim;
    int *of;           /* [d->n] the matrix row of each row, -1: nothing to see */
    struct mapped file;
};

/* -1: interrupted, a vector of another length than its encoder's, or not finite, or no room
 * in dir. */
int entity_read(struct entity_matrix *m, const struct entity_job *job,
                struct err *e) MM_MUST_CHECK;
void entity_release(struct entity_matrix *m);

#endif
