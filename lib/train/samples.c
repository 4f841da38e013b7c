/* SPDX-License-Identifier: MIT */
#include "train/samples.h"
#include <math.h>
#include <stdio.h>

static int check_floats(const float *x, size_t n, const char *what, struct err *e)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return err_set(e, "%s: value %zu is %g", what, i, (double)x[i]);
    return 0;
}

static int check_block(const struct samples *s, int b, struct err *e)
{
    const struct samples_block *k = &s->blocks[b];
    if (k->dim < 1 || k->n_rows < 0)
        return err_set(e, "block %d: %d rows of %d values", b, k->n_rows, k->dim);
    if (!k->row && k->n_rows < s->n)
        return err_set(e, "block %d: %d rows for %d samples", b, k->n_rows, s->n);
    for (int i = 0; k->row && i < s->n; i++)
        if (k->row[i] < -1 || k->row[i] >= k->n_rows)
            return err_set(e, "block %d: sample %d points at row %d of %d", b, i, k->row[i],
                           k->n_rows);
    char what[40];
    snprintf(what, sizeof what, "block %d", b);
    return check_floats(k->rows, (size_t)k->n_rows * k->dim, what, e);
}

int samples_check(const struct samples *s, struct err *e)
{
    for (int i = 0; s->label && i < s->n; i++)
        if (s->label[i] > 1)
            return err_set(e, "label of sample %d is %d, neither 0 nor 1", i, s->label[i]);
    for (size_t i = 0; i < (size_t)s->n * s->bag; i++)
        if (s->bags[i] < 0 || s->bags[i] > s->n_categories)
            return err_set(e, "sample %zu has category %d of %d", i / s->bag, s->bags[i],
                           s->n_categories);
    if (s->n_dense && check_floats(s->dense, (size_t)s->n * s->n_dense, "dense features", e) < 0)
        return -1;
    for (int b = 0; b < s->n_blocks; b++)
        if (check_block(s, b, e) < 0)
            return -1;
    return 0;
}

const float *samples_vector(const struct samples *s, int b, int i)
{
    const struct samples_block *k = &s->blocks[b];
    int row = k->row ? k->row[i] : i;
    return row < 0 ? NULL : k->rows + (size_t)row * k->dim;
}

int samples_width(const struct samples *s)
{
    int width = 0;
    for (int b = 0; b < s->n_blocks; b++)
        width += s->blocks[b].dim;
    return width;
}
