/* SPDX-License-Identifier: MIT */
/* How much memory a process may still take, for those who need a lot of it.
 *
 *     if (needs > memory_available()) ...
 */
#ifndef MM_BASE_MEMORY_H
#define MM_BASE_MEMORY_H
#include <stdint.h>

/* Bytes: MemAvailable of the machine, or what is left of the control group's limit (version 2)
 * if that is less; pages of files that can be dropped count as free. UINT64_MAX: unknown. */
uint64_t memory_available(void);

#endif
