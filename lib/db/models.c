/* SPDX-License-Identifier: MIT */
#include "db/models.h"
#include "base/buf.h"
#include "base/sha256.h"
#include "base/util.h"
#include "db/db.h"
#include "db/setting.h"
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *models_own(struct db *db, const char *variable)
{
    char *v = setting_value(db, variable);
    if (strcmp(v, "auto") != 0)
        return v;
    free(v);
    return NULL;
}

/* bin/../models of a source tree, or what an installation has; NULL: neither is there. */
static char *beside_program(void)
{
    static const char *const where[] = {"../models", "../share/mmrec/models"};
    char exe[4096], *dir = NULL;
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (n <= 0)
        return NULL;
    exe[n] = 0;
    *strrchr(exe, '/') = 0;
    for (size_t i = 0; !dir && i < ARRAY_LEN(where); i++) {
        char *path = xasprintf("%s/%s", exe, where[i]);
        dir = realpath(path, NULL);
        free(path);
    }
    return dir;
}

char *models_folder(struct db *db)
{
    char *v = db ? models_own(db, "MODELS") : NULL;
    const char *env = getenv("MM_MODELS");
    if (!v && env && *env)
        v = xstrdup(env);
    if (!v)
        v = beside_program();
    return v ? v : xstrdup("models");
}

static int counts(const char *name)
{
    size_t n = strlen(name);
    return *name != '.' && strncmp(name, "packed-", 7) != 0 &&
           !(n > 5 && strcmp(name + n - 5, ".part") == 0);
}

/* Names, sizes and times of the files in dir, and, with depth, of those in its folders. */
static void add_folder(struct sha256 *h, const char *dir, int depth)
{
    struct dirent **entry = NULL;
    int n = scandir(dir, &entry, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        struct stat st;
        char *path = xasprintf("%s/%s", dir, entry[i]->d_name);
        if (counts(entry[i]->d_name) && stat(path, &st) == 0) {
            int64_t what[] = {st.st_size, st.st_mtim.tv_sec, st.st_mtim.tv_nsec};
            if (S_ISREG(st.st_mode)) {
                sha256_add_field(h, path, strlen(path));
                sha256_add_field(h, what, sizeof what);
            } else if (S_ISDIR(st.st_mode) && depth > 0)
                add_folder(h, path, depth - 1);
        }
        free(path);
        free(entry[i]);
    }
    free(entry);
}

void models_stamp(struct buf *out, struct db *db, const char *variables)
{
    static const char *const own[] = {"TEXT_MODEL", "IMAGE_MODEL", "BLIP2_MODEL"};
    unsigned char digest[SHA256_BYTES];
    char hex[SHA256_HEX];
    struct sha256 *h = sha256_new();
    char *dir = models_folder(db);
    add_folder(h, dir, 1);
    free(dir);
    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        if (strstr(variables, own[i]) && (dir = models_own(db, own[i])) != NULL) {
            add_folder(h, dir, 0);
            free(dir);
        }
    sha256_end(digest, h);
    sha256_free(h);
    sha256_hex(hex, digest);
    buf_addf(out, "model files=%.16s\n", hex);
}
