/* SPDX-License-Identifier: MIT */
#include "model/config.h"
#include "base/buf.h"
#include "base/util.h"
#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_BYTES ((size_t)1 << 20)

int config_open(struct config *c, const char *dir, const char *name, struct err *e)
{
    struct buf b = {0};
    struct err why;
    *c = (struct config){.path = xasprintf("%s/%s", dir, name)};
    if (buf_read_file(&b, c->path, MAX_BYTES, &why) < 0) {
        buf_release(&b);
        return err_set(e, "%s: %s", c->path, why.text);
    }
    c->root = cJSON_ParseWithLength(buf_str(&b), b.len);
    buf_release(&b);
    if (!cJSON_IsObject(c->root))
        return err_set(e, "%s: not a JSON object", c->path);
    return 0;
}

void config_close(struct config *c)
{
    cJSON_Delete(c->root);
    free(c->path);
    *c = (struct config){0};
}

int config_exists(const char *dir, const char *name)
{
    char *path = xasprintf("%s/%s", dir, name);
    int there = access(path, F_OK) == 0;
    free(path);
    return there;
}

static const cJSON *item(const struct config *c, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(c->root, key);
}

static int whole(int *out, const cJSON *v, int lo, int hi)
{
    double d = cJSON_GetNumberValue(v); /* NaN for what is no number */
    if (!(d >= lo && d <= hi) || d != floor(d))
        return -1;
    *out = (int)d;
    return 0;
}

int config_int(int *out, const struct config *c, const char *key, int lo, int hi, struct err *e)
{
    if (whole(out, item(c, key), lo, hi) < 0)
        return err_set(e, "%s: \"%s\" is no whole number from %d to %d", c->path, key, lo, hi);
    return 0;
}

int config_int_or(int *out, const struct config *c, const char *key, int otherwise, int lo, int hi,
                  struct err *e)
{
    *out = otherwise;
    return config_has(c, key) ? config_int(out, c, key, lo, hi, e) : 0;
}

int config_ints(int *out, int n, const struct config *c, const char *key, int lo, int hi,
                struct err *e)
{
    const cJSON *a = item(c, key);
    int good = cJSON_IsArray(a) && cJSON_GetArraySize(a) == n;
    for (int i = 0; good && i < n; i++)
        good = whole(&out[i], cJSON_GetArrayItem(a, i), lo, hi) == 0;
    if (!good)
        return err_set(e, "%s: \"%s\" is no list of %d whole numbers from %d to %d", c->path,
                       key, n, lo, hi);
    return 0;
}

int config_double(double *out, const struct config *c, const char *key, double lo, double hi,
                  struct err *e)
{
    double d = cJSON_GetNumberValue(item(c, key));
    if (!(d >= lo && d <= hi))
        return err_set(e, "%s: \"%s\" is no number from %g to %g", c->path, key, lo, hi);
    *out = d;
    return 0;
}

int config_doubles(double *out, int n, const struct config *c, const char *key, double lo,
                   double hi, struct err *e)
{
    const cJSON *a = item(c, key);
    int good = cJSON_IsArray(a) && cJSON_GetArraySize(a) == n;
    for (int i = 0; good && i < n; i++) {
        out[i] = cJSON_GetNumberValue(cJSON_GetArrayItem(a, i));
        good = out[i] >= lo && out[i] <= hi;
    }
    if (!good)
        return err_set(e, "%s: \"%s\" is no list of %d numbers from %g to %g", c->path, key, n,
                       lo, hi);
    return 0;
}

int config_has(const struct config *c, const char *key)
{
    const cJSON *v = item(c, key);
    return v && !cJSON_IsNull(v);
}

int config_sub(struct config *out, const struct config *c, const char *key)
{
    *out = (struct config){c->path, cJSON_GetObjectItemCaseSensitive(c->root, key)};
    return cJSON_IsObject(out->root) ? 0 : -1;
}

int config_count(const struct config *c, const char *key)
{
    const cJSON *v = item(c, key);
    return cJSON_IsArray(v) || cJSON_IsObject(v) ? cJSON_GetArraySize(v) : 0;
}

const char *config_string(const struct config *c, const char *key)
{
    return cJSON_GetStringValue(item(c, key));
}

int config_expect(const struct config *c, const char *key, const char *want, struct err *e)
{
    const char *found = config_string(c, key);
    if (!found || strcmp(found, want) != 0)
        return err_set(e, "%s: \"%s\" is \"%.60s\"; this encoder computes \"%s\"", c->path, key,
                       found ? found : "(absent)", want);
    return 0;
}

int config_flag(const struct config *c, const char *key, int otherwise)
{
    const cJSON *v = item(c, key);
    return cJSON_IsBool(v) ? cJSON_IsTrue(v) : otherwise;
}
