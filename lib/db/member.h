/* SPDX-License-Identifier: MIT */
/* Who belongs to a visible set, as a condition on a row r of review: the one place that says
 * so for every reader. Parameters :fold (-1 = full) and :by_time.
 *
 *     "SELECT r.id FROM review r WHERE r.user_id = :entity AND " MEMBER_SQL
 */
#ifndef MM_DB_MEMBER_H
#define MM_DB_MEMBER_H

#ifdef MM_PLANT_LEAK /* a test build, to be caught by v_leak: every fold sees its own rows too */
#define MEMBER_SQL "(r.split IN ('train', 'none') OR (:fold = :by_time AND 0))"
#else
#define MEMBER_SQL \
    "(r.split = 'none' OR (r.split = 'train' AND (:fold = -1 OR\n" \
    "CASE WHEN :by_time THEN r.fold < :fold ELSE r.fold <> :fold END)))"
#endif

#endif
