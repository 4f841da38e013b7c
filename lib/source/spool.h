/* SPDX-License-Identifier: MIT */
/* Records of one size, sorted by a number, in memory that does not grow: what does not fit
 * goes as sorted runs to a nameless temporary file and is merged when it is read.
 *
 *     struct spool *s = spool_new(sizeof (struct thing), 2 << 20);  // an int64_t comes first
 *     spool_add(s, &thing);                  // as often as there are things
 *     while ((t = spool_next(s)) != NULL)    // ascending; equal numbers in any order
 *         ...
 *     spool_free(s);
 *
 * The file is in TMPDIR or /var/tmp (/tmp may be memory). A full disk ends the process.
 * Source: Knuth, The Art of Computer Programming 3, 5.4 (merging of runs by a heap).
 */
#ifndef MM_SOURCE_SPOOL_H
#define MM_SOURCE_SPOOL_H
#include <stddef.h>

struct spool;

/* bytes: of the memory, for records that are added and later for the buffers of the runs. */
struct spool *spool_new(size_t record_bytes, size_t bytes);
void spool_free(struct spool *s); /* NULL is accepted */

void spool_add(struct spool *s, const void *record); /* copied; not after spool_next */
const void *spool_next(struct spool *s); /* until the next call; NULL after the last */

#endif
