/* SPDX-License-Identifier: MIT */
#include "db/vec.h"
#include "db/db.h"
#include <math.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "vectors are stored as they lie");

void vec_bind(sqlite3_stmt *q, const char *name, const float *v, size_t n)
{
    db_blob(q, name, v, n * sizeof *v);
}

int vec_column(float *v, sqlite3_stmt *q, int col, size_t n, struct err *e)
{
    const void *p = sqlite3_column_blob(q, col);
    size_t bytes = (size_t)sqlite3_column_bytes(q, col);
    if (bytes != n * sizeof *v)
        return err_set(e, "vector of %zu bytes, expected %zu floats", bytes, n);
    if (n)
        memcpy(v, p, bytes);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(v[i]))
            return err_set(e, "vector holds a value that is not finite at %zu", i);
    return 0;
}
