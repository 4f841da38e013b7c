/* SPDX-License-Identifier: MIT */
#include "model/sums.h"
#include "base/util.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define SMALL ((size_t)64 << 20)

int sums_read(struct buf *sums, const char *dir, struct err *e)
{
    char *path = xasprintf("%s/SHA256SUMS", dir);
    int rc = access(path, F_OK) == 0 ? buf_read_file(sums, path, 1 << 20, e) : 0;
    free(path);
    return rc;
}

/* The 64 hex digits of a line "DIGEST  NAME"; a star says binary, "./" nothing. */
static const char *digest_in(const char *line, size_t n, const char *name)
{
    size_t at = SHA256_HEX - 1, len = strlen(name);
    if (n < at + 2 || strspn(line, "0123456789abcdefABCDEF") != at || line[at] != ' ' ||
        (line[at + 1] != ' ' && line[at + 1] != '*'))
        return NULL;
    at += 2;
    at += n - at >= 2 && strncmp(line + at, "./", 2) == 0 ? 2 : 0;
    if (n > at && line[n - 1] == '\r')
        n--;
    return n - at == len && memcmp(line + at, name, len) == 0 ? line : NULL;
}

static const char *digest_of(const struct buf *sums, const char *path)
{
    const char *slash = strrchr(path, '/'), *found = NULL;
    for (const char *p = buf_str(sums); *p && !found;) {
        size_t n = strcspn(p, "\n");
        found = digest_in(p, n, slash ? slash + 1 : path);
        p += n + (p[n] == '\n');
    }
    return found;
}

int sums_check(const struct buf *sums, const char *path, const unsigned char digest[SHA256_BYTES],
               struct err *e)
{
    char hex[SHA256_HEX];
    const char *want = digest_of(sums, path);
    sha256_hex(hex, digest);
    if (!want || strncasecmp(want, hex, SHA256_HEX - 1) == 0)
        return 0;
    return err_set(e, "%s: has another digest than SHA256SUMS says: download it again, or take "
                   "its line out", path);
}

int sums_check_file(const struct buf *sums, const char *path, struct err *e)
{
    struct buf b = {0};
    unsigned char digest[SHA256_BYTES];
    if (!digest_of(sums, path) || access(path, F_OK) != 0)
        return 0;
    int rc = buf_read_file(&b, path, SMALL, e);
    if (rc == 0) {
        sha256_of(digest, buf_str(&b), b.len);
        rc = sums_check(sums, path, digest, e);
    }
    buf_release(&b);
    return rc;
}
