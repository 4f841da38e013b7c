/* SPDX-License-Identifier: MIT */
/* Rows of table method: how a thing is computed, and which way is the current one.
 *
 *     struct method m = {"summary", "extractive", 1, "{}", 0, "built in, no LLM"};
 *     int64_t id = method_id(db, &m, opts.plan);
 */
#ifndef MM_DB_METHOD_H
#define MM_DB_METHOD_H
#include <stdint.h>

struct db;

struct method {
    const char *task, *name;
    int version;
    const char *params; /* JSON */
    int dim;            /* floats a vector, 0 for none */
    const char *note;
};

/* The row's id, made if new and marked as its task's current one. With plan nothing is
 * written: 0 when there is no such row yet. Own transaction. */
int64_t method_id(struct db *db, const struct method *m, int plan);
/* Marks no method of the task as current. */
void method_none(struct db *db, const char *task);
/* The current method of a task, 0 when there is none. */
int64_t method_current(struct db *db, const char *task, int *dim);
/* The latest method of that name, 0 when none has run; name NULL: the current one. */
int64_t method_named(struct db *db, const char *task, const char *name, int *dim);

#endif
