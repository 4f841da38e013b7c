/* SPDX-License-Identifier: MIT */
/* Points in time as review files write them, to unix seconds (UTC).
 *
 *     int64_t at;
 *     if (when_parse(&at, "5/25/2019 15:54") < 0)
 *         bad_times++;
 *
 * Understood: seconds (1e7 to 1e11), milliseconds (above 1e11, below 1e14), either with a
 * fraction; "2019-05-25", "2019-05-25 15:54[:00[.5]]", with T, with Z or an offset; with
 * slashes; "5/25/2019 [15:54[:00]] [PM]", "05-25-2019" (month first, as in the Zomato
 * file and its copy by Excel); "09 1, 2016" (month day, year). A time without a zone is
 * taken as UTC. Years 1970 to 9999.
 */
#ifndef MM_SOURCE_WHEN_H
#define MM_SOURCE_WHEN_H
#include "base/err.h"
#include <stdint.h>

/* -1: s is none of these. */
int when_parse(int64_t *at, const char *s) MM_MUST_CHECK;

/* Days from 1970-01-01 to that date of the Gregorian calendar; negative before it. */
int64_t when_days(int year, int month, int day);

#endif
