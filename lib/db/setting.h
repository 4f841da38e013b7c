/* SPDX-License-Identifier: MIT */
/* The variables of pipeline.mk: their names, defaults and allowed values, in one table, and
 * their remembered values in table setting.
 *
 *     if (setting_change(db, "SPLIT", "user", &e) < 0) die_usage("%s", e.text);
 *     char *split = setting_value(db, "SPLIT");     // remembered, else the default; free()
 */
#ifndef MM_DB_SETTING_H
#define MM_DB_SETTING_H
#include "base/err.h"

struct db;

struct setting_def {
    const char *name;
    const char *value;   /* default */
    const char *allowed; /* blank-separated words, "int LO HI", "percent", or NULL: anything */
    const char *meaning;
};

extern const struct setting_def setting_defs[]; /* ends with a NULL name */

/* NULL: no such variable; e then holds "did you mean". */
const struct setting_def *setting_find(const char *name, struct err *e);
/* -1: not allowed; e names what is. */
int setting_check(const struct setting_def *def, const char *value, struct err *e) MM_MUST_CHECK;
/* The remembered value or the default; the caller frees. Dies on an unknown name. */
char *setting_value(struct db *db, const char *name);
int setting_int(struct db *db, const char *name);
/* Checks and remembers. Returns 1 if the value differs from before, 0 if not, -1 refused. */
int setting_change(struct db *db, const char *name, const char *value, struct err *e) MM_MUST_CHECK;

#endif
