/* SPDX-License-Identifier: MIT */
/* The JSON files beside a network's weights (config.json and its kin).
 *
 *     struct config c;
 *     if (config_open(&c, dir, "config.json", &e) < 0 ||
 *         config_int(&D, &c, "hidden_size", 1, 8192, &e) < 0) ...
 *     config_close(&c);
 *
 * Errors name the file and the key.
 */
#ifndef MM_MODEL_CONFIG_H
#define MM_MODEL_CONFIG_H
#include "base/err.h"

struct cJSON;

struct config {
    char *path;
    struct cJSON *root; /* an object */
};

/* dir/name, at most 1 MiB. config_close works also after a failure. */
int config_open(struct config *c, const char *dir, const char *name, struct err *e) MM_MUST_CHECK;
void config_close(struct config *c);
int config_exists(const char *dir, const char *name);

/* A whole number within [lo, hi]; must be there. */
int config_int(int *out, const struct config *c, const char *key, int lo, int hi,
               struct err *e) MM_MUST_CHECK;
/* The same, or otherwise where the key is absent or null. */
int config_int_or(int *out, const struct config *c, const char *key, int otherwise, int lo, int hi,
                  struct err *e) MM_MUST_CHECK;
/* Numbers of an array, exactly n; each within [lo, hi]. */
int config_ints(int *out, int n, const struct config *c, const char *key, int lo, int hi,
                struct err *e) MM_MUST_CHECK;
int config_double(double *out, const struct config *c, const char *key, double lo, double hi,
                  struct err *e) MM_MUST_CHECK;
int config_doubles(double *out, int n, const struct config *c, const char *key, double lo,
                   double hi, struct err *e) MM_MUST_CHECK;
int config_has(const struct config *c, const char *key); /* there, and not null */
/* The object below that key as a configuration of its own, valid until config_close(c) and
 * not to be closed. -1 when there is none. */
int config_sub(struct config *out, const struct config *c, const char *key);
/* How many items the list or object of that key has; 0 when there is none. */
int config_count(const struct config *c, const char *key);
/* NULL when absent or no string; valid until config_close. */
const char *config_string(const struct config *c, const char *key);
/* The key must hold that string. */
int config_expect(const struct config *c, const char *key, const char *want,
                  struct err *e) MM_MUST_CHECK;
/* 1 or 0; otherwise when the key is absent. */
int config_flag(const struct config *c, const char *key, int otherwise);

#endif
