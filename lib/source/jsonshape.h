/* SPDX-License-Identifier: MIT */
/* Tells from a file's beginning how its JSON is laid out.
 *
 *     if (gz_peek(in, &head, &n, &e) == 0)
 *         switch (jsonshape_guess(head, n)) ...
 *
 * A tree ({"train": [{...}, ...], "val": [...]} or [{...}, ...]) is known by a first
 * value that is an array of objects while no other value of the top level in sight is
 * anything else; lines by an opening brace otherwise.
 */
#ifndef MM_SOURCE_JSONSHAPE_H
#define MM_SOURCE_JSONSHAPE_H
#include <stddef.h>

enum jsonshape { JSONSHAPE_NONE, JSONSHAPE_LINES, JSONSHAPE_TREE };

enum jsonshape jsonshape_guess(const char *head, size_t n);

#endif
