/* SPDX-License-Identifier: MIT */
/* From an older schema to this one: one step per version, all in one transaction. */
#ifndef MM_DB_MIGRATE_H
#define MM_DB_MIGRATE_H
#include "base/err.h"

struct db;

/* `from` is the file's user_version. -1: no step leads from there; nothing was changed. */
int migrate(struct db *db, int from, struct err *e) MM_MUST_CHECK;

#endif
