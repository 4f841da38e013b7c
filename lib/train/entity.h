/* SPDX-License-Identifier: MIT */
/* Vectors of what a view can see: one matrix per input of a reducer, a row per view that has
 * any, never a copy per review.
 *
 *     struct entity_matrix m;
 *     entity_read(&m, d, db, &entity_inputs[ENTITY_USER_SUMMARY]);
 *     const float *v = m.row[view] < 0 ? NULL : m.rows + m.row[view] * m.dim;
 *     entity_release(&m);
 *
 * Means are plain means over the visible reviews or photos (not scaled to unit length again),
 * summed in double in content order. What was read is written to table reading, for v_leak.
 */
#ifndef MM_TRAIN_ENTITY_H
#define MM_TRAIN_ENTITY_H
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
    const char *name;    /* in reducer.inputs */
    const char *what;    /* in reading.what; NULL: recorded by its own stage */
    const char *encoder; /* task of the method: "text" or "image" */
    enum dataset_side side;
    const char *sql;     /* member vectors of one view */
};

extern const struct entity_input entity_inputs[ENTITY_INPUTS];

struct entity_matrix {
    float *rows; /* [n_rows, dim] */
    int n_rows, dim;
    int *row;    /* [views] */
};

/* -1: a vector of another length than its encoder's, or not finite. record: what
 * was read is written to table reading, inside the caller's transaction. */
int entity_read(struct entity_matrix *m, const struct dataset *d, struct db *db,
                const struct entity_input *in, int record, struct err *e) MM_MUST_CHECK;
void entity_release(struct entity_matrix *m);

#endif
