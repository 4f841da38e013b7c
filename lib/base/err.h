/* SPDX-License-Identifier: MIT */
/* The sentence with which a library function tells its caller why it failed.
 *
 *     struct err e = {0};
 *     if (image_decode(&img, bytes, n, &e) < 0)
 *         warn("%s: %s", path, e.text);
 *
 * 0 is success and -1 failure everywhere. A message names the thing first, starts in lower
 * case, carries the wrong number and the expected one, and ends without a full stop. The
 * library never prints and never exits.
 */
#ifndef MM_BASE_ERR_H
#define MM_BASE_ERR_H

#define MM_MUST_CHECK __attribute__((warn_unused_result))
#define MM_PRINTF(f, a) __attribute__((format(printf, f, a)))

struct err {
    char text[512];
};

/* Fills e (which may be NULL) and returns -1. */
int err_set(struct err *e, const char *fmt, ...) MM_PRINTF(2, 3);

#endif
