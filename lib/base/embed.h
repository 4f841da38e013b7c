/* SPDX-License-Identifier: MIT */
/* Files of the source tree that travel inside the tools: schema.sql and the prompts.
 *
 *     const struct embed_file *f = embed_find("schema.sql");
 *     fwrite(f->text, 1, f->bytes, stdout);
 */
#ifndef MM_BASE_EMBED_H
#define MM_BASE_EMBED_H
#include <stddef.h>

struct embed_file {
    const char *name; /* path in the source tree, "prompts/price.txt" */
    const char *text; /* NUL-terminated, lives as long as the process */
    size_t bytes;     /* without the NUL */
};

extern const struct embed_file embed_files[]; /* ends with a NULL name */

/* The file of that name, or NULL. */
const struct embed_file *embed_find(const char *name);

#endif
