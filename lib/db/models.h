/* SPDX-License-Identifier: MIT */
/* Where the files of networks lie, and whether they are those of the last run.
 *
 *     char *models = models_folder(db);             // "/srv/models"; free()
 *     char *own = models_own(db, "TEXT_MODEL");      // or NULL: the one in models_folder
 */
#ifndef MM_DB_MODELS_H
#define MM_DB_MODELS_H

struct buf;
struct db;

/* Variable MODELS; when it is auto, $MM_MODELS, else ../models or ../share/mmrec/models seen
 * from the program, else "models". The caller frees. db may be NULL: no settings. */
char *models_folder(struct db *db);
/* TEXT_MODEL, IMAGE_MODEL or BLIP2_MODEL unless it is auto; the caller frees. */
char *models_own(struct db *db, const char *variable);

/* One line "model files=..." that changes when a file in the folder of models, or in one that a
 * variable among `variables` names, appears, goes, or has another size or time. Files that the
 * tools make there themselves (packed-*.mm), or that are under way, do not count. */
void models_stamp(struct buf *out, struct db *db, const char *variables);

#endif
