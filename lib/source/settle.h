/* SPDX-License-Identifier: MIT */
/* What can only be said when all files were read: which rows are gone, which split a time
 * belongs to, which unlabelled reviews must hide with a label.
 *
 *     settle(&loader);      // by loader_end, inside its transaction
 */
#ifndef MM_SOURCE_SETTLE_H
#define MM_SOURCE_SETTLE_H
#include "source/loader.h"

void settle(struct loader *l);

#endif
